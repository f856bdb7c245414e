"""
The JSON report file equals what the library returns, in the order of the files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulator.commands.schema import REPORT_SCHEMA
from simulator.reports.json_report import JsonReport
from simulator.reports.output import STANDARD_OUTPUT
from simulator.reports.report import scenario_json
from simulator.reports.scenario_report import report_of
from simulator.suite.suite import Plan, Play, Suite, SuiteOptions
from tests.simulator.fake_plays import different, replay, result_of, scenario_of


def read(path: Path) -> Any:
    report = json.loads(path.read_text(encoding="utf-8"))
    schema = json.loads(REPORT_SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schema).validate(report)
    return report


def test_a_run_is_one_valid_document(tmp_path: Path) -> None:
    failed = different(scenario_of("bad"))
    replay(JsonReport(str(tmp_path / "r.json")), [result_of(scenario_of("good")), failed])
    report = read(tmp_path / "r.json")
    assert (report["report"], report["summary"]["total"], report["summary"]["failed"]) == ("gatesim/v1", 2, 1)
    assert report["scenarios"][1] == json.loads(json.dumps(scenario_json(report_of(failed))))
    assert report["environment"]["services"] == {"nats": "embedded nats-server 2.15.1"}


def test_a_run_without_scenarios_is_a_document_too(tmp_path: Path) -> None:
    replay(JsonReport(str(tmp_path / "r.json")), [])
    assert read(tmp_path / "r.json")["scenarios"] == []


def test_scenarios_stand_in_the_order_of_the_files_however_they_ended(tmp_path: Path) -> None:
    report = JsonReport(str(tmp_path / "r.json"))
    report.began(Plan(3, 1, SuiteOptions(workers=2)))
    for number in (2, 0, 1):
        scenario = scenario_of(f"n{number}")
        report.finished(Play(number, scenario, "", 1), report_of(result_of(scenario)))
    suite = Suite([], SuiteOptions())
    report.ended(suite.run(), suite.environment())
    assert [entry["name"] for entry in read(tmp_path / "r.json")["scenarios"]] == ["n0", "n1", "n2"]


def test_a_half_character_in_a_name_does_not_break_the_file(tmp_path: Path) -> None:
    replay(JsonReport(str(tmp_path / "r.json")), [result_of(scenario_of(), notes=("half \ud800",))])
    assert read(tmp_path / "r.json")["scenarios"][0]["notes"] == ["half \ud800"]


def test_no_file_is_there_before_it_is_complete(tmp_path: Path) -> None:
    report = JsonReport(str(tmp_path / "r.json"))
    report.began(Plan(1, 1, SuiteOptions()))
    assert list(tmp_path.iterdir()) == []


def test_it_goes_to_standard_output_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    replay(JsonReport(STANDARD_OUTPUT), [result_of(scenario_of())])
    assert json.loads(capsys.readouterr().out)["report"] == "gatesim/v1"
