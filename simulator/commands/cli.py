"""
Command line: what the simulator's commands share: how scenarios are chosen, and how mistakes are told.

Each command is a module with `add_arguments(parser)` and `main(arguments)`, which returns the exit code: `commands/`,
and explain.py, new.py and doctor.py beside this file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from simulator.commands.options import Options, find_config
from simulator.errors import ScenarioProblem, SimulatorError
from simulator.providers import Providers

if TYPE_CHECKING:
    from simulator.suite.discovery import Found
    from simulator.suite.run_record import RunRecord

DEFAULT_FOLDER = "scenarios"


def add_selection(parser: argparse.ArgumentParser) -> None:
    """
    Declare the arguments by which scenarios are chosen.
    """
    group = parser.add_argument_group("which scenarios")
    group.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a folder, a file, PATH:LINE or PATH::NAME; `scenarios`, or else this folder, where left out",
    )
    group.add_argument(
        "-k", "--keywords", metavar="EXPR", help="words in names, files, tags or requirements, with and, or, not, ( )"
    )
    group.add_argument("-t", "--tags", metavar="EXPR", help="tags, with and, or, not, ( )")
    group.add_argument("--shard", metavar="I/N", help="part I of N of what is chosen, balanced by recorded durations")
    group.add_argument(
        "--last-failed", action="store_true", default=None, help="those that did not pass when they were last played"
    )
    group.add_argument(
        "--requirement-file",
        action="append",
        metavar="FILE",
        help="a file that declares further requirements; repeatable",
    )


def options_of(arguments: argparse.Namespace) -> Options:
    """
    The options of this command, its environment and its project.
    """
    return Options(arguments, os.environ, find_config())


def declared_ids(options: Options) -> tuple[str, ...]:
    """
    Ids of the requirements that the project declares.

    Raises:
        ScenarioError: A file with requirements cannot be read.
    """
    files = options.get("requirement-file", ())
    if not files:
        return ()
    from simulator.requirements import requirements_in  # noqa: PLC0415 - few projects declare any

    return tuple(requirement.id for file in files for requirement in requirements_in(file))


def paths_of(options: Options) -> tuple[str, ...]:
    """
    What to look at; the usual folder where nothing is said.
    """
    usual = DEFAULT_FOLDER if os.path.isdir(DEFAULT_FOLDER) else "."
    return tuple(options.get("paths", (usual,)))


def choose(
    options: Options, declared: tuple[str, ...], record: RunRecord, *, providers: frozenset[str] | None = None
) -> Found:
    """
    The scenarios that the options choose.

    Args:
        providers: Whose scenarios; None for those that the options name.

    Raises:
        SimulatorError: Something that is named is not there, or an expression cannot be read.
    """
    from simulator.scenario_file.loader import load_file  # noqa: PLC0415 - as above
    from simulator.suite.discovery import Wanted, discover  # noqa: PLC0415 - brings the scenario models along

    wanted = Wanted(
        targets=paths_of(options),
        keywords=options.get("keywords", ""),
        tags=options.get("tags", ""),
        shard=options.get("shard"),
        last_failed=options.get("last-failed", False),
        providers=providers or Providers(options.get("provider", ())).names,
    )
    return discover(wanted, load=lambda path: load_file(path, declared=declared), record=record)


def complain(command: str, error: SimulatorError) -> None:
    """
    Tell the user's mistake on standard error.
    """
    for number, line in enumerate(str(error).splitlines()):
        sys.stderr.write(f"gatesim {command}: {line}\n" if number == 0 else f"{line}\n")


def print_problems(problems: Iterable[ScenarioProblem]) -> None:
    """
    Print each problem with its place, a blank line between two.
    """
    sys.stdout.write("\n\n".join(map(str, problems)) + "\n")
