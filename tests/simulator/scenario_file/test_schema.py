"""
The JSON Schema: valid draft-07, takes whatever the loader takes, and refuses what is obviously wrong.
"""
# ruff: noqa: E501 - a table reads better with a row a line

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from simulator.errors import ScenarioError
from simulator.scenario_file.expectation import Expect
from simulator.scenario_file.loader import load_file, load_text
from simulator.scenario_file.schema import scenario_schema
from simulator.scenario_file.source_text import SourceText
from simulator.scenario_file.step_loader import KINDS
from simulator.scenario_file.wording import keys_of
from simulator.scenario_file.yaml_source import parse
from tests.simulator.scenario_texts import HEAD, with_steps

SCHEMA = scenario_schema()
VALIDATOR = Draft7Validator(SCHEMA)
SCENARIOS = sorted((Path(__file__).parents[3] / "scenarios").rglob("*.scenario.yaml"))


def is_valid(text: str) -> bool:
    return VALIDATOR.is_valid(parse(SourceText("f", text)).value)


def test_it_is_a_draft_07_schema_of_this_format_without_loose_ends():
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert SCHEMA["title"] == "gatesim/v1"
    text = json.dumps(SCHEMA)
    assert "$defs" not in text
    assert "prefixItems" not in text


def test_every_kind_of_step_and_every_key_is_there_with_a_description():
    assert set(SCHEMA["definitions"]["Step"]["properties"]) == set(KINDS)
    assert set(SCHEMA["definitions"]["Expect"]["properties"]) == set(keys_of(Expect))
    for name, definition in SCHEMA["definitions"].items():
        for key, inner in definition.get("properties", {}).items():
            assert "description" in inner or "$ref" in inner, f"{name}.{key}"
    assert all("description" in inner for inner in SCHEMA["properties"].values())


def test_what_a_service_takes_can_be_completed():
    assert {"subject", "replyTo"} <= set(SCHEMA["definitions"]["Publish"]["properties"])
    assert {"bucket", "key"} <= set(SCHEMA["definitions"]["Put"]["properties"])
    assert {"bucket", "key"} <= set(SCHEMA["definitions"]["Remove"]["properties"])
    assert "bucket" not in SCHEMA["definitions"]["Publish"]["properties"]
    assert {"streams", "users"} <= set(SCHEMA["definitions"]["ServiceSetup"]["properties"])


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)
def test_every_shipped_scenario_validates(path):
    assert load_file(path)
    assert [error.message for error in VALIDATOR.iter_errors(parse(SourceText("f", path.read_text())).value)] == []


GOOD = [
    "- publish: {subject: foo, data: null, headers: {a: b}, as: p, mayFail: true}",
    '- repeat: {times: "${{ matrix.n }}", steps: [{publish: {subject: "a${{ i }}", data: "${{ matrix.m }}", count: "${{ matrix.n }}"}}]}',
    "- parallel: [[{advance: 1m30s}], []]",
    "- configMap: {replace: null}",
    "- configMap: {set: {a: b}, remove: [c], transformer: true}",
    "- fault: {service: nats, latency: 200ms}\n- heal: {service: nats}",
    "- fault: {service: nats, rate: 64KiB/s, times: 2}",
    "- restart: {gateway: g, how: crash}",
    "- watcher: {name: audit, refuse: {status: 503, times: 2}}\n- watcher: {name: audit, accept: true, body: x}",
    "- expect: {watcher: audit, count: {min: 1, max: 2}, each: {data: [1]}, latency: {max: 1s}, within: 5s, since: start}",
    "- expect: {watcher: audit, inOrder: [{data: 1}, {ext: x}], gaps: allow, distinct: [id]}",
    "- expect: {watcher: audit, none: {}}",
    "- expect: {watcher: audit, offered: 0}",
    "- expect: {status: {foo: null}}",
    '- request: {path: /a, port: "12000", as: r}\n- expect: {response: {of: r, status: {$type: int}, headers: {a: b}, data: null}}',
    '- expect: {watcher: audit, each: "${{ matrix.m }}"}',
]


@pytest.mark.parametrize("steps", GOOD)
def test_what_the_loader_takes_validates(steps):
    text = with_steps(
        steps, f"{HEAD}matrix: {{n: [1, 2], m: [{{type: x}}]}}\nguarantee: at-least-once\nservices:\n  nats:\n"
    )
    assert load_text(text)
    assert is_valid(text)


def test_what_fragments_bring_in_may_be_missing():
    assert is_valid("apiVersion: gatesim/v1\nscenario: x\nuse: [f.yaml#a]\n")
    assert not is_valid("apiVersion: gatesim/v1\nscenario: x\n")
    assert not is_valid("apiVersion: gatesim/v1\nscenario: x\nsteps: [{advance: 1s}]\n")


BAD = [
    "- advance: 30",
    "- advance: soon",
    "- hello",
    "- {}",
    "- expct: {}",
    "- publish: {subject: foo}",
    "- publish: {subject: foo, text: x, data: 1}",
    "- publish: {subjct: foo, text: x}",
    "- publish: {subject: foo, text: 5}",
    "- publish: {subject: 'a b', text: x}",
    "- publish: {subject: foo, text: x, count: 0}",
    "- request: {}",
    "- request: {path: foo}",
    "- request: {path: /foo, port: 99999}",
    "- configMap: {}",
    "- configMap: {replace: {}, set: {a: b}}",
    "- configMap: {set: {a: 1}}",
    "- fault: {service: nats}",
    "- fault: {service: nats, kill: false}",
    "- fault: {service: nats, kill: true, pause: true}",
    "- watcher: {name: audit}",
    "- watcher: {name: audit, do: hold, hang: true}",
    "- expect: {watcher: audit}",
    "- expect: {watcher: audit, count: many}",
    "- expect: {watcher: audit, count: 1, none: {}}",
    "- expect: {watcher: audit, each: }",
    "- expect: {count: 1}",
    "- expect: {response: {}}",
    "- repeat: {times: 0, steps: []}",
    "- repeat: {times: 1}",
    "- parallel: []",
    "- heal: {}",
    "- restart: {gateway: g, service: nats}",
]


@pytest.mark.parametrize("steps", BAD)
def test_what_is_obviously_wrong_does_not_validate_and_does_not_load(steps):
    text = with_steps(steps)
    assert not is_valid(text)
    with pytest.raises(ScenarioError):
        load_text(text)


@pytest.mark.parametrize(
    "key",
    [
        "tags: x",
        "clock: {virtual: now}",
        "guarantee: maybe",
        "unknown: 1",
        "services: {nats: {streems: {}}}",
        "requires: {}",
        "secrets: 1",
    ],
)
def test_a_head_that_is_obviously_wrong_does_not_validate(key):
    assert not is_valid(with_steps("- advance: 1s", f"{HEAD}{key}\n"))
