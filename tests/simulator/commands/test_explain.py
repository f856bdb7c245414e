"""
Explaining: every key has a text and an example that the loader takes, nothing is wider than a terminal, slips are met.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest

from simulator.commands.examples import EXPECT_EXAMPLES, HEAD_EXAMPLES, STEP_EXAMPLES
from simulator.commands.explain import WIDTH, add_arguments, as_text, main
from simulator.commands.topics import Topic, closest_topic, find_topic, topic_names
from simulator.scenario_file.loader import load_text
from simulator.scenario_file.scenario import Expect, Head
from simulator.scenario_file.step_loader import KINDS
from simulator.scenario_file.wording import keys_of
from simulator.verdict import EXIT_CODES, FAILURE_CLASSES, OTHER_CLASSES

NAMES = sorted(set(topic_names()))

FRAME = """\
apiVersion: gatesim/v1
scenario: an example holds
clock: {clock}
gateway:
  name: orders-gateway
  type: nats
  configMap: {{orders: "url: nats://nats.argo-events:4222\\nattributes: {{subject: orders}}"}}
  watchers: {{sensors: [{{name: audit}}, {{name: backup}}]}}
services: {{nats: {{}}, s3: {{}}, kubernetes: {{}}}}
"""


def explained(path: str, *flags: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return main(parser.parse_args([*([path] if path else []), *flags]))


def load_steps(steps: str, *, clock: str = "{virtual: '2018-10-07T12:00:00Z'}") -> None:
    load_text(FRAME.format(clock=clock) + "steps:\n" + steps)


def topic(name: str) -> Topic:
    found = find_topic(name)
    assert found is not None, name
    return found


def test_every_topic_is_found_and_has_a_text() -> None:
    assert not [name for name in NAMES if not topic(name).text]


def test_no_text_is_wider_than_a_terminal() -> None:
    wide = [line for name in ("", *NAMES) for line in as_text(topic(name)).splitlines() if len(line) > WIDTH]
    examples = {line for name in ("", *NAMES) for line in topic(name).example.splitlines()}
    assert not [line for line in wide if line.removeprefix("  ") not in examples]


def test_every_key_has_an_example_that_names_it() -> None:
    keys = [found for found in map(topic, NAMES) if found.type]
    assert len(keys) > 100
    assert not [key.name for key in keys if key.name.rpartition(".")[2] not in key.example]


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_step_is_a_step(kind: str) -> None:
    load_steps(STEP_EXAMPLES[kind], clock="real" if kind == "signal" else "{virtual: '2018-10-07T12:00:00Z'}")


@pytest.mark.parametrize("key", keys_of(Expect))
def test_the_example_of_a_key_of_expect_loads(key: str) -> None:
    load_steps(EXPECT_EXAMPLES[key])
    assert f"{key}:" in EXPECT_EXAMPLES[key]


@pytest.mark.parametrize("key", sorted(set(keys_of(Head)) - {"scenario", "apiVersion", "steps", "manifests", "use"}))
def test_the_example_of_a_key_of_the_head_loads(key: str) -> None:
    lines = ["apiVersion: gatesim/v1", "scenario: an example", topic(key).example.rstrip()]
    if key not in ("gateway", "gateways"):
        lines.append("gateway: {name: g, type: x, configMap: {a: '{password: p, token: t}'}, watchers: {sensors: []}}")
    known = frozenset(["R-CAL-1"])
    assert load_text("\n".join([*lines, "steps: [{advance: 1s}]\n"]), declared=known)


def test_the_first_example_is_a_whole_file() -> None:
    assert load_text(HEAD_EXAMPLES["scenario"])


def test_indices_and_the_word_steps_may_stand_in_a_path() -> None:
    assert find_topic("steps[2].publish.count") == find_topic("publish.count")
    assert find_topic("gateways[0].watchers.sensors[1].name") == find_topic("gateways.watchers.sensors.name")


def test_keys_of_a_service_are_found_under_its_steps_and_its_set_up() -> None:
    assert "subject" in {entry.name for entry in topic("steps.publish").entries}
    assert find_topic("services.nats.streams.subjects") is not None


def test_keys_of_each_step_that_services_take_are_those_of_the_services_that_take_it() -> None:
    assert {"bucket", "key"} <= {entry.name for entry in topic("steps.put").entries}
    assert {"bucket", "key"} <= {entry.name for entry in topic("steps.remove").entries}
    assert "bucket" not in {entry.name for entry in topic("steps.publish").entries}
    assert topic("put.bucket").text == topic("remove.bucket").text


def test_exit_codes_and_reasons_come_from_their_catalogues() -> None:
    codes, reasons = topic("exit-codes"), topic("reasons")
    assert {entry.name: entry.text for entry in codes.entries} == {str(c): text for c, text in EXIT_CODES.items()}
    assert {entry.name for entry in reasons.entries} == {*FAILURE_CLASSES, *OTHER_CLASSES}


def test_a_key_wins_over_a_reason_of_the_same_name_and_points_to_it() -> None:
    key, reason = topic("unexpected"), topic("reasons.unexpected")
    assert key.see == ("reasons.unexpected",)
    assert FAILURE_CLASSES["unexpected"] in reason.text[0].lower() + reason.text[1:]


def test_a_requirement_is_explained_in_any_case() -> None:
    assert find_topic("r-cfg-4") == find_topic("R-CFG-4")
    assert "MUST" in topic("R-CFG-4").text


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("expect.cuont", "expect.count"),
        ("steps.publsh", "publish"),
        ("servces.nats", "services.nats"),
        ("exit", "exit-codes"),
    ],
)
def test_a_slip_gets_a_suggestion(slip: str, meant: str) -> None:
    assert find_topic(slip) is None
    assert closest_topic(slip) == meant


def test_an_unknown_path_is_a_usage_error_without_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert explained("expect.cuont") == 4
    out, err = capsys.readouterr()
    assert (out, err) == ("", "gatesim explain: nothing is called `expect.cuont`; did you mean `expect.count`?\n")


def test_json_holds_what_the_text_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert explained("expect.count", "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["name"] == "expect.count"
    assert {entry["name"] for entry in found["entries"]} == {"min", "max"}
    assert found["example"]
