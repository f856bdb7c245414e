"""
`gatesim schema export`: the JSON Schema of scenario files, for editors, or of JSON reports.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from simulator.verdict import EXIT_OK, EXIT_USAGE

KINDS = ("scenario", "report")
REPORT_SCHEMA = Path(__file__).parent.parent / "report.schema.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's own command and its arguments.
    """
    commands = parser.add_subparsers(dest="schema_command", required=True, metavar="COMMAND")
    export = commands.add_parser("export", help="write a JSON Schema (draft-07)", description="Write a JSON Schema.")
    export.add_argument("kind", nargs="?", choices=KINDS, default="scenario", help="of what; default scenario")
    export.add_argument("--out", metavar="FILE", default="", help="the file to write; standard output where left out")


def main(arguments: argparse.Namespace) -> int:
    """
    Write the schema.

    Returns:
        The exit code.
    """
    text = schema_text(arguments.kind)
    if not arguments.out:
        sys.stdout.write(text)
        return EXIT_OK
    try:
        Path(arguments.out).write_text(text, encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"gatesim schema: {arguments.out} cannot be written: {error.strerror}\n")
        return EXIT_USAGE
    return EXIT_OK


def schema_text(kind: str) -> str:
    """
    The schema of *kind* as it is written.
    """
    if kind == "report":
        return REPORT_SCHEMA.read_text(encoding="utf-8")
    from simulator.scenario_file.schema import scenario_schema  # noqa: PLC0415 - brings the scenario models along

    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"
