"""
Console: a run for a person: a line for each scenario that passed, in the order of the files, and every failure whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from textwrap import wrap
from typing import NamedTuple

from simulator.errors import ScenarioProblem
from simulator.reports.failure import failure_lines
from simulator.reports.report import Json, ScenarioReport, Summary
from simulator.reports.terminal import Terminal
from simulator.reports.wording import counted, duration_text, virtual_text
from simulator.scenario_file.durations import format_duration
from simulator.suite.run_record import cache_folder
from simulator.suite.suite import Observer, Plan, Play, SuiteOptions
from simulator.verdict import EXIT_CODES, EXIT_FAILED, EXIT_OK, Verdict
from simulator.version import VERSION

QUIET, NORMAL, VERBOSE = -1, 0, 1

_COLOURS = {
    Verdict.PASSED: "green",
    Verdict.FAILED: "red",
    Verdict.ERROR: "red",
    Verdict.INCONCLUSIVE: "magenta",
    Verdict.FLAKY: "yellow",
    Verdict.SKIPPED: "yellow",
}
_LINE_COLOURS = {"source": "bold", "expected": "green", "received": "red", "command": "cyan", "faint": "faint"}
_ON_A_LINE = frozenset({Verdict.PASSED, Verdict.SKIPPED})
"""All others are told whole."""
_RECAP_MAX = 20
_RECAP_FROM = 10
"""After fewer scenarios, what did not pass still stands on the screen."""
_VERDICT, _REAL, _VIRTUAL = 8, 8, 9
"""Columns."""
_CELL_MAX = 24
_FAULTS_MAX = 100


class _Text(NamedTuple):
    """
    What is written of one scenario when its turn comes.
    """

    folder: str
    lines: tuple[str, ...]
    report_id: str
    verdict: Verdict
    round: int


class Console(Observer):
    """
    Writes to a terminal or a log.

    Args:
        terminal: Where to.
        verbosity: QUIET, NORMAL or VERBOSE.
    """

    def __init__(self, terminal: Terminal, *, verbosity: int = NORMAL) -> None:
        self._terminal = terminal
        self._verbosity = verbosity
        self._waiting: dict[int, _Text] = {}
        """Of scenarios that ended before one that stands above them, by number."""
        self._turn = 0
        self._folder: str | None = None
        self._after_failure = False
        self._recap: list[str] = []
        self._not_passed = 0
        self._faults: set[str] = set()
        """Faults of ours that were told whole."""
        self._skips: dict[str, int] = {}
        self._problems: tuple[ScenarioProblem, ...] = ()
        self._rounds = 1
        self._round: list[int] = [0, 0, 0]
        """Of the round that is written: its number, how many passed, how many were played."""

    def began(self, plan: Plan) -> None:
        """See Observer."""
        self._rounds = plan.options.rounds or 0
        self._problems = plan.problems
        if self._problems:
            return
        if self._verbosity > QUIET:
            self._header(plan)
        self._terminal.start()

    def finished(self, play: Play, report: ScenarioReport) -> None:
        """See Observer."""
        self._count(report)
        folder = str(PurePath(report.file).parent)
        self._waiting[play.number] = _Text(folder, tuple(self._lines(report)), report.id, report.verdict, play.round)
        while (text := self._waiting.pop(self._turn, None)) is not None:
            self._turn += 1
            self._write(text)

    def interrupted(self) -> None:
        """See Observer."""
        self._terminal.line()
        self._terminal.line(self._terminal.paint("yellow", "stopping and cleaning up; Ctrl-C again leaves at once"))
        self._terminal.flush()

    def ended(self, summary: Summary, environment: Json) -> None:
        """See Observer."""
        for number in sorted(self._waiting):
            self._write(self._waiting[number])
        self._waiting.clear()
        self._end_round()
        self._terminal.stop()
        for line in self._ending(summary):
            self._terminal.line(line)
        self._terminal.flush()

    # What stands at the top.

    def _header(self, plan: Plan) -> None:
        options = plan.options
        parts = [
            f"gatesim {VERSION}",
            f"{counted(plan.scenarios, 'scenario')} in {counted(plan.files, 'file')}",
            f"{options.provider} services",
            f"{options.target} gateway",
        ]
        for text in (", ".join(parts), self._unusual(options)):
            for line in self._wrapped(text, "", "  ") if text.strip() else ():
                self._terminal.line(line)
        for note in plan.notes:
            self._terminal.line(note)

    def _unusual(self, options: SuiteOptions) -> str:
        """
        What is not as it usually is; everything where much is wanted.
        """
        player, parts = options.player, []
        if options.workers > 1:
            parts.append(counted(options.workers, "worker"))
        if options.rounds != 1:
            parts.append("until one fails" if options.rounds is None else counted(options.rounds, "round"))
        if player.seed is not None:
            parts.append(f"seed {player.seed}")
        if self._verbosity == VERBOSE:
            parts.append(f"retries {player.retries}, timeout scale {player.timeout_scale:g}")
            parts.append(f"real limit {format_duration(player.real_limit_s)}, record in {cache_folder()}")
        return f"  {', '.join(parts)}"

    # One scenario.

    def _lines(self, report: ScenarioReport) -> Iterator[str]:
        if report.verdict in _ON_A_LINE:
            if self._verbosity > QUIET and (self._rounds == 1 or self._verbosity == VERBOSE):
                yield self._scenario_line(report)
                yield from self._why_skipped(report)
                yield from self._remarks(report)
        else:
            known = report.verdict is Verdict.ERROR and report.text in self._faults
            if report.verdict is Verdict.ERROR and len(self._faults) < _FAULTS_MAX:
                self._faults.add(report.text)
            for line in failure_lines(report, width=self._terminal.width, known=known):
                colour = _COLOURS[report.verdict] if line.kind == "title" else _LINE_COLOURS.get(line.kind, "")
                yield self._terminal.paint(colour, line.text)
        if self._verbosity == VERBOSE:
            yield from self._steps(report)

    def _scenario_line(self, report: ScenarioReport) -> str:
        room = self._terminal.width - 2 - _VERDICT - _REAL - _VIRTUAL
        verdict = self._terminal.paint(_COLOURS[report.verdict], report.verdict.value)
        padding = " " * (_VERDICT - len(report.verdict.value))
        name = _shortened(report.name, room)
        times = f"{duration_text(report.duration_s):>{_REAL}}{virtual_text(report.virtual_s):>{_VIRTUAL}}"
        return f"  {verdict}{padding}{name:<{room}}{self._terminal.paint('faint', times)}".rstrip()

    def _why_skipped(self, report: ScenarioReport) -> Iterator[str]:
        if report.verdict is Verdict.SKIPPED:
            indent = " " * (2 + _VERDICT)
            yield from self._wrapped(report.text, indent, indent)

    def _remarks(self, report: ScenarioReport) -> Iterator[str]:
        """
        What is worth knowing of a scenario that passed, such as losses that it allows.
        """
        indent = " " * (2 + _VERDICT)
        for note in report.notes if report.verdict is Verdict.PASSED else ():
            for line in self._wrapped(note, indent, f"{indent}  ")[:2]:
                yield self._terminal.paint("faint", line)

    def _wrapped(self, text: str, first: str, further: str) -> list[str]:
        return wrap(text, self._terminal.width, initial_indent=first, subsequent_indent=further, break_on_hyphens=False)

    def _steps(self, report: ScenarioReport) -> Iterator[str]:
        for step in report.steps:
            at = virtual_text(step.at_s) if step.at_s else ""
            word = "" if step.verdict == Verdict.PASSED.value else step.verdict
            text = "  ".join(filter(None, (word, step.text)))
            line = f"{step.line:>10} {step.kind:<10}{at:>10}  {text}".rstrip()
            yield self._terminal.paint("faint", _shortened(line, self._terminal.width))
        services = (f"{name}: {provider}" for name, provider in report.providers.items())
        yield self._terminal.paint("faint", f"{'':>11}{', '.join((f'seed {report.seed}', *services))}")

    # In which order.

    def _write(self, text: _Text) -> None:
        self._count_round(text)
        if not text.lines:
            return
        on_a_line = text.verdict in _ON_A_LINE
        if on_a_line and text.folder != self._folder:
            self._heading(text.folder)
        elif not on_a_line or self._after_failure:
            self._terminal.line()
        self._after_failure = not on_a_line
        for line in text.lines:
            self._terminal.line(line)
        self._terminal.flush()

    def _heading(self, folder: str) -> None:
        columns = f"{'real':>{_REAL}}{'virtual':>{_VIRTUAL}}" if self._folder is None else ""
        room = self._terminal.width - len(columns)
        self._terminal.line()
        self._terminal.line(f"{folder:<{room}}{self._terminal.paint('faint', columns)}".rstrip())
        self._folder = folder

    def _count_round(self, text: _Text) -> None:
        if self._rounds == 1:
            return
        if text.round != self._round[0]:
            self._end_round()
            self._round = [text.round, 0, 0]
        self._round[1] += text.verdict is Verdict.PASSED
        self._round[2] += 1

    def _end_round(self) -> None:
        number, passed, played = self._round
        if played and self._verbosity > QUIET:
            of = f" of {self._rounds}" if self._rounds else ""
            self._terminal.line(f"round {number}{of}: {passed} of {played} passed")
            self._terminal.flush()
        self._round = [number, 0, 0]

    # What stands at the bottom.

    def _count(self, report: ScenarioReport) -> None:
        if report.verdict is Verdict.PASSED:
            return
        if report.verdict is Verdict.SKIPPED:
            self._skips[report.text] = self._skips.get(report.text, 0) + 1
            return
        self._not_passed += 1
        if len(self._recap) < _RECAP_MAX:
            word = report.verdict.value.upper()
            place = f"{report.file}:{report.reason_line or report.line}"
            self._recap.append(self._terminal.paint(_COLOURS[report.verdict], f"{word} {place}"))

    def _told_problems(self) -> Iterator[str]:
        for problem in self._problems:
            yield from str(problem).splitlines()
            yield ""
        files = len({problem.file for problem in self._problems})
        text = f"{counted(len(self._problems), 'problem')} in {counted(files, 'file')}; nothing was played"
        yield self._terminal.paint("red", text)

    def _ending(self, summary: Summary) -> Iterator[str]:
        if self._problems:
            yield from self._told_problems()
            return
        if self._recap and self._turn >= _RECAP_FROM:
            yield ""
            yield from self._recap
            if self._not_passed > len(self._recap):
                yield f"... and {self._not_passed - len(self._recap)} more"
        yield ""
        text = f"exit code {summary.exit_code}: {EXIT_CODES.get(summary.exit_code, '')}"
        if summary.exit_code not in (EXIT_OK, EXIT_FAILED):
            yield from wrap(text, self._terminal.width)
        lines = wrap(_totals(summary, self._skips), self._terminal.width, break_on_hyphens=False)
        colour = "green" if summary.exit_code == EXIT_OK else "red" if summary.exit_code == EXIT_FAILED else "yellow"
        for line in lines:
            yield self._terminal.paint(colour, line)


def _totals(summary: Summary, skips: dict[str, int]) -> str:
    """
    The last line: a count for each verdict, and whatever was not played, with the reasons.
    """
    words = {Verdict.ERROR: "error" if summary.counts.get(Verdict.ERROR) == 1 else "errors"}
    counts = {verdict: count for verdict in Verdict if (count := summary.counts.get(verdict, 0))}
    parts = [f"{count:,} {words.get(verdict, verdict.value)}" for verdict, count in counts.items()]
    if skips:
        place = next(n for n, part in enumerate(parts) if part.endswith(Verdict.SKIPPED.value))
        reasons = [text if count == 1 else f"{count} x {text}" for text, count in list(skips.items())[:3]]
        parts[place] += f" ({'; '.join(reasons)}{'; ...' if len(skips) > 3 else ''})"
    if summary.deselected:
        reasons = [
            f"{count:,} by {reason}" if reason.startswith("-") else f"{count:,} {reason}"
            for reason, count in summary.deselected.items()
        ]
        parts.append(f"{sum(summary.deselected.values()):,} deselected ({', '.join(reasons)})")
    if summary.not_run:
        parts.append(f"{summary.not_run:,} not run")
    return f"{', '.join(parts) or 'nothing played'} in {duration_text(summary.duration_s)}"


def _shortened(text: str, room: int) -> str:
    """
    *text* in *room* columns; of a matrix cell the end stays.
    """
    if len(text) <= room:
        return text
    start = text.rfind("[")
    cell = text[start:] if text.endswith("]") and start > 0 and len(text) - start <= _CELL_MAX else ""
    return f"{text[: room - 3 - len(cell)].rstrip()}...{cell}"
