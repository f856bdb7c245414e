"""
Scenario reports: every step accounted for, the place at fault shown, and no secret in any text.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator.reports.report import StepReport, scenario_json
from simulator.reports.scenario_report import EXCERPT_BYTES, report_of, report_of_nothing
from simulator.scenario_file.loader import load_text
from simulator.step_notes import PlayedStep
from simulator.suite.identity import node_id
from simulator.verdict import Reason, Verdict
from tests.simulator.fake_plays import EXPECT_LINE, HEAD, different, event_of, result_of, scenario_of

REPEATED = (
    HEAD.format(name="x", more="").partition("steps:")[0]
    + """\
steps:
  - advance: 1s
  - repeat:
      times: 3
      steps:
        - advance: 10s
        - expect:
            watcher: audit
            count: 1

  - advance: 2s
"""
)


def steps_of(report_steps: tuple[StepReport, ...]) -> list[tuple[int, str, str]]:
    return [(step.line, step.kind, step.verdict) for step in report_steps]


def test_steps_that_held_carry_their_proof_and_instant() -> None:
    scenario = scenario_of()
    held = tuple(PlayedStep(step.line, step.kind, 30.0, "caught up") for step in scenario.steps)
    steps = report_of(result_of(scenario, steps=held)).steps
    assert steps[1] == StepReport(EXPECT_LINE, "expect", "passed", "caught up", 30.0)


def test_the_step_at_fault_says_why_and_later_ones_were_not_run() -> None:
    scenario = scenario_of()
    reason = Reason("late", "too late", scenario.steps[0].line)
    steps = report_of(result_of(scenario, Verdict.FAILED, reason=reason, steps=())).steps
    assert steps == (StepReport(10, "advance", "failed", "too late"), StepReport(11, "expect", "not-run"))


def test_a_step_that_fails_in_a_later_round_is_the_one_at_fault() -> None:
    (scenario,) = load_text(REPEATED, file="r.scenario.yaml")
    played = (PlayedStep(10, "advance", 1, ""), PlayedStep(14, "advance", 2, ""), PlayedStep(15, "expect", 2, ""))
    result = result_of(scenario, Verdict.FAILED, reason=Reason("late", "too late", 15), steps=played)
    assert steps_of(report_of(result).steps)[3:] == [
        (11, "repeat", "failed"),
        (15, "expect", "failed"),
        (19, "advance", "not-run"),
    ]


def test_a_failure_at_the_end_leaves_every_step_held() -> None:
    scenario = scenario_of()
    held = tuple(PlayedStep(step.line, step.kind, 30.0, "") for step in scenario.steps)
    reason = Reason("unexpected", "audit accepted 1 event that no `expect` covers", EXPECT_LINE)
    report = report_of(result_of(scenario, Verdict.FAILED, reason=reason, steps=held))
    assert [step.verdict for step in report.steps] == ["passed", "passed"]


def test_steps_beyond_those_that_are_noted_count_as_held_up_to_the_fault() -> None:
    (scenario,) = load_text(REPEATED, file="r.scenario.yaml")
    played = tuple(PlayedStep(10, "advance", 1, "") for _ in range(1_000))
    result = result_of(scenario, Verdict.FAILED, reason=Reason("late", "too late", 19), steps=played)
    assert steps_of(report_of(result).steps)[1_000:] == [
        (11, "repeat", "passed"),
        (14, "advance", "passed"),
        (15, "expect", "passed"),
        (19, "advance", "failed"),
    ]


def test_the_step_at_fault_is_shown_as_it_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "r.scenario.yaml"
    path.write_text(REPEATED)
    (scenario,) = load_text(REPEATED, file=str(path))
    result = result_of(scenario, Verdict.FAILED, reason=Reason("late", "too late", 15))
    assert report_of(result).source == "        - expect:\n            watcher: audit\n            count: 1"


def test_a_file_that_is_gone_is_reported_without_its_text() -> None:
    assert report_of(result_of(scenario_of(file="gone.yaml"), Verdict.FAILED)).source == ""


def test_a_scenario_that_passed_after_a_failure_is_flaky_and_keeps_the_reason() -> None:
    scenario = scenario_of()
    report = report_of(result_of(scenario), attempts=[result_of(scenario, Verdict.FAILED)])
    assert (report.verdict, report.cls, len(report.attempts)) == (Verdict.FLAKY, "late", 1)


def test_a_play_that_left_no_result_is_an_error_with_every_step_open() -> None:
    report = report_of_nothing(scenario_of(), "the worker died", seed=3, duration_s=1.0)
    assert (report.verdict, report.cls, report.text) == (Verdict.ERROR, "internal", "the worker died")
    assert {step.verdict for step in report.steps} == {"not-run"}


@pytest.mark.parametrize(
    ("data", "form", "members"),
    [
        (b'{"a": [1, null]}', "json", {"data": {"a": [1, None]}}),
        (b"hello", "text", {"data": "hello"}),
        (b"7", "text", {"data": "7"}),
        (b"no json", "body", {"data": "no json"}),
        (b"NaN", "body", {"data": "NaN"}),
        (b"\xff\x00", "base64", {"data_base64": "/wA="}),
        (b"", "none", {}),
        (b"x" * 5_000, "body", {"data_excerpt": "x" * EXCERPT_BYTES, "data_bytes": 5_000}),
    ],
)
def test_payloads_are_reported_as_they_are(data: bytes, form: str, members: dict[str, object]) -> None:
    (event,) = report_of(result_of(scenario_of(), events=(event_of(data, form),))).events
    assert {name: value for name, value in event["event"].items() if name.startswith("data")} == members
    assert (event["watcher"], event["time"]) == ("audit", "2018-10-07T12:00:10Z")


def test_no_secret_leaves_in_any_text() -> None:
    scenario = scenario_of(more="secrets: [password]\nmatrix: {password: [hunter2]}\n")
    said = "it was hunter2, to nats://me:hunter3@host"
    result = result_of(
        scenario,
        Verdict.FAILED,
        reason=Reason("late", said, EXPECT_LINE + 2),
        details=(said,),
        notes=(said,),
        steps=(PlayedStep(scenario.steps[0].line, "advance", 1.0, said),),
        events=(
            event_of(b'{"p": "hunter2"}', subject="hunter2"),
            event_of(b"x" * 4_090 + b"hunter2" + b"x" * 99, "body"),
        ),
    )
    text = json.dumps(scenario_json(report_of(result, attempts=[result])))
    assert "hunter" not in text
    assert "***" in text


def test_what_differs_is_kept_apart() -> None:
    report = report_of(different(scenario_of()))
    assert [difference._asdict() for difference in report.differing] == [
        {"path": "subject", "expected": '"a"', "got": '"b"'}
    ]
    assert report.id == node_id(scenario_of())
