"""
`gatesim lint`: whether scenario files can be run as written; starts nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from simulator.commands.cli import complain, declared_ids, options_of, paths_of, print_problems
from simulator.errors import ScenarioError, ScenarioProblem, SimulatorError
from simulator.reports.report import problems_json
from simulator.scenario_file.loader import load_file, load_text
from simulator.suite.discovery import Wanted, discover
from simulator.suite.run_record import RunRecord
from simulator.verdict import EXIT_NOTHING, EXIT_OK, EXIT_USAGE

STANDARD_INPUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's arguments.
    """
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="folders and files; `-` reads one scenario from standard input; `scenarios`, or else this folder, where "
        "left out",
    )
    parser.add_argument("--json", action="store_true", help="print problems as JSON")
    parser.add_argument(
        "--requirement-file",
        action="append",
        metavar="FILE",
        help="a file that declares further requirements; repeatable",
    )


def main(arguments: argparse.Namespace) -> int:
    """
    Check what the arguments name.

    Returns:
        The exit code: 4 where there are problems, 5 where there is no file.
    """
    try:
        options = options_of(arguments)
        declared = declared_ids(options)
        if arguments.paths == [STANDARD_INPUT]:
            files, problems = 1, _problems_of_input(declared)
        else:
            found = discover(
                Wanted(targets=paths_of(options), providers=frozenset()),
                load=lambda path: load_file(path, declared=declared),
                record=RunRecord(),
            )
            files, problems = found.files, found.problems
    except SimulatorError as error:
        complain("lint", error)
        return EXIT_USAGE
    _print(files, problems, as_json=arguments.json)
    return EXIT_USAGE if problems else EXIT_OK if files else EXIT_NOTHING


def _problems_of_input(declared: Sequence[str]) -> tuple[ScenarioProblem, ...]:
    try:
        load_text(sys.stdin.buffer.read(), file="<stdin>", declared=declared)
    except ScenarioError as error:
        return error.problems
    return ()


def _print(files: int, problems: Sequence[ScenarioProblem], *, as_json: bool) -> None:
    if as_json:
        report = {"files": files, "problems": problems_json(problems)}
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
        return
    looked_at = "1 file" if files == 1 else f"{files} files"
    if problems:
        print_problems(problems)
        many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        bad = len({problem.file for problem in problems})
        sys.stdout.write(f"\n{many} in {bad} of {looked_at}\n")
    else:
        sys.stdout.write(f"no problem in {looked_at}\n" if files else "no scenario file was found\n")
