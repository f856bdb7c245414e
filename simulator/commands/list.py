"""
`gatesim list`: which scenarios a run would play.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from simulator.commands.cli import add_selection, choose, complain, declared_ids, options_of, print_problems
from simulator.errors import SimulatorError
from simulator.reports.report import problems_json
from simulator.scenario_file.scenario import Scenario
from simulator.suite.discovery import Found
from simulator.suite.identity import node_id, public_name
from simulator.suite.run_record import RunRecord
from simulator.verdict import EXIT_NOTHING, EXIT_OK, EXIT_USAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's arguments.
    """
    add_selection(parser)
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    parser.add_argument("--requirements", action="store_true", help="list what a scenario can cite instead")


def main(arguments: argparse.Namespace) -> int:
    """
    List what the arguments choose.

    Returns:
        The exit code: 4 where a file cannot be run as written, 5 where nothing is found.
    """
    if arguments.requirements:
        return _list_requirements(as_json=arguments.json)
    try:
        options = options_of(arguments)
        record = RunRecord.read()
        found = choose(options, declared_ids(options), record)
    except SimulatorError as error:
        complain("list", error)
        return EXIT_USAGE
    if arguments.json:
        sys.stdout.write(json.dumps(_as_json(found, record), ensure_ascii=False, indent=2) + "\n")
    else:
        _print(found)
    if found.problems:
        return EXIT_USAGE
    return EXIT_OK if found.scenarios else EXIT_NOTHING


def _print(found: Found) -> None:
    for line in _lines(found):
        sys.stdout.write(f"{line}\n")
    if found.problems:
        sys.stdout.write("\n")
        print_problems(found.problems)


def _lines(found: Found) -> Iterator[str]:
    for scenario in found.scenarios:
        tags = f"  ({', '.join(scenario.head.tags)})" if scenario.head.tags else ""
        yield f"{PurePath(scenario.file).as_posix()}:{scenario.line}  {public_name(scenario)}{tags}"
    left_out = "".join(f", {count} left out ({reason})" for reason, count in found.deselected.items())
    scenarios = "1 scenario" if len(found.scenarios) == 1 else f"{len(found.scenarios)} scenarios"
    yield f"{scenarios} in {'1 file' if found.files == 1 else f'{found.files} files'}{left_out}"
    yield from found.notes


def _as_json(found: Found, record: RunRecord) -> dict[str, Any]:
    return {
        "scenarios": [_entry(scenario, record) for scenario in found.scenarios],
        "deselected": dict(found.deselected),
        "problems": problems_json(found.problems),
    }


def _entry(scenario: Scenario, record: RunRecord) -> dict[str, Any]:
    id = node_id(scenario)
    last = record.last.get(id)
    return {
        "id": id,
        "file": PurePath(scenario.file).as_posix(),
        "line": scenario.line,
        "name": public_name(scenario),
        "tags": list(scenario.head.tags),
        "requirements": list(scenario.head.requirements),
        "issue": scenario.head.issue or "",
        "services": {name: setup.type or name for name, setup in scenario.services.items()},
        "gateways": {gateway.name: gateway.type for gateway in scenario.gateways},
        "clock": "real" if scenario.clock is None else "virtual",
        "last": last._asdict() if last is not None else None,
    }


def _list_requirements(*, as_json: bool) -> int:
    from simulator.requirements import catalogue  # noqa: PLC0415 - reading it takes longer than all the rest

    requirements = list(catalogue().values())
    if as_json:
        entries = [requirement._asdict() for requirement in requirements]
        sys.stdout.write(json.dumps(entries, ensure_ascii=False, indent=2) + "\n")
    for requirement in requirements if not as_json else ():
        sys.stdout.write(f"{requirement.id:<12} {requirement.level:<6} {requirement.sentence}\n")
    return EXIT_OK
