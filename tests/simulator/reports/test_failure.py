"""
How a failure is told: in its order, within its lines, and with nothing said twice.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from simulator.reports.failure import LINES_MAX, failure_lines, failure_text
from simulator.reports.report import Difference, ScenarioReport, StepReport
from simulator.reports.scenario_report import report_of
from simulator.verdict import Reason, Verdict
from tests.simulator.fake_plays import different, result_of, scenario_of, story

DIFFERENT = """\
FAILED a.scenario.yaml:11 ticks come
  expect on line 11 after 30s
    11 |   - expect: {watcher: audit, count: 3}
  reason   accepted-different: 1 difference
  nearest  calendar-gateway/foo data {"order": 7} (id 5f0e)
           --- expected
           +++ received
           - subject: "a"
           + subject: "b"
  notes    nats log: [INF] Server is ready
  reproduce: gatesim run a.scenario.yaml:11 --seed 7"""


@pytest.fixture
def failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScenarioReport:
    monkeypatch.chdir(tmp_path)
    Path("a.scenario.yaml").write_text(story())
    return report_of(different(scenario_of()))


def test_a_failure_says_where_what_was_expected_what_came_why_and_how_to_see_it_again(failed: ScenarioReport) -> None:
    assert failure_text(failed) == DIFFERENT


def test_what_is_no_repetition_of_the_differences_stays_in_the_reason(failed: ScenarioReport) -> None:
    report = replace(failed, text='subject: expected "a", got "b"; the gateway died')
    assert "  reason   accepted-different: 1 difference; the gateway died" in failure_text(report).splitlines()


def test_a_failure_at_the_end_shows_no_step(failed: ScenarioReport) -> None:
    held = tuple(StepReport(step.line, step.kind, "passed") for step in failed.steps)
    lines = failure_text(replace(failed, steps=held)).splitlines()
    assert lines[1:3] == ["  at the end, after every step", "  reason   accepted-different: 1 difference"]


def test_what_ends_before_the_first_step_says_so() -> None:
    scenario = scenario_of()
    result = result_of(scenario, Verdict.ERROR, reason=Reason("internal", "no such thing", scenario.line), steps=())
    assert failure_text(report_of(result)).splitlines()[1] == "  before the first step"


def test_a_long_name_stands_below_the_place_which_is_never_broken() -> None:
    scenario = scenario_of("name " * 30, file=f"{'deep/' * 30}a.scenario.yaml")
    title, *below = failure_text(report_of(result_of(scenario, Verdict.FAILED))).splitlines()
    assert title == f"FAILED {scenario.file}:11"
    assert below[0].startswith("  name name")
    assert all(len(line) <= 80 for line in below[:-1])


def test_a_traceback_is_shown_by_its_end_without_its_carets() -> None:
    details = (*(f"line {number}" for number in range(50)), "    ^^^^", "ValueError: x")
    result = result_of(scenario_of(), Verdict.ERROR, reason=Reason("internal", "x", 2), details=details)
    lines = failure_text(report_of(result)).splitlines()
    assert lines[-2] == "  ValueError: x"
    assert not any("^" in line for line in lines)
    assert "earlier lines" in "".join(lines)


def test_a_known_fault_is_told_in_short() -> None:
    result = result_of(scenario_of(), Verdict.ERROR, reason=Reason("internal", "x", 2), details=("Traceback",))
    assert [line.kind for line in failure_lines(report_of(result), known=True)] == ["title", "plain", "command"]


def test_the_tries_of_a_flaky_scenario_are_told_one_by_one() -> None:
    scenario = scenario_of()
    report = report_of(result_of(scenario), attempts=[result_of(scenario, Verdict.FAILED)])
    assert failure_text(report).splitlines() == [
        "FLAKY a.scenario.yaml:11 ticks come",
        "  reason   late: expected 3 events, got 2",
        "  attempt  1: failed, late: expected 3 events, got 2",
        "  attempt  2: passed",
        "  reproduce: gatesim run a.scenario.yaml:11 --seed 7",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_failure_never_has_more_lines_than_it_may(failed: ScenarioReport, width: int) -> None:
    report = replace(
        failed,
        text="word " * 500,
        source="\n".join("x" * 300 for _ in range(8)),
        differing=tuple(Difference(f"data.{n}", "x" * 300, "y" * 300) for n in range(50)),
        details=("nearest: " + "z" * 900,),
        notes=("n " * 300,) * 40,
        attempts=report_of(result_of(scenario_of()), attempts=[result_of(scenario_of(), Verdict.FAILED)] * 9).attempts,
    )
    lines = failure_lines(report, width=width)
    assert len(lines) == LINES_MAX
    assert lines[-1].kind == "command"
    assert all(len(line.text) <= width for line in lines[:-1] if line.kind != "title")
