"""
The JSON report and its published schema say the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from simulator.commands.schema import REPORT_SCHEMA
from simulator.errors import ScenarioProblem
from simulator.reports.report import Report, Summary, report_json, scenario_from_json, scenario_json
from simulator.reports.scenario_report import report_of
from simulator.suite.suite import Suite, SuiteOptions
from simulator.verdict import Verdict
from tests.simulator.fake_plays import different, result_of, scenario_of

SCHEMA = json.loads(REPORT_SCHEMA.read_text(encoding="utf-8"))


def full_report() -> dict[str, Any]:
    """
    A report in which nothing is empty.
    """
    scenario = scenario_of(more="tags: [slow]\nrequirements: [R-CAL-1]\nissue: example/project#1\n")
    failed = report_of(different(scenario), attempts=[result_of(scenario, Verdict.FAILED)])
    counts = dict.fromkeys(Verdict, 1)
    summary = Summary(counts, 1.5, {"-k": 2}, not_run=1, exit_code=1)
    environment = Suite([], SuiteOptions()).environment() | {"services": {"nats": "embedded nats-server 2"}}
    problem = ScenarioProblem("a.yaml", 1, 2, 3, "wrong", "right", "steps[0]", "source")
    return report_json(Report(summary, environment, (failed, report_of(result_of(scenario))), (problem,)))


def validate(report: Any) -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(report)


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_a_full_report_is_valid() -> None:
    validate(full_report())


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Every object with declared keys in the schema.
    """
    if isinstance(schema, dict):
        if "properties" in schema:
            yield path, schema
        for name, inner in schema.items():
            yield from objects(inner, f"{path}/{name}")


def test_every_declared_key_is_emitted() -> None:
    """
    With every declared object's keys required and no others allowed, valid reports have exactly the declared keys.
    """
    for path, schema in objects(SCHEMA):
        if not path.endswith("/event"):
            assert sorted(schema["required"]) == sorted(schema["properties"]), path
            assert schema["additionalProperties"] is False, path


@pytest.mark.parametrize("place", [(), ("summary",), ("scenarios", 0), ("scenarios", 0, "reason"), ("problems", 0)])
def test_a_key_that_is_not_declared_is_refused(place: tuple[str | int, ...]) -> None:
    report: Any = full_report()
    inner = report
    for name in place:
        inner = inner[name]
    inner["more"] = 1
    with pytest.raises(jsonschema.ValidationError):
        validate(report)


def test_every_part_says_what_it_is() -> None:
    for path, schema in objects(SCHEMA):
        for name, inner in schema["properties"].items():
            assert {"description", "const", "$ref"} & set(inner), f"{path}/{name}"


def test_the_keys_of_the_contract_are_there() -> None:
    report = full_report()
    assert report["report"] == "gatesim/v1"
    assert {"total", "duration_s", *(verdict.value for verdict in Verdict)} <= set(report["summary"])
    keys = "file line name id tags requirements verdict reason duration_s virtual_s providers steps events"
    assert {*keys.split(), "events_total", "events_sha256", "reproduce"} <= set(report["scenarios"][0])
    assert {"class", "text"} <= set(report["scenarios"][0]["reason"])
    assert report["scenarios"][1]["reason"]["class"] is None


def test_a_scenario_report_survives_its_json() -> None:
    scenario = scenario_of()
    report = report_of(different(scenario), attempts=[result_of(scenario, Verdict.FAILED)])
    assert scenario_from_json(json.loads(json.dumps(scenario_json(report)))) == report
