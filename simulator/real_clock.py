"""
RealClock: the machine's time with the bookkeeping of VirtualClock, for scenarios that say `clock: real`.

Holds are counted the same, so that quiescence means the same; only time moves by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo

from simulator.virtual_clock import MICROSECONDS, Timer, VirtualClock


class RealClock(VirtualClock):
    """
    Real time for one scenario.

    Args:
        zone: Where schedules without a zone of their own are read.
        patience_s: As VirtualClock's.
    """

    def __init__(self, *, zone: tzinfo = UTC, patience_s: float = 10.0) -> None:
        self._zero = time.monotonic()
        super().__init__(datetime.now(UTC), zone=zone, patience_s=patience_s)
        self._handles: dict[Timer, asyncio.TimerHandle] = {}
        self._changed: set[asyncio.Future[None]] = set()

    def now(self) -> datetime:
        """See gateways.clock.Clock."""
        return datetime.now(UTC)

    def nudge(self) -> None:
        """
        Something was seen: whoever waits in `move_until` looks again.
        """
        for changed in self._changed:
            if not changed.done():
                changed.set_result(None)

    def active_changed(self, by: int) -> None:
        """See VirtualClock."""
        super().active_changed(by)
        self.nudge()

    async def advance(self, seconds: float) -> None:
        """
        Wait *seconds* of real time.
        """
        await asyncio.sleep(seconds)
        await self.still()

    async def move_until(self, done: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """
        Wait until *done* holds, at most *seconds*; it is asked again whenever something was seen.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not await done():
            left = end - loop.time()
            if left <= 0:
                return False
            changed = loop.create_future()
            self._changed.add(changed)
            timer = loop.call_later(left, self.nudge)
            try:
                await changed
            finally:
                timer.cancel()
                self._changed.remove(changed)
        return True

    def timer_cancelled(self, timer: Timer) -> None:
        """See VirtualClock."""
        handle = self._handles.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def _elapsed_us(self) -> int:
        return round((time.monotonic() - self._zero) * MICROSECONDS)

    def _at(self, when: int, callback: Callable[[], None]) -> Timer:
        timer = Timer(self, when, next(self._numbers), callback)
        delay_s = max(0.0, (when - self._elapsed_us()) / MICROSECONDS)

        def ring() -> None:
            self._handles.pop(timer, None)
            due, timer.callback = timer.callback, None
            if due is not None:
                due()

        self._handles[timer] = asyncio.get_running_loop().call_later(delay_s, ring)
        return timer
