"""
Progress of an installation: seldom in a log, one line written over on a terminal, never wider than it.
"""

from __future__ import annotations

import io

import pytest

from simulator.commands import installing_progress
from simulator.commands.installing_progress import InstallingProgress
from simulator.installing.installation import Installation
from simulator.installing.recipes import RECIPES


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, every_s: float) -> str:
    now = iter(range(1000))
    monkeypatch.setattr(installing_progress.time, "monotonic", lambda: next(now) * every_s)
    progress = InstallingProgress(stream, 7)
    progress.begin(RECIPES["kubernetes"])
    for number in range(3):
        progress.said(f"k8s.io/some/package/{number}\x1b" + "x" * 200)
    progress.end(Installation("kubernetes", "failed", problems=("word " * 40,)))
    return stream.getvalue()


def test_a_terminal_s_line_is_written_over_and_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(Terminal(), monkeypatch, 1)
    written = text.split("\n")[1].split("\r")
    assert [line[:29] for line in written if "step" in line] == [
        f"  {n} s, step {n}: k8s.io/some/pa" for n in (1, 2, 3)
    ]
    assert all(len(part) <= 80 and "\x1b" not in part for line in text.split("\n") for part in line.split("\r"))


def test_a_log_gets_a_line_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "step" not in shown(io.StringIO(), monkeypatch, 1)
    text = shown(io.StringIO(), monkeypatch, 20)
    assert [line[:14] for line in text.splitlines() if "step" in line] == ["  40 s, step 2"]
    assert "\r" not in text
