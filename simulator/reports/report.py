"""
Report: what a run showed, as frozen data without secrets; and its JSON, `gatesim/v1`.

Whatever writes a report, in whichever format, reads this and computes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from simulator.errors import ScenarioProblem
from simulator.verdict import Verdict

FORMAT = "gatesim/v1"

Json = dict[str, Any]


class StepReport(NamedTuple):
    """
    One step as it was taken, or not.
    """

    line: int
    kind: str
    verdict: str
    """One of the verdicts, or `not-run`."""
    text: str = ""
    """Of one that held, the proof it used; else why it did not."""
    at_s: float | None = None
    """Scenario time at which it held, since the start."""


class Difference(NamedTuple):
    """
    One place where the nearest event, answer or status differs from what was expected.
    """

    path: str
    expected: str
    got: str


class Attempt(NamedTuple):
    """
    A try that did not pass and was followed by another (`--retries`).
    """

    verdict: Verdict
    cls: str | None
    text: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class ScenarioReport:
    """
    What playing one scenario showed, fit to leave the process.
    """

    file: str
    line: int
    name: str
    id: str
    """The node id that pytest gives it: `path::name`."""
    verdict: Verdict
    tags: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    issue: str = ""
    cls: str | None = None
    """The reason's class; None for passed."""
    text: str = ""
    reason_line: int | None = None
    """Of the step that showed it."""
    source: str = ""
    """That step as it stands in the file, its first lines."""
    details: tuple[str, ...] = ()
    differing: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    duration_s: float = 0.0
    virtual_s: float = 0.0
    providers: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    round: int = 1
    """Counted from 1; more than 1 only with `--repeat` or `--until-fail`."""
    attempts: tuple[Attempt, ...] = ()
    steps: tuple[StepReport, ...] = ()
    events: tuple[Json, ...] = ()
    """The first of those that were accepted: `watcher`, `time`, and the CloudEvent as `event`."""
    events_total: int = 0
    events_sha256: str = ""
    reproduce: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """
    How many scenarios showed what.
    """

    counts: Mapping[Verdict, int]
    duration_s: float
    deselected: Mapping[str, int] = field(default_factory=dict)
    """Why scenarios that were found were not played, and how many: `{"requires provider local": 2}`."""
    not_run: int = 0
    """Scenarios that were to be played and were not, because the run ended before."""
    exit_code: int = 0

    @property
    def total(self) -> int:
        """
        Scenarios that were played, skips included.
        """
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Report:
    """
    What a whole run showed.
    """

    summary: Summary
    environment: Json
    """Versions, what served each service, the seed."""
    scenarios: tuple[ScenarioReport, ...] = ()
    problems: tuple[ScenarioProblem, ...] = ()
    """Of files that cannot be run as written; nothing is played then."""


def report_json(report: Report) -> Json:
    """
    *report* as its JSON, valid by `report.schema.json`.
    """
    return {
        "report": FORMAT,
        "summary": summary_json(report.summary),
        "environment": report.environment,
        "problems": problems_json(report.problems),
        "scenarios": [scenario_json(scenario) for scenario in report.scenarios],
    }


def summary_json(summary: Summary) -> Json:
    """
    A count for each verdict, and what else is counted.
    """
    counts = {verdict.value: summary.counts.get(verdict, 0) for verdict in Verdict}
    return {
        "total": summary.total,
        **counts,
        "deselected": dict(summary.deselected),
        "not_run": summary.not_run,
        "duration_s": _seconds(summary.duration_s),
        "exit_code": summary.exit_code,
    }


def problems_json(problems: Iterable[ScenarioProblem]) -> list[Json]:
    """
    Each problem of a file with its place.
    """
    keys = ("file", "line", "column", "problem", "hint", "key_path")
    return [{key: getattr(problem, key) for key in keys} for problem in problems]


def scenario_json(scenario: ScenarioReport) -> Json:
    """
    One entry of `scenarios`.
    """
    return {
        "file": scenario.file,
        "line": scenario.line,
        "name": scenario.name,
        "id": scenario.id,
        "tags": list(scenario.tags),
        "requirements": list(scenario.requirements),
        "issue": scenario.issue,
        "verdict": scenario.verdict.value,
        "reason": {
            "class": scenario.cls,
            "text": scenario.text,
            "line": scenario.reason_line,
            "source": scenario.source,
            "details": list(scenario.details),
            "differing": [difference._asdict() for difference in scenario.differing],
        },
        "notes": list(scenario.notes),
        "duration_s": _seconds(scenario.duration_s),
        "virtual_s": _seconds(scenario.virtual_s),
        "providers": dict(scenario.providers),
        "seed": scenario.seed,
        "round": scenario.round,
        "attempts": [_attempt_json(attempt) for attempt in scenario.attempts],
        "steps": [step._asdict() for step in scenario.steps],
        "events": list(scenario.events),
        "events_total": scenario.events_total,
        "events_sha256": scenario.events_sha256,
        "reproduce": scenario.reproduce,
    }


def _seconds(seconds: float) -> float:
    return round(seconds, 6)


def _attempt_json(attempt: Attempt) -> Json:
    return {
        "verdict": attempt.verdict.value,
        "class": attempt.cls,
        "text": attempt.text,
        "duration_s": _seconds(attempt.duration_s),
    }


_SAME = (
    "file",
    "line",
    "name",
    "id",
    "issue",
    "duration_s",
    "virtual_s",
    "providers",
    "seed",
    "round",
    "events_total",
    "events_sha256",
    "reproduce",
)


def scenario_from_json(entry: Json) -> ScenarioReport:
    """
    The inverse of `scenario_json`, for what another process sends.
    """
    reason = entry["reason"]
    plain: Json = {key: entry[key] for key in _SAME}
    plain |= {key: tuple(entry[key]) for key in ("tags", "requirements", "notes", "events")}
    return ScenarioReport(
        **plain,
        verdict=Verdict(entry["verdict"]),
        cls=reason["class"],
        text=reason["text"],
        reason_line=reason["line"],
        source=reason["source"],
        details=tuple(reason["details"]),
        differing=tuple(Difference(**difference) for difference in reason["differing"]),
        attempts=tuple(
            Attempt(Verdict(each["verdict"]), each["class"], each["text"], each["duration_s"])
            for each in entry["attempts"]
        ),
        steps=tuple(StepReport(**step) for step in entry["steps"]),
    )
