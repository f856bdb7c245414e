"""
The command `gatesim`, and `python -m gatesim`: finds who serves a command, imports only that, and hands over.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

EXIT_OK, EXIT_INTERRUPTED, EXIT_INTERNAL, EXIT_USAGE = 0, 2, 3, 4


class Command(NamedTuple):
    """
    One command: who serves it, and what it does.
    """

    module: str
    """Has `add_arguments(parser)` and `main(arguments)`, which returns the exit code."""
    text: str


COMMANDS = {
    "run": Command("simulator.commands.run", "play scenarios and judge them"),
    "list": Command("simulator.commands.list", "show which scenarios a run would play"),
    "lint": Command("simulator.commands.lint", "check scenario files; starts nothing"),
    "explain": Command("simulator.commands.explain", "what a key, a step, a reason or a requirement means"),
    "new": Command("simulator.commands.new", "write a first scenario file"),
    "schema": Command("simulator.commands.schema", "export the JSON Schema of scenario files or of reports"),
    "doctor": Command("simulator.commands.doctor", "what works here, and what does not and why"),
    "env": Command("simulator.commands.env", "real services: install them, and keep them running between runs"),
    "parity": Command("simulator.commands.parity", "play scenarios on several providers and compare what comes out"),
    "gateway": Command("gateways.cli", "run the reference gateway by itself"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Serve one command line.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else "--help"
    if name in ("-h", "--help", "help"):
        sys.stdout.write(overview())
        return EXIT_OK if given else EXIT_USAGE
    sentence = _hidden()
    if sentence:
        sys.stderr.write(f"gatesim: {sentence}\n")
        return EXIT_USAGE
    if name in ("-V", "--version"):
        sys.stdout.write(f"gatesim {import_module('simulator.version').VERSION}\n")
        return EXIT_OK
    if name not in COMMANDS:
        return _unknown(name)
    try:
        return _serve(name, given[1:])
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except Exception:
        return _fault()


def overview() -> str:
    """
    The help of the command as a whole.
    """
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.text}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: gatesim COMMAND ...",
            "",
            "Plays scenario files against an event gateway and judges what comes out.",
            "",
            *lines,
            "",
            "`gatesim COMMAND --help` shows a command's options.",
            "",
        ]
    )


def _hidden() -> str:
    """
    What to tell the user where other packages hide ours; empty where none does.
    """
    from gatesim.packages import foreign_package  # noqa: PLC0415 - help needs nothing

    return foreign_package("simulator") or foreign_package("gateways") or ""


def _unknown(name: str) -> int:
    from gatesim.command_line import did_you_mean  # noqa: PLC0415 - only a mistake needs it

    kind = "option" if name.startswith("-") else "command"
    sys.stderr.write(f"gatesim: there is no {kind} `{name}`{did_you_mean(name, COMMANDS)}\n")
    return EXIT_USAGE


def _serve(name: str, arguments: Sequence[str]) -> int:
    from gatesim.command_line import Parser  # noqa: PLC0415 - help needs nothing

    command = COMMANDS[name]
    module = import_module(command.module)
    text = f"{command.text[0].upper()}{command.text[1:]}."
    parser = Parser(prog=f"gatesim {name}", description=text)
    module.add_arguments(parser)
    code: int = module.main(parser.parse(arguments))
    sys.stdout.flush()
    return code


def _reader_left() -> int:
    """
    Whoever read standard output went away, as `head` does; nothing is wrong, and nothing more can be written.
    """
    import os  # noqa: PLC0415 - rarely needed

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_OK


def _fault() -> int:
    import traceback  # noqa: PLC0415 - only a fault needs it

    traceback.print_exc()
    sys.stderr.write("gatesim: this is a fault of gatesim itself; please report it with the lines above\n")
    return EXIT_INTERNAL


if __name__ == "__main__":
    sys.exit(main())
