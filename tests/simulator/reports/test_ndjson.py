"""
The NDJSON report: a line for each event, there as soon as it happened.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulator.errors import ScenarioProblem
from simulator.reports.ndjson import NdjsonReport
from simulator.suite.suite import Observer, Plan, Play, Suite, SuiteOptions
from tests.simulator.fake_plays import FakePlay, scenario_of


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_event_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    Suite([scenario_of("a"), scenario_of("b")], SuiteOptions(), [NdjsonReport(str(path))], play=FakePlay()).run()
    told = lines(path)
    pair = ["scenario-started", "scenario-finished"]
    assert [line["event"] for line in told] == ["run-started", *pair, *pair, "run-finished"]
    assert told[2]["scenario"]["verdict"] == "passed"
    assert told[-1]["summary"]["total"] == 2


class Looking(Observer):
    """
    Reads the file whenever something happens.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seen: list[int] = []

    def started(self, play: Play) -> None:
        self.seen.append(len(lines(self._path)))


def test_a_line_is_there_when_its_event_happens(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    looking = Looking(path)
    observers = [NdjsonReport(str(path)), looking]
    Suite([scenario_of("a"), scenario_of("b")], SuiteOptions(), observers, play=FakePlay()).run()
    assert looking.seen == [2, 4]


def test_problems_of_files_are_events(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    plan = Plan(0, 1, SuiteOptions(), problems=(ScenarioProblem("a.yaml", 3, 1, 2, "wrong"),))
    Suite([], SuiteOptions(), [NdjsonReport(str(path))], plan=plan).run()
    assert [line["event"] for line in lines(path)] == ["run-started", "problem", "run-finished"]
