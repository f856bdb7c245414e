"""
InstallingProgress: what `gatesim env install` is at, for a person, in lines of 80 columns.
"""

from __future__ import annotations

import textwrap
import time
from typing import TextIO

from simulator.installing.installation import Installation
from simulator.installing.recipes import Recipe

_WIDTH = 79
_INDENT = "  "
_TERMINAL_EVERY_S, _LOG_EVERY_S = 0.2, 30.0
"""How often a terminal's line is written anew, and how often a log gets a line that says it is still going on."""


class InstallingProgress:
    """
    One heading for each service, below it what its tools are at, and what came of it.

    On a terminal the second is one line that is written over.
    """

    def __init__(self, stream: TextIO, services: int) -> None:
        self._stream = stream
        self._services = services
        self._number = 0
        self._began = 0.0
        self._shown_at = 0.0
        self._lines = 0
        self._on_terminal = stream.isatty()
        self._every_s = _TERMINAL_EVERY_S if self._on_terminal else _LOG_EVERY_S

    def begin(self, recipe: Recipe) -> None:
        """
        It is *recipe*'s turn.
        """
        self._number += 1
        self._began = self._shown_at = time.monotonic()
        self._lines = 0
        self._write(f"[{self._number}/{self._services}] {recipe.service} ({recipe.version}), {recipe.serves}\n")

    def said(self, line: str) -> None:
        """
        A tool has written *line*.
        """
        self._lines += 1
        now = time.monotonic()
        if now - self._shown_at < self._every_s:
            return
        self._shown_at = now
        text = f"{_INDENT}{now - self._began:.0f} s, step {self._lines}: {line.strip()}"
        shown = "".join(mark if mark.isprintable() else " " for mark in text)[:_WIDTH]
        self._write(f"\r{shown:<{_WIDTH}}" if self._on_terminal else f"{shown}\n")

    def end(self, done: Installation) -> None:
        """
        This came of it.
        """
        self._clear()
        took_s = time.monotonic() - self._began
        if done.state == "there":
            self._write(f"{_INDENT}{done.version} is there already: {done.place}\n")
        elif done.state == "installed":
            self._write(f"{_INDENT}installed {done.version} in {took_s:.1f} s: {done.place}\n")
        else:
            self._write(f"{_INDENT}failed after {took_s:.1f} s\n")
            for line in done.lines:
                self._write(f"{_INDENT}| {line}\n")
            for problem in done.problems:
                self._write(_wrapped(problem))

    def interrupted(self) -> None:
        """
        It was broken off.
        """
        self._clear()
        self._write(f"{_INDENT}broken off; the same command goes on with it\n")

    def _clear(self) -> None:
        if self._on_terminal:
            self._write(f"\r{'':<{_WIDTH}}\r")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _wrapped(text: str) -> str:
    """
    *text* in lines that fit, paths and commands whole.
    """
    lines = textwrap.wrap(text, _WIDTH - len(_INDENT), break_long_words=False, break_on_hyphens=False)
    return "".join(f"{_INDENT}{line}\n" for line in lines)
