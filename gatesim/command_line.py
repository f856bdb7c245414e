"""
Command line: arguments read strictly; a slip of the hand is answered with what was probably meant, and exit code 4.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

EXIT_USAGE = 4
_CHOICE = re.compile(r"argument (?P<where>[^:]+): invalid choice: '(?P<given>[^']*)' \(choose from (?P<known>.*)\)")


class Parser(argparse.ArgumentParser):
    """
    The parser of one command.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "formatter_class": _Formatter, **options})

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """
        What *arguments* say; options and operands may stand in any order.

        Raises:
            SystemExit: They say what cannot be; the message is written.
        """
        found, unknown = (
            self.parse_known_intermixed_args(arguments)
            if self._has_no_commands()
            else (self.parse_known_args(arguments))
        )
        if unknown:
            self.error(self._unknown(unknown[0]))
        return found

    def error(self, message: str) -> NoReturn:
        """
        Say what is wrong, and end.
        """
        choice = _CHOICE.match(message)
        if choice:
            known = [name.strip().strip("'") for name in choice["known"].split(",")]
            message = f"there is no {choice['where']} `{choice['given']}`{did_you_mean(choice['given'], known)}"
        sys.stderr.write(f"{self.prog}: {message}\n")
        sys.exit(EXIT_USAGE)

    def _has_no_commands(self) -> bool:
        return not any(isinstance(action, argparse._SubParsersAction) for action in self._actions)

    def _unknown(self, argument: str) -> str:
        if not argument.startswith("-"):
            return f"unexpected argument `{argument}`"
        name = argument.partition("=")[0]
        return f"there is no option `{name}`{did_you_mean(name, self._options())}"

    def _options(self) -> Iterator[str]:
        """
        Every option, those of the command's own commands included.
        """
        for action in self._actions:
            yield from action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    yield from parser._options()


class _Formatter(argparse.HelpFormatter):
    """
    Help at 80 columns, wherever it is shown, so that it reads the same in a page of documentation.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80, max_help_position=26)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """
    `; did you mean ...?` where something of *known* is close to *given*, else where to look.
    """
    close = get_close_matches(given, list(known), 1, 0.6)
    return f"; did you mean `{close[0]}`?" if close else "; --help shows what there is"
