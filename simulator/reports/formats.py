"""
Formats: `FORMAT=PATH` to the observer that writes it; imported only when it is asked for.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple

from simulator.errors import SimulatorError
from simulator.reports.output import STANDARD_OUTPUT, check_writable
from simulator.suite.suite import Observer

FORMATS = {
    "json": "simulator.reports.json_report:JsonReport",
    "ndjson": "simulator.reports.ndjson:NdjsonReport",
    "junit": "simulator.reports.junit:JunitReport",
}
LATER = ("html", "markdown", "github")
"""Named by the command's contract, and not written yet."""


class FormatError(SimulatorError):
    """
    A report was asked for that cannot be had.
    """


class ReportTarget(NamedTuple):
    """
    One `--report`.
    """

    format: str
    target: str
    """A path, or `-`."""

    @property
    def is_standard_output(self) -> bool:
        """
        Whether it is written where the console would write.
        """
        return self.target == STANDARD_OUTPUT


def parse_report(text: str) -> ReportTarget:
    """
    What *text*, `FORMAT=PATH`, asks for.

    Raises:
        FormatError: It asks for nothing that there is.
    """
    name, equals, target = text.partition("=")
    known = ", ".join(FORMATS)
    if name in LATER:
        raise FormatError(f"report format `{name}` is not supported yet; there are {known}")
    if name not in FORMATS:
        close = get_close_matches(name, FORMATS, 1)
        hint = f"did you mean `{close[0]}`?" if close else f"there are {known}"
        raise FormatError(f"there is no report format `{name}`; {hint}")
    if not equals or not target:
        raise FormatError(f"`{text}` lacks the file: write `{name}=PATH`, or `{name}=-` for standard output")
    return ReportTarget(name, target)


def open_report(wanted: ReportTarget) -> Observer:
    """
    The observer that writes *wanted*.

    Raises:
        OutputError: It cannot be written there.
    """
    check_writable(wanted.target)
    module, _, name = FORMATS[wanted.format].partition(":")
    made: Observer = getattr(import_module(module), name)(wanted.target)
    return made
