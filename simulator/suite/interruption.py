"""
Interruption: Ctrl-C once ends a run in an orderly way, twice at once; the second names what stays behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Self

from simulator.verdict import EXIT_INTERRUPTED

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """
    While it is entered, the first SIGINT or SIGTERM calls *stop*, a second one ends the process.

    Does nothing outside the main thread, where no signal arrives.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            self._stop()
        else:
            _leave_at_once()


def _leave_at_once() -> NoReturn:
    """
    End the process without cleaning up. Written past Python's buffers, which this signal may have interrupted.
    """
    left = ", ".join(children()) or "nothing"
    os.write(2, f"\ngatesim: left at once; still running: {left}\n".encode())
    os._exit(EXIT_INTERRUPTED)


def children() -> list[str]:
    """
    The processes that this one has started and that still run, each as `pid name`.
    """
    me = os.getpid()
    try:
        found = list(Path(f"/proc/{me}/task").glob("*/children"))
        pids = [pid for path in found for pid in path.read_text().split()]
        if found:
            return [f"{pid} {Path(f'/proc/{pid}/comm').read_text().strip()}" for pid in pids]
    except OSError:
        pass  # one of them ended meanwhile, or there is no /proc
    try:
        table = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,comm="], capture_output=True, text=True, check=False)
    except OSError:
        return []
    rows = [line.split(None, 2) for line in table.stdout.splitlines()]
    return [f"{row[0]} {row[2]}" for row in rows if len(row) == 3 and row[1] == str(me) and row[2] != "ps"]
