"""
SourceText: the text of one file and its lines, so that problems can be shown where they are.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path

from simulator.errors import ScenarioError, ScenarioProblem

SIZE_MAX = 4 * 1024 * 1024
"""Bytes. The largest file that a person could have meant; hostile input stops here."""

_BREAK = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BEYOND = re.compile("[\u2028\u2029]|[\ud800-\udfff]|[\ufeff]|[\ufffe\uffff]")
"""Several small sets: one large one takes milliseconds to compile."""
_NAMED = {
    "\0": ("a NUL byte", "this is no text file"),
    "\ufeff": ("a byte-order mark", "save the file as UTF-8 without one"),
    "\x85": ("the line separator U+0085", "inside double quotes write `\\N`"),
    "\u2028": ("the line separator U+2028", "inside double quotes write `\\L`"),
    "\u2029": ("the paragraph separator U+2029", "inside double quotes write `\\P`"),
}


class SourceText:
    """
    One file's text.

    Args:
        file: As the caller names it.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text

    @cached_property
    def lines(self) -> list[str]:
        """
        The lines, without their ends.
        """
        return _BREAK.split(self.text)

    def line(self, number: int) -> str:
        """
        Line *number* (1 or more); empty behind the last.
        """
        return self.lines[number - 1] if number <= len(self.lines) else ""

    def problem(
        self, line: int, column: int, end_column: int, problem: str, *, hint: str = "", key_path: str = ""
    ) -> ScenarioProblem:
        """
        *problem* at a place of this text; all numbers from 1.
        """
        return ScenarioProblem(self.file, line, column, end_column, problem, hint, key_path, self.line(line))

    def problem_at(self, index: int, problem: str, hint: str = "") -> ScenarioProblem:
        """
        *problem* at the character *index* (0 or more) of this text.
        """
        before = _BREAK.split(self.text[:index])
        column = len(before[-1]) + 1
        return self.problem(len(before), column, column + 1, problem, hint=hint)


def readable(source: SourceText) -> SourceText:
    """
    *source*, whose characters are all such as YAML takes.

    Raises:
        ScenarioError: There is another; its place is named.
    """
    found = _CONTROL.search(source.text) or (None if source.text.isascii() else _BEYOND.search(source.text))
    if found:
        mark = found.group()
        what, hint = _NAMED.get(
            mark, (f"the control character U+{ord(mark):04X}", "inside double quotes write `\\x..`")
        )
        if 0xD800 <= ord(mark) <= 0xDFFF:
            what, hint = f"half a character, U+{ord(mark):04X}", "UTF-8 knows no surrogates"
        raise ScenarioError([source.problem_at(found.start(), f"{what} stands here", hint)])
    return source


def decode(file: str, content: bytes) -> SourceText:
    """
    The text of *content*.

    Raises:
        ScenarioError: It is too large, not UTF-8, or holds what YAML does not take.
    """
    if len(content) > SIZE_MAX:
        raise ScenarioError([_too_large(file)])
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        problem = "the file is UTF-16"
        raise ScenarioError([ScenarioProblem(file, 1, 1, 1, problem, "save it as UTF-8")])
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        good = SourceText(file, content[: error.start].decode())
        problem = f"the file is not UTF-8: byte 0x{content[error.start]:02x}"
        found = good.problem_at(len(good.text), problem, "save it as UTF-8; is it a text file?")
        raise ScenarioError([found]) from None
    return readable(SourceText(file, text))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """
    What the file at *path* holds.

    Raises:
        ScenarioError: It cannot be read, or is too large.
    """
    file = os.fspath(path)
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(SIZE_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problem = f"the file cannot be read: {reason}"
        raise ScenarioError([ScenarioProblem(file, 1, 1, 1, problem)]) from None
    return content


def _too_large(file: str) -> ScenarioProblem:
    problem = "the file is larger than 4 MiB"
    return ScenarioProblem(file, 1, 1, 1, problem, "a scenario is a story of some lines")
