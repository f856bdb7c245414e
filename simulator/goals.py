"""
Goal: how far somebody needs scenario time to move.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable


def nobody() -> None:
    """
    Nobody waits.
    """


class Goal:
    """
    How far somebody needs time to move; several may need it side by side.

    Args:
        end: No further than this scenario time, in microseconds.
        done: Whether no more is needed; None where all of it is.

    Attributes:
        met: Whether `done` held at the end; None until that is known.
        wake: Has whoever waits for it look; time stands still until they have.
    """

    __slots__ = ("_error", "done", "end", "met", "wake")

    def __init__(self, end: int, done: Callable[[], Awaitable[bool]] | None) -> None:
        self.end = end
        self.done = done
        self.met: bool | None = None
        self.wake: Callable[[], None] = nobody
        self._error: Exception | None = None

    async def ask(self) -> None:
        """
        See whether it is met already.
        """
        if self.done is not None and self.met is None and self._error is None and await self._is_done():
            self.met = True
            self.wake()

    async def settle(self) -> None:
        """
        There is no more time for it.
        """
        if self.met is None and self._error is None:
            self.met = self.done is None or await self._is_done()
            self.wake()

    def raise_error(self) -> None:
        """
        Raise what `done` raised.
        """
        if self._error is not None:
            raise self._error

    async def _is_done(self) -> bool:
        assert self.done is not None
        try:
            return await self.done()
        except Exception as error:  # of whoever asks, which need not be whoever moves time
            self._error = error
            self.wake()
            return False
