"""
Scenarios and results made by hand, and plays that need no gateway: what the suite and the reports are tested with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulator.cloudevents_spec import ReceivedEvent
from simulator.environment import PlayOptions
from simulator.judging.matchers import Mismatch
from simulator.ledger import AcceptedEvent
from simulator.reports.report import ScenarioReport
from simulator.reports.scenario_report import report_of
from simulator.runner import ScenarioResult
from simulator.scenario_file.loader import load_text
from simulator.scenario_file.scenario import Scenario
from simulator.step_notes import PlayedStep
from simulator.suite.suite import Observer, Play, Suite, SuiteOptions
from simulator.verdict import NO_REASON, Reason, Verdict

HEAD = """\
apiVersion: gatesim/v1
scenario: {name}
{more}gateway:
  name: calendar-gateway
  type: calendar
  configMap:
    foo: "interval: 10s"
  watchers: {{sensors: [{{name: audit}}]}}
steps:
  - advance: 30s
  - expect: {{watcher: audit, count: 3}}
"""
EXPECT_LINE = 11
"""Of the `expect` where there are no more keys."""


def story(name: str = "ticks come", more: str = "") -> str:
    """
    The text of a scenario; *more* are lines of its head.
    """
    return HEAD.format(name=name, more=more)


def scenario_of(name: str = "ticks come", more: str = "", *, file: str = "a.scenario.yaml") -> Scenario:
    """
    A scenario that nobody wrote to a file.
    """
    return load_text(story(name, more), file=file)[0]


def write_story(folder: Path, file: str, name: str = "ticks come", more: str = "") -> Path:
    """
    A scenario file below *folder*.
    """
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(story(name, more), encoding="utf-8")
    return path


def event_of(data: bytes = b'{"order": 7}', form: str = "json", **attributes: str) -> AcceptedEvent:
    """
    An event that `audit` accepted ten seconds into the story.
    """
    at = datetime(2018, 10, 7, 12, 0, 10, tzinfo=UTC).timestamp()
    named = {"specversion": "1.0", "id": "5f0e", "source": "calendar-gateway/foo", "type": "calendar", **attributes}
    return AcceptedEvent(4, at, "audit", ReceivedEvent(named, data, form, "structured"))


def result_of(scenario: Scenario, verdict: Verdict = Verdict.PASSED, **facts: Any) -> ScenarioResult:
    """
    A result: passed with both steps held; else ended by the second step, `late`, unless *facts* say otherwise.
    """
    held = tuple(PlayedStep(step.line, step.kind, 30.0, "") for step in scenario.steps)
    passed = verdict is Verdict.PASSED
    reason = NO_REASON if passed else Reason("late", "expected 3 events, got 2", scenario.steps[-1].line)
    usual: dict[str, Any] = {
        "reason": reason,
        "steps": held if passed else held[:1],
        "duration_s": 0.012,
        "virtual_s": 30.0,
        "seed": 7,
    }
    return ScenarioResult(scenario=scenario, verdict=verdict, **{**usual, **facts})


def different(scenario: Scenario) -> ScenarioResult:
    """
    A failure with everything that a failure can have.
    """
    return result_of(
        scenario,
        Verdict.FAILED,
        reason=Reason("accepted-different", 'subject: expected "a", got "b"', scenario.steps[-1].line),
        details=('nearest: calendar-gateway/foo data {"order": 7} (id 5f0e)', '  subject: expected "a", got "b"'),
        differing=(Mismatch("subject", '"a"', '"b"'),),
        notes=("nats log: [INF] Server is ready",),
        providers={"nats": "embedded nats-server 2.15.1"},
        events=(event_of(),),
        events_total=1,
        events_sha256="ab" * 32,
    )


Outcome = Verdict | Callable[[Scenario], ScenarioResult] | BaseException


class FakePlay:
    """
    Plays scenarios by their names: the outcomes in turn, the last one again and again; others pass.
    """

    def __init__(self, outcomes: Mapping[str, list[Outcome]] | None = None) -> None:
        self._outcomes = {name: list(each) for name, each in (outcomes or {}).items()}
        self.played: list[tuple[str, int]] = []
        """Names and seeds, in order."""

    async def __call__(self, scenario: Scenario, options: PlayOptions) -> ScenarioResult:
        self.played.append((scenario.name, options.seed))
        outcomes = self._outcomes.get(scenario.name, [Verdict.PASSED])
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, BaseException):
            raise outcome
        if isinstance(outcome, Verdict):
            return result_of(scenario, outcome, seed=options.seed)
        return outcome(scenario)


class Recorder(Observer):
    """
    Keeps what it is told.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.reports: list[ScenarioReport] = []

    def began(self, plan: Any) -> None:
        self.told.append("began")

    def started(self, play: Play) -> None:
        self.told.append(f"started {play.scenario.name}")

    def finished(self, play: Play, report: ScenarioReport) -> None:
        self.told.append(f"finished {report.name}")
        self.reports.append(report)

    def interrupted(self) -> None:
        self.told.append("interrupted")

    def ended(self, summary: Any, environment: Any) -> None:
        self.told.append("ended")


def replay(observer: Observer, results: list[ScenarioResult], options: SuiteOptions | None = None) -> None:
    """
    A run that shows *results*, told to *observer*.
    """
    by_name = {result.scenario.name: [lambda _, result=result: result] for result in results}
    scenarios = [result.scenario for result in results]
    Suite(scenarios, options or SuiteOptions(), [observer], play=FakePlay(by_name)).run()


def reported(result: ScenarioResult) -> ScenarioReport:
    """
    What is reported of *result*.
    """
    return report_of(result)
