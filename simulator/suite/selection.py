"""
Selection: the expressions of `-k` and `--tags`: words joined by `and`, `or`, `not` and parentheses, as pytest's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from simulator.errors import SimulatorError

Matches = Callable[[str], bool]
"""Whether one word of an expression is met."""
Selector = Callable[[Matches], bool]

_TOKEN = re.compile(r"""\s*(?:(?P<mark>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s()"']+))""")
_DEPTH_MAX = 100


class SelectionError(SimulatorError):
    """
    An expression cannot be read.

    Attributes:
        expression: As it was given.
        column: Where, 1 or more.
        problem: What is wrong there.
    """

    def __init__(self, expression: str, column: int, problem: str) -> None:
        self.expression = expression
        self.column = column
        self.problem = problem
        super().__init__(f"{problem}\n    {expression}\n    {' ' * (column - 1)}^")


class _Token(NamedTuple):
    text: str
    column: int
    is_word: bool
    """A word to look for, not `and`, `or`, `not` or a parenthesis."""


def parse_expression(expression: str) -> Selector:
    """
    What *expression* selects.

    Raises:
        SelectionError: It cannot be read.
    """
    parser = _Parser(expression)
    selector = parser.either(0)
    parser.expect_end()
    return selector


class _Parser:
    """
    Reads an expression from left to right; `not` binds closest, then `and`, then `or`.
    """

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = list(_tokens(expression))
        self._at = 0

    def either(self, depth: int) -> Selector:
        """
        One or more alternatives.
        """
        found = [self._both(depth)]
        while self._take("or"):
            found.append(self._both(depth))
        return found[0] if len(found) == 1 else lambda matches: any(selector(matches) for selector in found)

    def expect_end(self) -> None:
        """
        Raises:
            SelectionError: Something follows.
        """
        token = self._token()
        if token is not None:
            hint = "; between two words stands `and` or `or`" if token.is_word or token.text in ("(", "not") else ""
            raise SelectionError(self._expression, token.column, f"`{token.text}` is unexpected here{hint}")

    def _both(self, depth: int) -> Selector:
        found = [self._not(depth)]
        while self._take("and"):
            found.append(self._not(depth))
        return found[0] if len(found) == 1 else lambda matches: all(selector(matches) for selector in found)

    def _not(self, depth: int) -> Selector:
        if depth > _DEPTH_MAX:
            raise SelectionError(self._expression, len(self._expression), "the expression is nested too deeply")
        if self._take("not"):
            inner = self._not(depth + 1)
            return lambda matches: not inner(matches)
        if self._take("("):
            inner = self.either(depth + 1)
            if not self._take(")"):
                raise SelectionError(self._expression, self._column(), "a `)` is missing")
            return inner
        return self._word()

    def _word(self) -> Selector:
        token = self._token()
        if token is None or not token.is_word:
            problem = "a word is missing at the end" if token is None else f"a word is missing before `{token.text}`"
            raise SelectionError(self._expression, self._column(), problem)
        self._at += 1
        text = token.text
        return lambda matches: matches(text)

    def _token(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, text: str) -> bool:
        token = self._token()
        taken = token is not None and not token.is_word and token.text == text
        self._at += taken
        return taken

    def _column(self) -> int:
        token = self._token()
        return len(self._expression) + 1 if token is None else token.column


def _tokens(expression: str) -> Iterator[_Token]:
    at = 0
    while expression[at:].strip():
        match = _TOKEN.match(expression, at)
        if match is None:
            column = len(expression) - len(expression[at:].lstrip()) + 1
            raise SelectionError(expression, column, "a quote is not closed")
        name = str(match.lastgroup)
        text = match[name]
        is_word = name in ("double", "single") or (name == "word" and text not in ("and", "or", "not"))
        yield _Token(text, match.start(name) + (1 if name in ("mark", "word") else 0), is_word)
        at = match.end()
