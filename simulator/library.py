"""
Library: gatesim from Python: load scenarios, play them, and have the report of a run as plain data.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from simulator.errors import ScenarioError
from simulator.reports.report import Json, Report, ScenarioReport, Summary, report_json
from simulator.scenario_file.loader import load_file
from simulator.scenario_file.scenario import Scenario
from simulator.suite.discovery import Wanted, discover
from simulator.suite.player import PlayerOptions
from simulator.suite.suite import Observer, Play, Suite, SuiteOptions

if TYPE_CHECKING:
    from simulator.environment import PlayOptions
    from simulator.runner import ScenarioResult

AnyPath = str | os.PathLike[str]


def load(path: AnyPath) -> list[Scenario]:
    """
    The scenarios of the file at *path*: one, or one for each cell of its matrix.

    Raises:
        ScenarioError: The file cannot be run as written; every problem is in it.
    """
    return load_file(path)


async def play(scenario: Scenario, options: PlayOptions | None = None) -> ScenarioResult:
    """
    Play one scenario in the event loop that runs.
    """
    from simulator.environment import PlayOptions  # noqa: PLC0415 - loading needs neither gateway nor services
    from simulator.runner import play as play_in_loop  # noqa: PLC0415 - as above

    return await play_in_loop(scenario, options or PlayOptions())


def run(
    what: AnyPath | Scenario | Sequence[AnyPath | Scenario],
    *,
    keywords: str = "",
    tags: str = "",
    seed: int | None = None,
    timeout_scale: float = 1.0,
    real_limit_s: float = 60.0,
    retries: int = 0,
    repeat: int = 1,
    max_failures: int | None = None,
    fail_on_skip: bool = False,
) -> Json:
    """
    Play scenarios and report, as `gatesim run --report json=...` does. May be called where an event loop runs.

    Args:
        what: A folder, a file, PATH:LINE, PATH::NAME, a scenario, or several of these.
        keywords: As `-k`.
        tags: As `--tags`.
        seed: Of ids and jitter; None for each scenario's own.

    Returns:
        The JSON report, `gatesim/v1`.

    Raises:
        ScenarioError: A file cannot be run as written; nothing is played.
        SimulatorError: Something that is named is not there, or an expression cannot be read.
        KeyboardInterrupt: Somebody ended it.
    """
    options = SuiteOptions(
        player=PlayerOptions(seed, timeout_scale, real_limit_s, retries),
        max_failures=max_failures,
        repeat=repeat,
        fail_on_skip=fail_on_skip,
    )
    many = [what] if isinstance(what, str | os.PathLike | Scenario) else list(what)
    scenarios = [each for each in many if isinstance(each, Scenario)]
    paths = tuple(os.fspath(each) for each in many if not isinstance(each, Scenario))
    if paths:
        found = discover(Wanted(targets=paths, keywords=keywords, tags=tags), load=load_file)
        if found.problems:
            raise ScenarioError(found.problems)
        scenarios += found.scenarios
    return _in_own_thread_if_needed(scenarios, options)


def _in_own_thread_if_needed(scenarios: Sequence[Scenario], options: SuiteOptions) -> Json:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _reported(scenarios, options)
    with ThreadPoolExecutor(1, thread_name_prefix="gatesim") as pool:
        return pool.submit(_reported, scenarios, options).result()


def _reported(scenarios: Sequence[Scenario], options: SuiteOptions) -> Json:
    collected = _Collected()
    suite = Suite(scenarios, options, [collected])
    suite.run()
    if suite.was_interrupted:
        raise KeyboardInterrupt
    assert collected.report is not None
    return report_json(collected.report)


class _Collected(Observer):
    """
    Keeps everything, which only a caller who wants it all pays for.
    """

    def __init__(self) -> None:
        self._scenarios: list[ScenarioReport] = []
        self.report: Report | None = None

    def finished(self, play: Play, report: ScenarioReport) -> None:
        """See Observer."""
        self._scenarios.append(report)

    def ended(self, summary: Summary, environment: Json) -> None:
        """See Observer."""
        self.report = Report(summary, environment, tuple(self._scenarios))
