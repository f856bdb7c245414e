"""
`gatesim run`: play scenarios and judge them.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from simulator.commands.cli import add_selection, choose, complain, declared_ids, options_of
from simulator.commands.keep_env import KeepingServers
from simulator.commands.options import Options
from simulator.errors import SimulatorError
from simulator.providers import Providers
from simulator.reports.console import NORMAL, QUIET, VERBOSE, Console
from simulator.reports.formats import ReportTarget, open_report, parse_report
from simulator.reports.output import OutputError
from simulator.reports.progress import Progress
from simulator.reports.terminal import Terminal, wants_colour
from simulator.suite.discovery import Found
from simulator.suite.player import PlayerOptions
from simulator.suite.run_record import RunRecord
from simulator.suite.suite import Observer, Plan, Suite, SuiteOptions
from simulator.verdict import EXIT_USAGE

_ALLOCATIONS_MAX = 50_000
"""Before the garbage collector looks for cycles. Plays make few; its default of 700 costs a tenth of a long one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's arguments.
    """
    add_selection(parser)
    _add_playing(parser)
    _add_stopping(parser)
    _add_reporting(parser)
    parser.epilog = (
        "Options come from flags, then GATESIM_* variables, then gatesim.toml or [tool.gatesim] in pyproject.toml, "
        "then the scenario file. Exit codes: 0 all passed, 1 failed, 2 interrupted, 3 a fault of gatesim, 4 a file or "
        "an option is wrong, 5 no scenario, 10 environment, 11 inconclusive, 12 flaky."
    )


def _add_playing(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how they are played").add_argument
    add("-n", "--workers", metavar="N|auto", help="so many side by side, each in a process of its own; default 1")
    add("--seed", metavar="N", help="of ids and jitter; default: each scenario's own, always the same")
    add(
        "--provider",
        action="append",
        metavar="P",
        help="where services come from, PROVIDER or SERVICE=PROVIDER; embedded (repeatable)",
    )
    add("--service", action="append", metavar="NAME=URL", help="an external service; not supported yet")
    add("--allow-writes", action="store_true", default=None, help="write to external services; not supported yet")
    add("--target", metavar="SPEC", help="the gateway that is judged; reference")
    add("--timeout-scale", metavar="X", help="multiply limits that are in real time by X; default 1")
    add("--real-limit", metavar="D", help="skip a scenario whose `advance` takes longer in real time; default 60s")
    add("--keep-env", metavar="WHEN", help="always, on-failure or never: kept servers stay afterwards; never")


def _add_stopping(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how often, and until when").add_argument
    add("-x", "--exit-first", action="store_true", default=None, help="begin nothing more after the first failure")
    add("--max-failures", metavar="N", help="begin nothing more after N failures")
    add("--repeat", metavar="N", help="play everything N times, each time with the next seed")
    add("--until-fail", action="store_true", default=None, help="repeat until one fails")
    add("--retries", metavar="N", help="play what fails up to N times more; if it then passes it is flaky (exit 12)")
    add("--fail-on-skip", action="store_true", default=None, help="exit with 10 where a scenario was skipped")


def _add_reporting(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is reported").add_argument
    add(
        "--report",
        action="append",
        metavar="FORMAT=PATH",
        help="json, ndjson or junit; `-` is standard output (repeatable)",
    )
    add("-v", "--verbose", action="store_true", default=None, help="each step on a line")
    add("-q", "--quiet", action="store_true", default=None, help="only what did not pass, and the totals")
    add("--no-color", action="store_true", default=None, help="no colours; NO_COLOR and FORCE_COLOR are heeded as well")


def main(arguments: argparse.Namespace) -> int:
    """
    Play what the arguments choose.

    Returns:
        The exit code.
    """
    try:
        options = options_of(arguments)
        declared = declared_ids(options)
        suite_options = suite_options_of(options, declared)
        targets = [parse_report(text) for text in options.get("report", ())]
        record = RunRecord.read()
        found = choose(options, declared, record)
        keeping = KeepingServers(options.get("keep-env", "never"), suite_options.player.providers)
        observers = _observers(options, targets)
    except SimulatorError as error:
        complain("run", error)
        return EXIT_USAGE
    suite = Suite(found.scenarios, suite_options, observers, plan=_plan(found, suite_options))
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_MAX)
    try:
        keeping.begin()
        return keeping.decide(suite.run().exit_code)
    except OutputError as error:
        complain("run", error)
        return EXIT_USAGE
    finally:
        record.write(suite.last if options.get("shard") is None else record.news_of_shard(suite.last))


def suite_options_of(options: Options, declared: tuple[str, ...] = ()) -> SuiteOptions:
    """
    How *options* have a suite played.

    Raises:
        OptionError: One of them says something that cannot be.
    """
    for name in ("service", "allow-writes"):
        options.get(name)
    player = PlayerOptions(
        seed=options.get("seed"),
        timeout_scale=options.get("timeout-scale", 1.0),
        real_limit_s=options.get("real-limit", 60.0),
        retries=options.get("retries", 0),
        providers=options.get("provider", ()),
    )
    return SuiteOptions(
        player=player,
        workers=options.get("workers", 1),
        max_failures=1 if options.get("exit-first", False) else options.get("max-failures"),
        repeat=options.get("repeat"),
        until_fail=options.get("until-fail", False),
        fail_on_skip=options.get("fail-on-skip", False),
        provider=str(Providers(options.get("provider", ()))),
        target=options.get("target", "reference"),
        declared=declared,
    )


def _plan(found: Found, options: SuiteOptions) -> Plan:
    notes = found.notes
    if not found.scenarios and not found.problems and not found.deselected:
        notes = (*notes, f"no scenario was found in {found.looked_in}; files are called NAME.scenario.yaml")
    files = len({scenario.file for scenario in found.scenarios})
    return Plan(len(found.scenarios), files, options, found.deselected, notes, found.problems)


def _observers(options: Options, targets: Sequence[ReportTarget]) -> list[Observer]:
    """
    Who is told: the progress line, the console, and each report.

    Raises:
        SimulatorError: A report cannot be written where it was asked for.
    """
    taken = any(target.is_standard_output for target in targets)
    stream: TextIO = sys.stderr if taken else sys.stdout
    verbosity = QUIET if options.get("quiet", False) else VERBOSE if options.get("verbose", False) else NORMAL
    colour = wants_colour(stream, os.environ, no_color=options.get("no-color", False))
    progress = Progress()
    terminal = Terminal(stream, colour=colour, status=progress.line)
    console = Console(terminal, verbosity=verbosity)
    reports = [open_report(target) for target in targets]
    return [progress, console, *reports] if terminal.is_live else [console, *reports]
