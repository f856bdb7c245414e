"""
Lint: names that must exist, differ or be said, and what makes no sense together; each told where it is.
"""
# ruff: noqa: E501 - a table reads better with a row a line

import pytest

from simulator.scenario_file.loader import load_text
from tests.simulator.scenario_texts import HEAD, loaded, problem_of, problems_of, step_problem, with_steps

CHAIN = """\
apiVersion: gatesim/v1
scenario: x
gateways:
  - name: first
    type: webhook
    configMap: {foo: "endpoint: /foo"}
    watchers: {sensors: [{name: audit}], gateways: [{name: second, port: 1, endpoint: /in}, {name: other, port: 1, endpoint: /in}]}
  - name: second
    type: webhook
    configMap: {bar: "endpoint: /in"}
    watchers: {sensors: [{name: end}]}
"""


@pytest.mark.parametrize(
    ("key", "column", "problem", "hint"),
    [
        ("requirements: [R-CAL-1, R-CALL-1]", 25, "no requirement is called `R-CALL-1`", "did you mean `R-CAL-1`?"),
        ("requirements: [zzz]", 16, "no requirement is called `zzz`", "`gatesim explain requirements` shows them all"),
        ("tags: [a b]", 8, "`a b` cannot be a tag", "letters, digits, `_`, `-` and `.`, a letter first"),
        ("clock: {zone: Europe/Berln}", 15, "there is no time zone `Europe/Berln`", "did you mean `Europe/Berlin`?"),
        ("clock: {zone: ../x}", 15, "there is no time zone `../x`", "an IANA name, such as `Europe/Berlin`"),
        (
            "secrets: [password]",
            11,
            "no key is called `password`",
            "name a key of this file or of its configurations, such as `password`",
        ),
    ],
)
def test_a_head_that_names_what_is_not_there_is_told_so(key, column, problem, hint):
    found = problem_of(with_steps("- advance: 1s", f"{HEAD}{key}\n"))
    assert (found.line, found.column, found.problem, found.hint) == (11, column, problem, hint)


def test_requirements_that_users_declare_are_known():
    text = with_steps("- advance: 1s", f"{HEAD}requirements: [OUR-1, G-CAL-1, BUG-01]\n")
    assert load_text(text, declared=["OUR-1"])
    assert problem_of(text).problem == "no requirement is called `OUR-1`"


def test_every_kind_of_zone_and_tag_that_exists_is_taken():
    head = f"{HEAD}clock: {{zone: America/New_York}}\ntags: [slow, a-b.c_1, _x]\n"
    assert loaded(with_steps("- advance: 1s", head)).clock.zone == "America/New_York"


@pytest.mark.parametrize(
    ("before", "after", "place", "problem"),
    [
        ("name: second\n", "name: first\n", (8, 11), "two gateways are called `first`"),
        ("[{name: end}]", "[{name: end}, {name: end}]", (11, 46), "two watchers of `second` are called `end`"),
        ("{name: other,", "{name: audit,", (7, 100), "two watchers of `first` are called `audit`"),
    ],
)  # fmt: skip
def test_names_that_must_differ_are_told_where_the_second_stands(before, after, place, problem):
    found = problems_of(with_steps("- advance: 1s", CHAIN.replace(before, after)))
    assert (place, problem) in [((p.line, p.column), p.problem) for p in found]


def test_a_gateway_may_be_watched_at_two_endpoints():
    assert loaded(with_steps("- advance: 1s", CHAIN.replace("name: other", "name: second")))


@pytest.mark.parametrize(
    ("step", "column", "problem", "hint"),
    [
        ("- expect: {watcher: audt, count: 1}", 23, "no watcher is called `audt`", "did you mean `audit`?"),
        (
            "- expect: {watcher: second, count: 1}",
            23,
            "`second` is a gateway of this file, so nothing records there",
            "look at its own watchers, or at its `status`",
        ),
        ("- expect: {watchers: [audit, ende], same: [id]}", 32, "no watcher is called `ende`", "did you mean `end`?"),
        (
            "- expect: {watcher: audit, gateway: second, count: 1}",
            23,
            "`audit` is no watcher of `second`",
            "it is one of `first`",
        ),
        (
            "- expect: {watcher: audit, gateway: secnd, count: 1}",
            39,
            "no gateway is called `secnd`",
            "did you mean `second`?",
        ),
        (
            "- expect: {status: {foo: {phase: Running}}}",
            5,
            "`expect` lacks `gateway`: there are several",
            "write one of `gateway: first`, `gateway: second`",
        ),
        (
            "- expect: {gateway: second, status: {foo: null}}",
            40,
            "no configuration is ever called `foo`",
            "there are `bar`",
        ),
        (
            "- watcher: {name: nobody, hang: true}",
            21,
            "no watcher is called `nobody`",
            "there are `audit`, `other`, `end`",
        ),
        (
            "- watcher: {name: audit, gateway: second, hang: true}",
            21,
            "`audit` is no watcher of `second`",
            "it is one of `first`",
        ),
        (
            "- request: {path: /foo}",
            5,
            "`request` lacks `gateway`: there are several",
            "write one of `gateway: first`, `gateway: second`",
        ),
        ("- request: {path: /foo, gateway: third}", 36, "no gateway is called `third`", "there are `first`, `second`"),
        (
            "- configMap: {remove: [foo]}",
            5,
            "`configMap` lacks `gateway`: there are several",
            "write one of `gateway: first`, `gateway: second`",
        ),
        ("- restart: {gateway: frst}", 24, "no gateway is called `frst`", "did you mean `first`?"),
        (
            "- restart: {gateway: first, how: kill}",
            36,
            "a gateway is not killed by `restart`",
            "write `how: crash`, or send a `signal`",
        ),
        ("- restart: {service: nats}", 24, "no service is called `nats`", "there are none"),
        ("- fault: {service: nats, kill: true}", 22, "no service is called `nats`", "there are none"),
        ("- heal: {service: nats}", 21, "no service is called `nats`", "there are none"),
        (
            "- signal: {gateway: first, name: KILL}",
            5,
            "`signal` needs real time",
            "write `clock: real` in the head; a signal needs a process as target",
        ),
        (
            "- expect: {response: {of: r1, status: 200}}",
            29,
            "no step before is called `r1`",
            "give the request `as: NAME`",
        ),
    ],
)
def test_a_step_that_names_what_is_not_there_is_told_so(step, column, problem, hint):
    assert step_problem(step, CHAIN) == (1, column, problem, hint)


@pytest.mark.parametrize(
    "step",
    [
        "- expect: {watcher: other, count: 0}",
        "- expect: {watcher: audit, gateway: first, count: 0}",
        "- expect: {gateway: second, status: {bar: null}}",
        "- restart: {gateway: first, how: crash}",
        "- request: {path: /foo, gateway: first, as: r}\n- expect: {response: {of: r, status: 200}}",
        "- configMap: {gateway: second, set: {new: x}}\n- expect: {gateway: second, status: {new: {phase: Error}}}",
        "- parallel: [[{request: {path: /a, gateway: first, as: r}}], []]\n- expect: {response: {of: r, status: 200}}",
        '- repeat: {times: 3, steps: [{request: {path: /a, gateway: first, as: "r${{ i }}"}}]}\n- expect: {response: {of: r2, status: 200}}',
        '- repeat: {times: 3, steps: [{configMap: {gateway: second, set: {"k${{ i }}": x}}}]}\n- expect: {gateway: second, status: {k2: {phase: Error}}}',
    ],
)
def test_what_exists_may_be_named(step):
    assert problems_of(with_steps(step, CHAIN)) == ()


def test_two_steps_of_one_name_are_told_where_the_second_stands():
    step = "- request: {path: /, gateway: first, as: r}\n- request: {path: /, gateway: first, as: r}"
    assert step_problem(step, CHAIN) == (2, 44, "two steps are called `r`", "the first stands on line 13")


def test_a_response_that_comes_later_is_told_where():
    step = "- expect: {response: {of: r, status: 200}}\n- request: {path: /, gateway: first, as: r}"
    assert step_problem(step, CHAIN) == (1, 29, "`r` comes later, on line 14", "expect it behind that step")


def test_a_slip_in_a_response_s_name_finds_the_request():
    step = "- request: {path: /, gateway: first, as: reply}\n- expect: {response: {of: replay, status: 200}}"
    assert step_problem(step, CHAIN)[3] == "did you mean `reply`?"


def test_a_fault_must_be_one_that_the_service_takes():
    line, column, problem, hint = step_problem("- fault: {service: nats, dropAck: true}")
    assert (line, column, problem) == (1, 28, "a service of type `nats` has no fault `dropAck`")
    assert hint.startswith("it takes `blackhole`, `disconnect`")


def test_a_service_is_killed_and_does_not_crash():
    assert step_problem("- restart: {service: nats, how: crash}")[2:] == (
        "a service does not crash by `restart`",
        "write `how: kill`",
    )


def test_with_one_gateway_no_step_needs_to_name_it():
    steps = (
        "- request: {path: /}\n- configMap: {remove: [foo]}\n- expect: {status: {foo: null}}\n- restart: {gateway: g}"
    )
    assert problems_of(with_steps(steps)) == ()


def test_real_time_may_be_advanced_and_signalled():
    steps = "- advance: 1s\n- signal: {gateway: g, name: KILL}"
    assert problems_of(with_steps(steps, f"{HEAD}clock: real\n")) == ()


def test_names_are_not_missed_where_a_step_could_not_be_read():
    found = problems_of(with_steps("- request: {path: x, as: r}\n- expect: {response: {of: r, status: 200}}"))
    assert [problem.problem for problem in found] == ["`path` cannot be `x`"]


OVER_NATS = """\
apiVersion: gatesim/v1
scenario: x
gateways:
  - name: first
    type: webhook
    configMap: {foo: "endpoint: /foo"}
    dispatchMechanism: NATSGateway
    gatesim: {dispatch: {url: "nats://nats.example:4222"}}
    watchers: {sensors: [{name: audit}]}
  - name: second
    type: webhook
    configMap: {bar: "endpoint: /in"}
    watchers: {sensors: [{name: end}]}
steps:
  - advance: 1s
"""


def test_a_broker_that_a_gateway_dispatches_to_is_a_service_by_itself():
    [scenario] = load_text(OVER_NATS)
    assert {name: setup.as_ for name, setup in scenario.services.items()} == {"nats": ("nats.example:4222",)}


def test_a_broker_needs_no_watchers():
    assert load_text(OVER_NATS.replace("    watchers: {sensors: [{name: audit}]}\n", ""))


@pytest.mark.parametrize(
    ("old", "new", "problem", "hint"),
    [
        (
            "advance: 1s",
            "watcher: {name: audit, hang: true}",
            "`audit` hears over nats, where nobody asks it for an answer",
            "break the broker instead: `fault: {service: nats, ...}`",
        ),
        (
            "name: end",
            "name: audit",
            "watcher `audit` hears over nats already, and here over http",
            "give it another name here",
        ),
        (
            '4222"}}',
            '4222"}, transformer: {port: 1}}',
            "what comes by the transformer's port can be heard on NATS only where a stream stores it",
            "write `dispatch: {jetstream: true}`, and give the service a stream that takes it",
        ),
        (
            "steps:",
            "services: {nats: {as: [other:4222]}}\nsteps:",
            "no service stands for `nats.example:4222`",
            "add it to `as` of service `nats`",
        ),
        (
            "steps:",
            "services: {amqp: {}}\nsteps:",
            "no service stands for `nats.example:4222`",
            "add a service of type `nats` under `services`",
        ),
    ],
)
def test_what_makes_no_sense_with_a_broker_is_told(old, new, problem, hint):
    found = problem_of(OVER_NATS.replace(old, new))
    assert (found.problem, found.hint) == (problem, hint)


IN_CLUSTER = HEAD.replace("  type: nats\n", "  type: nats\n  cluster: CLUSTER\n")


@pytest.mark.parametrize(
    ("cluster", "services", "problem", "hint"),
    [
        ("kubernetss", "", "no service of type `kubernetes` is called `kubernetss`", "write `cluster: kubernetes`"),
        ("nats", "services: {nats: {}}\n", "no service of type `kubernetes` is called `nats`", "write `cluster: kubernetes`"),
        ("k8", "services: {nats: {}, k8s: {type: kubernetes}}\n", "no service of type `kubernetes` is called `k8`", "did you mean `k8s`?"),
    ],
)  # fmt: skip
def test_a_cluster_must_be_a_service_of_that_type(cluster, services, problem, hint):
    (found,) = problems_of(with_steps("- advance: 1s", IN_CLUSTER.replace("CLUSTER", cluster) + services))
    assert (found.line, found.problem, found.hint) == (6, problem, hint)


def test_configurations_that_an_apply_brings_to_a_cluster_may_be_named():
    manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: g-configmap}, data: {bar: 'url: nats://nats.argo-events:4222'}}"
    steps = f"- apply: {{manifest: {manifest}}}\n- expect: {{status: {{bar: {{phase: Error}}}}}}"
    assert problems_of(with_steps(steps, IN_CLUSTER.replace("CLUSTER", "kubernetes"))) == ()
    (found,) = problems_of(
        with_steps(steps.replace("status: {bar", "status: {baz"), IN_CLUSTER.replace("CLUSTER", "kubernetes"))
    )
    assert found.problem == "no configuration is ever called `baz`"
