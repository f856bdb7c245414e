"""
Service table: which services there are, which are implied, and which addresses in texts mean them.
"""
# ruff: noqa: E501 - a table reads better with a row a line

import pytest

from simulator.services.shapes import SHAPES
from tests.simulator.scenario_texts import HEAD, loaded, problem_of, problems_of, with_steps

STEP = "- advance: 1s"
KNOWN = ", ".join(f"`{name}`" for name in SHAPES)


def services(extra: str, head: str = HEAD):
    return loaded(with_steps(STEP, head + extra)).services


def test_a_gateway_s_type_implies_its_service_with_the_addresses_of_its_texts():
    assert services("")["nats"].as_ == ("nats.argo-events:4222",)


def test_a_webhook_or_a_calendar_implies_nothing_that_is_started():
    assert services("", HEAD.replace("type: nats", "type: webhook")) == {}
    assert services("services: {clock: {}, nats: {}}\n").keys() == {"nats"}


def test_a_gateway_in_a_cluster_implies_it():
    head = HEAD.replace("  type: nats\n", "  type: nats\n  cluster: kubernetes\n")
    assert services("", head).keys() == {"nats", "kubernetes"}
    assert services("services: {nats: {}}\n", head).keys() == {"nats", "kubernetes"}
    assert services("services: {nats: {}, kubernetes: {stopped: true}}\n", head)["kubernetes"].stopped


def test_a_service_has_the_type_of_its_name_or_the_one_it_says():
    found = services("services: {broker: {type: nats}}\n")
    assert (found["broker"].type, found["broker"].as_) == ("nats", ("nats.argo-events:4222",))


def test_a_service_that_no_text_names_has_the_address_of_custom():
    assert services("", HEAD.replace("url: nats", "ur: nats"))["nats"].as_ == ("nats.argo-events:4222",)


def test_a_service_without_as_stands_for_every_address_also_of_later_steps():
    steps = '- configMap: {set: {b: "url: nats://later"}}\n- repeat: {times: 2, steps: [{configMap: {replace: {c: "URL: tls://u:p@in-loop:1"}}}]}'
    found = loaded(with_steps(steps)).services["nats"].as_
    assert found == ("nats.argo-events:4222", "later:4222", "in-loop:1")


def test_a_text_that_is_no_yaml_names_no_address():
    head = HEAD.replace("attributes:", "  attributes:")
    assert services("", head)["nats"].as_ == ("nats.argo-events:4222",)


@pytest.mark.parametrize(
    ("extra", "place", "problem", "hint"),
    [
        ("services: {nats: {as: [\"nats.argo:4222\"]}}\n", (8, 19), "no service stands for `nats.argo-events:4222`", "did you mean `nats.argo:4222`?"),
        ("services: {nats: {as: [\"zzz:1\"]}}\n", (8, 19), "no service stands for `nats.argo-events:4222`", "add it to `as` of service `nats`"),
        ("services: {clock: {}}\n", (8, 19), "no service stands for `nats.argo-events:4222`", "add a service of type `nats` under `services`"),
        ("services: {a: {type: nats}, b: {type: nats, as: [\"b:1\"]}}\n", (11, 12), "service `a` lacks `as`: there are 2 of type `nats`", "name the addresses that mean it: `as: [a.argo-events:4222]`"),
        ("services: {a: {type: nats, as: [\"nats.argo-events\"]}, b: {type: nats, as: [\"nats.argo-events:4222\"]}}\n", (11, 76), "`nats.argo-events:4222` means `a` already", "an address means one service"),
        ("services: {nats: {as: [\"nats://nats.argo-events:4222\"]}}\n", (11, 24), "`nats://nats.argo-events:4222` is no address", "write `host:port`, without a scheme"),
        ("services: {nat: {}}\n", (11, 12), "there is no type of service `nat`", "did you mean `nats`? Else write its `type`"),
        ("services: {broker: {}}\n", (11, 12), "there is no type of service `broker`", f"write its `type`; there are {KNOWN}"),
        ("services: {x: {type: natss}}\n", (11, 22), "there is no type of service `natss`", "did you mean `nats`?"),
        ("services: {nats: {streems: {}}}\n", (11, 19), "unknown key `streems` in `nats`", "did you mean `streams`?"),
        ("services: {nats: {stoped: true}}\n", (11, 19), "unknown key `stoped` in `nats`", "did you mean `stopped`?"),
        ("services: {nats: {streams: {A: {subjects: x}}}}\n", (11, 43), "`subjects` must be a list, not text", "write `[x]`"),
        ("services: {nats: {users: [a]}}\n", (11, 26), "`users` must be a mapping, not a list", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_services_is_told_where_it_is(extra, place, problem, hint):
    found = {(p.line, p.column, p.problem, p.hint) for p in problems_of(with_steps(STEP, HEAD + extra))}
    assert (*place, problem, hint) in found


def test_a_wrong_host_in_a_step_is_shown_in_the_step():
    head = HEAD + 'services: {nats: {as: ["nats.argo-events:4222"]}}\n'
    problem = problem_of(with_steps('- configMap: {set: {b: "url: nats://nat.argo-events:4222"}}', head))
    assert (problem.line, problem.source_line[problem.column - 1 : problem.end_column - 1]) == (13, "nat.argo-events")
    assert problem.hint == "did you mean `nats.argo-events:4222`?"
