"""
Every exception the simulator raises, drawn as a tree, and who must act on each.

SimulatorError
├── ScenarioError         the scenario file's author: the file cannot be run as written
└── ServiceUnavailable    whoever runs the machine: something must be installed or started
AssertionError
└── SimulatorBug          us; never caught quietly
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_CARET_LINE_MAX = 160


class SimulatorError(Exception):
    """
    The root of what this package raises on purpose.
    """


class ScenarioProblem(NamedTuple):
    """
    One thing in a file that its author must change.
    """

    file: str
    """As the caller named it; `<text>` where there is no file."""
    line: int
    """1 or more."""
    column: int
    """1 or more, in characters."""
    end_column: int
    """The first column behind the key or value at fault; equal to *column* where there is nothing to underline."""
    problem: str
    hint: str = ""
    """What would be right; empty where the problem says it all."""
    key_path: str = ""
    """Where in the file's structure: `steps[2].publish.count`."""
    source_line: str = ""
    """The line as it stands in the file; empty where it cannot be shown."""

    @property
    def place(self) -> tuple[str, int, int]:
        """
        What problems are sorted by.
        """
        return self.file, self.line, self.column

    def __str__(self) -> str:
        lines = [f"{self.file}:{self.line}:{self.column}: {self.problem}"]
        if self.source_line.strip():
            lines += self._pointed_at()
        if self.hint:
            lines.append(f"    {self.hint}")
        return "\n".join(lines)

    def _pointed_at(self) -> list[str]:
        """
        The source line with carets below; cut to a window where it is long.
        """
        first = max(0, self.column - 1 - _CARET_LINE_MAX // 2) if len(self.source_line) > _CARET_LINE_MAX else 0
        shown = self.source_line[first : first + _CARET_LINE_MAX].rstrip()
        before = "".join("\t" if mark == "\t" else " " for mark in shown[: self.column - 1 - first])
        room = max(1, len(shown) - len(before))
        carets = "^" * min(room, max(1, self.end_column - self.column))
        number = str(self.line)
        return [f"  {number} | {_printable(shown)}", f"  {' ' * len(number)} | {before}{carets}"]


def _printable(text: str) -> str:
    """
    *text* with each character that a terminal would act on replaced by a dot; the columns stay.
    """
    return "".join(mark if mark == "\t" or mark.isprintable() else "·" for mark in text)


class ScenarioError(SimulatorError):
    """
    A scenario file cannot be run as written; its author must change it.

    Attributes:
        problems: Every problem of the file, sorted by place; never empty.
    """

    def __init__(self, problems: Iterable[ScenarioProblem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.place))
        super().__init__("\n".join(map(str, self.problems)))


class ServiceUnavailable(SimulatorError):
    """
    A service that a scenario needs cannot be had here; the scenario is skipped with that reason.

    Attributes:
        service: Its name or type.
        provider: embedded, local, container or external.
        reason: Why it cannot be had.
        how: What to install or start; empty where nothing would help.
    """

    def __init__(self, service: str, provider: str, reason: str, how: str = "") -> None:
        self.service = service
        self.provider = provider
        self.reason = reason
        self.how = how
        super().__init__(f"{service} ({provider}): {reason}" + (f"; {how}" if how else ""))


class SimulatorBug(AssertionError):
    """
    Something that cannot be: a fault of gatesim itself.
    """


class TimeStuck(Exception):
    """
    Nothing has moved for too long in real time, and virtual time may not move.

    Attributes:
        holds: One sentence for each active hold: its peer and its age.
    """

    def __init__(self, holds: list[str], after_s: float) -> None:
        self.holds = holds
        what = "; ".join(holds) or "no hold is active"
        super().__init__(f"no progress for {after_s:g} s of real time; time is held by {what}")
