"""
Terminal: what a text stream can show: colours, width, and one line at the bottom that changes while a run goes on.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from typing import TextIO

WIDTH = 80
_WIDTH_MAX = 120
_TICK_S = 0.2
_CODES = {"red": "1;31", "green": "32", "yellow": "33", "magenta": "35", "cyan": "36", "bold": "1", "faint": "2"}


def wants_colour(stream: TextIO, environment: Mapping[str, str], *, no_color: bool = False) -> bool:
    """
    Whether *stream* is to be coloured: `--no-color` before NO_COLOR before FORCE_COLOR before what the stream is.
    """
    if no_color or environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return environment["FORCE_COLOR"] not in ("0", "false")
    return stream.isatty() and environment.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int:
    """
    Columns to write in: of a terminal its own, within reason; else always the same, so that logs compare.
    """
    if not stream.isatty():
        return WIDTH
    return max(40, min(_WIDTH_MAX, shutil.get_terminal_size((WIDTH, 24)).columns))


class Terminal:
    """
    Writes lines to a stream and, where it is a terminal, keeps a last line that is redrawn while time goes by.

    Args:
        stream: Where to.
        colour: Whether to colour.
        status: The changing line as it is now; None where there is none.
    """

    def __init__(self, stream: TextIO, *, colour: bool, status: Callable[[], str] | None = None) -> None:
        self._stream = stream
        self._colour = colour
        self._status = status if stream.isatty() and os.environ.get("TERM") != "dumb" else None
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._drawn = False
        self._ticker: threading.Thread | None = None
        self.width = width_of(stream)

    @property
    def is_live(self) -> bool:
        """
        Whether there is a changing line.
        """
        return self._status is not None

    def paint(self, colour: str, text: str) -> str:
        """
        *text* in *colour*, where there are colours.
        """
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self._colour and colour and text else text

    def line(self, text: str = "") -> None:
        """
        Write one line above the changing one.
        """
        with self._lock:
            self._erase()
            encoding = self._stream.encoding or "utf-8"
            self._stream.write(f"{text}\n".encode(encoding, "backslashreplace").decode(encoding))

    def flush(self) -> None:
        """
        Bring out what was written.
        """
        with self._lock:
            self._stream.flush()

    def start(self) -> None:
        """
        Begin to draw the changing line.
        """
        if self._status is not None:
            self._ticker = threading.Thread(target=self._tick, name="status line", daemon=True)
            self._ticker.start()

    def stop(self) -> None:
        """
        Take the changing line away.
        """
        self._over.set()
        if self._ticker is not None:
            self._ticker.join()
        with self._lock:
            self._erase()
            self._stream.flush()

    def _tick(self) -> None:
        while not self._over.wait(_TICK_S):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        assert self._status is not None
        text = self._status()[: self.width - 1]
        self._stream.write(f"\r\x1b[K{self.paint('faint', text)}")
        self._stream.flush()
        self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._drawn = False
