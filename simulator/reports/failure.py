"""
Failure: how a scenario that did not pass is told: where, what was expected, what came, why, and how to see it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import NamedTuple

from simulator.reports.report import Difference, ScenarioReport
from simulator.reports.scenario_report import NOT_RUN
from simulator.scenario_file.durations import format_duration
from simulator.verdict import Verdict

LINES_MAX = 40
"""Of one failure; the JSON report has the rest."""
WIDTH = 80
_REASON_LINES_MAX = 5
_DIFFERENCES_MAX = 6
_DETAILS_MAX = 14
_NOTES_MAX = 6
_FOLDS_MAX = 3
_LABEL = 11
"""Columns of a label with its indent; what belongs to it stands behind."""


class Line(NamedTuple):
    """
    One line, and what kind of thing it says, by which a terminal may colour it.
    """

    kind: str
    """`title`, `source`, `expected`, `received`, `command`, `faint` or `plain`."""
    text: str


def failure_text(scenario: ScenarioReport, *, width: int = WIDTH) -> str:
    """
    The failure as plain text.
    """
    return "\n".join(line.text for line in failure_lines(scenario, width=width))


def failure_lines(scenario: ScenarioReport, *, width: int = WIDTH, known: bool = False) -> list[Line]:
    """
    The failure in at most LINES_MAX lines; the last is the command that plays it again.

    Args:
        known: The same fault of ours was told before, with its traceback.
    """
    if known:
        lines = [*_title(scenario, width), *_reason(scenario, width)]
        return [*lines, Line("command", f"  reproduce: {scenario.reproduce}")]
    lines = [*_title(scenario, width), *_place(scenario, width), *_reason(scenario, width)]
    lines += _nearest(scenario, width)
    lines += _details(scenario, width)
    lines += _attempts(scenario, width)
    lines += _notes(scenario, width)
    room = LINES_MAX - 1
    if len(lines) > room:
        more = len(lines) - room + 1
        lines = [*lines[: room - 1], Line("faint", f"  ... {more} more lines; `--report json=FILE` has them")]
    return [*lines, Line("command", f"  reproduce: {scenario.reproduce}")]


def _title(scenario: ScenarioReport, width: int) -> Iterator[Line]:
    """
    On one line, or the name below the place: a path is never broken, so that a terminal can open it.
    """
    word = scenario.verdict.value.upper()
    place = f"{word} {scenario.file}:{scenario.reason_line or scenario.line}"
    if len(place) + 1 + len(scenario.name) <= width:
        yield Line("title", f"{place} {scenario.name}")
        return
    yield Line("title", place)
    for text in _wrapped(scenario.name, width, "  ", "  "):
        yield Line("title", text)


def _wrapped(text: str, width: int, indent: str, first: str = "") -> list[str]:
    """
    *text* in lines of at most *width*; a word that is longer, such as a path, stays whole.
    """
    return wrap(
        text,
        max(width, 20),
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _place(scenario: ScenarioReport, width: int) -> Iterator[Line]:
    """
    The step that did not hold, with its line of the file.
    """
    if scenario.verdict is Verdict.FLAKY:
        return
    kind = next(
        (s.kind for s in scenario.steps if s.verdict == scenario.verdict.value and _is_at(s.line, scenario)), ""
    )
    if kind:
        after = f" after {format_duration(round(scenario.virtual_s, 3))}" if scenario.virtual_s else ""
        yield Line("plain", f"  {kind} on line {scenario.reason_line}{after}")
    elif any(step.verdict == NOT_RUN for step in scenario.steps):
        yield Line("plain", "  before the first step")
        return
    else:
        yield Line("plain", "  at the end, after every step")
    is_last = bool(scenario.steps) and not kind and _is_at(scenario.steps[-1].line, scenario)
    for number, text in enumerate(() if is_last else scenario.source.splitlines()):
        yield from _source(f"{(scenario.reason_line or 0) + number:>6}", text, width)


def _source(number: str, text: str, width: int) -> Iterator[Line]:
    """
    One line of the file, with its number; folded where it is long, for what was expected stands in it.
    """
    room = max(20, width - len(number) - 3)
    folded = [text[at : at + room] for at in range(0, len(text), room)][:_FOLDS_MAX]
    for place, part in enumerate(folded):
        yield Line("source", f"{number if place == 0 else ' ' * len(number)} | {part}")


def _is_at(line: int, scenario: ScenarioReport) -> bool:
    return line == scenario.reason_line


def _reason(scenario: ScenarioReport, width: int) -> Iterator[Line]:
    told = "; ".join(f"{each.path or 'it'}: expected {each.expected}, got {each.got}" for each in scenario.differing)
    text = scenario.text
    if told and text.startswith(told):  # the differences below say it better
        many = "1 difference" if len(scenario.differing) == 1 else f"{len(scenario.differing)} differences"
        text = many + text.removeprefix(told)
    yield from _labelled("reason", f"{scenario.cls}: {text}", width, lines_max=_REASON_LINES_MAX)


def _labelled(label: str, text: str, width: int, *, lines_max: int) -> Iterator[Line]:
    wrapped = _wrapped(text, width, " " * _LABEL, f"  {label:<{_LABEL - 2}}")
    if len(wrapped) > lines_max:
        wrapped = [*wrapped[: lines_max - 1], _clipped(" ".join(wrapped[lines_max - 1 :]), width, always=True)]
    for line in wrapped:
        yield Line("plain", _clipped(line, width))


def _clipped(text: str, width: int, *, always: bool = False) -> str:
    if len(text) <= width and not always:
        return text
    return f"{text[: width - 3].rstrip()}..."


def _nearest(scenario: ScenarioReport, width: int) -> Iterator[Line]:
    """
    The event that came nearest, and where it differs, expected before received.
    """
    if not scenario.differing:
        return
    nearest = next((text.removeprefix(_NEAREST) for text in scenario.details if text.startswith(_NEAREST)), "")
    if nearest:
        yield from _labelled("nearest", nearest, width, lines_max=2)
    indent = " " * _LABEL
    yield Line("faint", f"{indent}--- expected")
    yield Line("faint", f"{indent}+++ received")
    for difference in scenario.differing[:_DIFFERENCES_MAX]:
        yield from _difference(difference, width)
    if len(scenario.differing) > _DIFFERENCES_MAX:
        yield Line("faint", f"{indent}... {len(scenario.differing) - _DIFFERENCES_MAX} more differences")


_NEAREST = "nearest: "


def _difference(difference: Difference, width: int) -> Iterator[Line]:
    indent = " " * _LABEL
    path = f"{difference.path}: " if difference.path else ""
    yield Line("expected", _clipped(f"{indent}- {path}{difference.expected}", width))
    yield Line("received", _clipped(f"{indent}+ {path}{difference.got}", width))


def _details(scenario: ScenarioReport, width: int) -> Iterator[Line]:
    """
    Further lines; of a traceback the end. What the differences above say already is left out.
    """
    details = () if scenario.differing else [text for text in scenario.details if text.strip(" ^~")]
    if len(details) > _DETAILS_MAX:
        yield Line("faint", f"  ... {len(details) - _DETAILS_MAX} earlier lines; `--report json=FILE` has them")
    for text in details[-_DETAILS_MAX:]:
        yield Line("plain", _clipped(f"  {text}", width))


def _attempts(scenario: ScenarioReport, width: int) -> Iterator[Line]:
    for number, attempt in enumerate(scenario.attempts, 1):
        text = f"{number}: {attempt.verdict.value}, {attempt.cls}: {attempt.text}"
        yield from _labelled("attempt", text, width, lines_max=2)
    if scenario.attempts:
        word = "passed" if scenario.verdict is Verdict.FLAKY else scenario.verdict.value
        yield from _labelled("attempt", f"{len(scenario.attempts) + 1}: {word}", width, lines_max=1)


def _notes(scenario: ScenarioReport, width: int) -> Iterator[Line]:
    for number, text in enumerate(scenario.notes[:_NOTES_MAX]):
        yield from _labelled("" if number else "notes", text, width, lines_max=2)
    if len(scenario.notes) > _NOTES_MAX:
        yield Line("faint", f"{' ' * _LABEL}... {len(scenario.notes) - _NOTES_MAX} more notes")
