"""
The progress line: how much is done, and what takes long.
"""

from __future__ import annotations

import pytest

from simulator.reports import progress as progress_module
from simulator.reports.progress import Progress
from simulator.reports.scenario_report import report_of
from simulator.suite.suite import Plan, Play, SuiteOptions
from simulator.verdict import Verdict
from tests.simulator.fake_plays import result_of, scenario_of


class Time:
    now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(progress_module, "time", made)
    return made


def play(number: int) -> Play:
    return Play(number, scenario_of(f"n{number}"), f"a.yaml::n{number}", 1)


def test_the_line_names_what_has_been_played_longest(time: Time) -> None:
    progress = Progress()
    progress.began(Plan(3, 1, SuiteOptions(workers=2)))
    progress.started(play(0))
    progress.finished(play(0), report_of(result_of(scenario_of(), Verdict.FAILED)))
    progress.started(play(1))
    time.now += 2
    progress.started(play(2))
    progress.pulsed(play(1), 5400.0)
    assert progress.line() == "1/3  1 not passed  n1  2.00 s  1h30m virtual  and 1 more"


def test_nothing_is_drawn_while_all_is_quick(time: Time) -> None:
    progress = Progress()
    progress.began(Plan(3, 1, SuiteOptions()))
    assert progress.line() == ""
    progress.started(play(0))
    assert progress.line() == ""
    time.now += 1
    assert progress.line() == "0/3  n0  1.00 s"


def test_an_interrupted_run_says_what_it_stops(time: Time) -> None:
    progress = Progress()
    progress.began(Plan(3, 1, SuiteOptions(until_fail=True)))
    progress.started(play(0))
    time.now += 65
    progress.interrupted()
    assert progress.line() == "0  stopping: n0  1m05s"
