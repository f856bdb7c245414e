"""
Scenario report: what of one scenario's result leaves the process, every text of it without secrets.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.reports.redactor import Redactor
from simulator.reports.report import Attempt, Difference, Json, ScenarioReport, StepReport
from simulator.scenario_file.scenario import LoadedStep, Parallel, Repeat, Scenario
from simulator.suite.identity import node_id, public_name, reproduce
from simulator.verdict import Verdict

if TYPE_CHECKING:
    from simulator.ledger import AcceptedEvent
    from simulator.runner import ScenarioResult
    from simulator.step_notes import PlayedStep

EXCERPT_BYTES = 4_096
"""A longer payload is reported by its beginning and its size."""
STEPS_MAX = 1_000
"""As many as the runner notes one by one."""
SOURCE_LINES_MAX = 8
"""Of a step that did not hold."""
NOT_RUN = "not-run"


def report_of(
    result: ScenarioResult,
    *,
    round_number: int = 1,
    attempts: Sequence[ScenarioResult] = (),
    timeout_scale: float = 1.0,
) -> ScenarioReport:
    """
    What is reported of *result*.

    Args:
        round_number: Which repetition it was, from 1.
        attempts: Earlier tries that did not pass. A result that passed after one is flaky, and keeps its reason.
        timeout_scale: As it was played, for the command that plays it again.
    """
    scenario, reason = result.scenario, result.reason
    redactor = Redactor(scenario.secret_texts)
    flaky = bool(attempts) and result.verdict is Verdict.PASSED
    shown = attempts[-1].reason if flaky else reason
    return ScenarioReport(
        file=Path(scenario.file).as_posix(),
        line=scenario.line,
        name=public_name(scenario),
        id=node_id(scenario),
        verdict=Verdict.FLAKY if flaky else result.verdict,
        tags=scenario.head.tags,
        requirements=scenario.head.requirements,
        issue=redactor.text(scenario.head.issue or ""),
        cls=shown.cls,
        text=redactor.text(shown.text),
        reason_line=shown.line,
        source=redactor.text(_source_of_step(scenario.file, shown.line)) if shown.cls is not None else "",
        details=redactor.texts(result.details),
        differing=tuple(Difference(*map(redactor.text, mismatch)) for mismatch in result.differing),
        notes=redactor.texts(result.notes),
        duration_s=result.duration_s,
        virtual_s=result.virtual_s,
        providers=dict(result.providers),
        seed=result.seed,
        round=round_number,
        attempts=tuple(_attempt(attempt) for attempt in attempts),
        steps=tuple(step._replace(text=redactor.text(step.text)) for step in _steps(result)),
        events=tuple(_event(event, redactor) for event in result.events),
        events_total=result.events_total,
        events_sha256=result.events_sha256,
        reproduce=redactor.text(reproduce(scenario, seed=result.seed, line=shown.line, timeout_scale=timeout_scale)),
    )


def report_of_nothing(
    scenario: Scenario,
    text: str,
    *,
    seed: int,
    duration_s: float,
    round_number: int = 1,
    details: Sequence[str] = (),
) -> ScenarioReport:
    """
    The report of a scenario whose play left no result: a fault of ours, or the process that played it died.
    """
    redactor = Redactor(scenario.secret_texts)
    return ScenarioReport(
        file=Path(scenario.file).as_posix(),
        line=scenario.line,
        name=public_name(scenario),
        id=node_id(scenario),
        verdict=Verdict.ERROR,
        tags=scenario.head.tags,
        requirements=scenario.head.requirements,
        cls="internal",
        text=redactor.text(text),
        reason_line=scenario.line,
        details=redactor.texts(details),
        duration_s=duration_s,
        seed=seed,
        round=round_number,
        steps=tuple(StepReport(step.line, step.kind, NOT_RUN) for step in every_step(scenario.steps)),
        reproduce=reproduce(scenario, seed=seed),
    )


def _attempt(result: ScenarioResult) -> Attempt:
    redactor = Redactor(result.scenario.secret_texts)
    return Attempt(result.verdict, result.reason.cls, redactor.text(result.reason.text), result.duration_s)


def _source_of_step(file: str, line: int | None) -> str:
    """
    What stands on *line* of the file and, indented further, on the lines below; empty where it cannot be read any more.
    """
    if line is None:
        return ""
    try:
        with Path(file).open(encoding="utf-8", errors="replace") as lines:
            first, *below = islice(lines, line - 1, line - 1 + SOURCE_LINES_MAX)
    except (OSError, ValueError):
        return ""
    inside = takewhile(lambda text: not text.strip() or _indent(text) > _indent(first), below)
    return "\n".join(text.rstrip() for text in (first, *inside)).rstrip()


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def every_step(steps: Iterable[LoadedStep]) -> Iterator[LoadedStep]:
    """
    Each step as it stands in the file, those inside others after the one around them.
    """
    for step in steps:
        yield step
        if isinstance(step.body, Repeat):
            yield from every_step(step.body.steps)
        elif isinstance(step.body, Parallel):
            for branch in step.body.branches:
                yield from every_step(branch)


def _steps(result: ScenarioResult) -> Iterator[StepReport]:
    """
    The steps that held, as they were taken; then the one that did not, those around it, and those never taken.
    """
    for played in result.steps:
        yield _held(played)
    if result.verdict is Verdict.PASSED:
        return
    left = Counter((played.line, played.kind) for played in result.steps)
    unnoted = len(result.steps) >= STEPS_MAX
    failed = inside = False
    for step in every_step(result.scenario.steps):
        at_fault = not failed and step.line == result.reason.line
        if left[step.line, step.kind] > 0 and not (at_fault and inside):
            left[step.line, step.kind] -= 1
        elif not failed and _is_around(step, result.reason.line):
            inside = True  # what stands in it may have held in the rounds before
            yield StepReport(step.line, step.kind, result.verdict.value, f"in it, line {result.reason.line}")
        elif at_fault:
            failed = True
            yield StepReport(step.line, step.kind, result.verdict.value, result.reason.text)
        elif unnoted and not failed:
            yield StepReport(step.line, step.kind, Verdict.PASSED.value)
        else:
            yield StepReport(step.line, step.kind, NOT_RUN)


def _held(played: PlayedStep) -> StepReport:
    return StepReport(played.line, played.kind, Verdict.PASSED.value, played.text, round(played.at_s, 6))


def _is_around(step: LoadedStep, line: int | None) -> bool:
    """
    Whether the step on *line* stands inside *step*.
    """
    if not isinstance(step.body, Repeat | Parallel):
        return False
    return any(inner.line == line for inner in every_step((step,)) if inner is not step)


def _event(accepted: AcceptedEvent, redactor: Redactor) -> Json:
    event = accepted.event
    members: Json = {name: redactor.text(value) for name, value in event.attributes.items()}
    members |= _data(event.data, event.data_form, redactor)
    instant = datetime.fromtimestamp(accepted.at, UTC)
    timespec = "microseconds" if instant.microsecond else "seconds"
    return {
        "watcher": accepted.watcher,
        "time": instant.isoformat(timespec=timespec).replace("+00:00", "Z"),
        "mode": event.mode,
        "event": members,
    }


def _data(data: bytes, form: str, redactor: Redactor) -> Json:
    """
    The payload as the JSON event format has it: JSON as such, text as text, all else in base64.
    """
    if form == "none":
        return {}
    if len(data) > EXCERPT_BYTES:
        # Twice the excerpt is masked, so that a secret across its end does not show.
        beginning = redactor.text(data[: 2 * EXCERPT_BYTES].decode("utf-8", "backslashreplace"))
        return {"data_excerpt": beginning[:EXCERPT_BYTES], "data_bytes": len(data)}
    try:
        masked = redactor.text(data.decode())
    except UnicodeDecodeError:
        return {"data_base64": base64.b64encode(redactor.data(data)).decode()}
    return {"data": _json_or_text(masked) if form != "text" else masked}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
