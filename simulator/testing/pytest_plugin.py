"""
Scenario files as pytest collects and plays them: a file is a collector, each scenario an item with its real line.

Imported by the entry point, `gatesim.pytest_plugin`, when the first scenario file is met.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback, TerminalRepr

from simulator.errors import ScenarioError
from simulator.scenario_file.loader import load_file
from simulator.scenario_file.scenario import Scenario
from simulator.suite.discovery import lacks, shown_path
from simulator.suite.identity import public_name
from simulator.testing.pytest_options import options_of
from simulator.verdict import Verdict

if TYPE_CHECKING:
    from simulator.reports.report import ScenarioReport

VERDICT = "gatesim_verdict"
"""The property of a test report that holds its verdict; the entry point reads it by the same name."""

_ACTING = frozenset({"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings", "timeout"})
"""Markers that pytest and its plugins act on. A tag is a word to select by: one of these does not become a marker."""

_FAILURES = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.ERROR)


class ScenarioEnded(Exception):
    """
    A scenario did not pass; carries what is to be told of it.
    """

    def __init__(self, report: ScenarioReport) -> None:
        self.report = report
        super().__init__(report.text)


class ScenarioFile(pytest.File):
    """
    One scenario file.
    """

    def collect(self) -> Iterator[ScenarioItem]:
        """
        Its scenarios, in the order of the matrix; a file that cannot be played is an error with every problem named.
        """
        try:
            scenarios = load_file(shown_path(str(self.path)), declared=options_of(self.config).declared)
        except ScenarioError as error:
            raise self.CollectError(str(error)) from None
        for scenario in scenarios:
            yield ScenarioItem.make(self, scenario)


class ScenarioItem(pytest.Item):
    """
    One scenario, or one cell of its matrix.
    """

    scenario: Scenario
    gatesim_lacks = ""
    """What its `requires` misses here; such an item is left out of the run."""

    @classmethod
    def make(cls, parent: ScenarioFile, scenario: Scenario) -> ScenarioItem:
        """
        The item of *scenario*, with a marker for each tag.
        """
        item: ScenarioItem = cls.from_parent(parent, name=public_name(scenario))
        item.scenario = scenario
        item.gatesim_lacks = lacks(scenario, options_of(parent.config).providers.names)
        item.extra_keyword_matches.update(scenario.head.tags, scenario.head.requirements)
        _mark(item, scenario.head.tags)
        return item

    def reportinfo(self) -> tuple[Path, int, str]:
        """See pytest.Item. The line counts from 0."""
        return self.path, self.scenario.line - 1, self.name

    def runtest(self) -> None:
        """
        Play it.

        Raises:
            ScenarioEnded: It failed, is inconclusive, or met a fault of ours.
        """
        from simulator.suite.player import Player  # noqa: PLC0415 - collection plays nothing

        report = Player(options_of(self.config).player_options).play(self.scenario)
        if report is None:
            raise KeyboardInterrupt
        self.user_properties.extend(properties_of(report))
        if report.verdict is Verdict.SKIPPED:
            raise pytest.skip.Exception(report.text, _use_item_location=True)
        if report.verdict in _FAILURES:
            raise ScenarioEnded(report)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """
        The failure as `gatesim run` prints it; a Python traceback only for faults of ours, and when asked for.
        """
        error = excinfo.value
        traceback = bool(self.config.getoption("gatesim_traceback"))
        if isinstance(error, ScenarioEnded):
            report = error.report
            return self._shown_text(told(report, traceback=traceback), f"{report.cls}: {report.text}")
        if traceback:
            return super().repr_failure(excinfo)
        message = f"a fault of gatesim itself: {type(error).__name__}: {error}"
        return self._shown_text(f"{message}\n--gatesim-traceback shows where", message)

    def _shown_text(self, text: str, message: str) -> TerminalRepr:
        """
        *text* as a report that keeps *message* for summaries, also on its way from a worker.

        pytest offers no public way: xdist and JUnit read `reprcrash` of exactly these classes.
        """
        place = ReprFileLocation(str(self.path), self.scenario.line, message)
        lines = [f"{line}\n" for line in text.splitlines()]
        return ReprExceptionInfo(
            reprtraceback=ReprTraceback([ReprEntryNative(lines)], None, style="native"), reprcrash=place
        )


def told(report: ScenarioReport, *, traceback: bool) -> str:
    """
    The failure as `gatesim run` tells it; the traceback of a fault of ours only where it is asked for.
    """
    if report.verdict is Verdict.ERROR and not traceback:
        hint = ("--gatesim-traceback shows where",) if report.details else ()
        report = replace(report, details=hint)
    from simulator.reports.failure import failure_text  # noqa: PLC0415 - most scenarios pass

    return failure_text(report)


def properties_of(report: ScenarioReport) -> list[tuple[str, object]]:
    """
    What reports of every kind keep of a play.
    """
    facts = {
        VERDICT: report.verdict.value,
        "gatesim_reason": report.cls or "",
        "gatesim_line": str(report.reason_line or report.line),
        "gatesim_seed": str(report.seed),
        "gatesim_providers": ", ".join(f"{name}={provider}" for name, provider in report.providers.items()),
        "gatesim_requirements": ", ".join(report.requirements),
    }
    return [(name, value) for name, value in facts.items() if value]


def _mark(item: pytest.Item, tags: Iterable[str]) -> None:
    known = {line.partition(":")[0].partition("(")[0].strip() for line in item.config.getini("markers")}
    for tag in tags:
        if tag in _ACTING or tag.startswith("_"):
            continue
        if tag not in known:
            item.config.addinivalue_line("markers", f"{tag}: scenarios with this tag")
            known.add(tag)
        item.add_marker(tag)
