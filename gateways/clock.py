"""
Clock: the only reader of time and zone, and the only sleeper, in this package.

Everything that waits for time (a schedule, a backoff, a limit) asks a Clock, so that a simulator can let a year
pass in seconds. A Hold is how a gateway tells such a simulator that real work is under way and that time must
stand still meanwhile; under SystemClock holds cost next to nothing and mean nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

T = TypeVar("T")

SocketAddress = tuple[str, int]


class Alarm(Protocol):
    """
    A callback that is due at an instant.
    """

    def cancel(self) -> None:
        """
        Forget the callback. Calling again, or after it ran, does nothing.
        """


class Hold(Protocol):
    """
    Real work on a peer. Virtual time stands still while a hold is open and neither parked nor stalled.

    Parked: the owner sleeps in `sleep`. Stalled: the peer itself waits for scenario time (a simulator says so).
    """

    async def sleep(self, seconds: float) -> None:
        """
        Sleep without holding time. Returns early after `wake`.
        """

    def alarm(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        """
        Call *callback* in *seconds*, unless cancelled; the hold is active again when it runs.

        While the hold is active virtual time does not move, so the alarm rings only where the work is truly stuck.
        """

    def wake(self) -> None:
        """
        Make the hold active again, whatever it waits for; ends a `sleep` early.
        """

    def sent_from(self, address: SocketAddress) -> None:
        """
        Say from which local socket the work's request leaves, so that the far end can be recognised as its work.
        """

    def close(self) -> None:
        """
        End the hold. Calling again does nothing.
        """


class Clock(Protocol):
    """
    Time, and the right to wait for it.
    """

    zone: tzinfo
    """The zone in which schedules without one of their own are read."""

    def now(self) -> datetime:
        """
        The instant, in UTC and aware.
        """

    def elapsed(self) -> float:
        """
        Seconds since some fixed instant; never goes back. For durations and deadlines.
        """

    async def sleep(self, seconds: float) -> None:
        """
        Wait *seconds*; zero or less gives other tasks one turn.
        """

    async def sleep_until(self, instant: datetime) -> None:
        """
        Wait until *instant*; returns at once where it is past.
        """

    async def limit(self, seconds: float, io: Awaitable[T], *, peer: str) -> T:
        """
        Await *io*, which talks to *peer* (`host:port` as the text names it), for at most *seconds*.

        Raises:
            TimeoutError: The limit passed; *io* was cancelled.
        """

    def alarm(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        """
        Call *callback* in *seconds*, unless cancelled. Waiting for it does not hold time.
        """

    def work(self, peer: str) -> Hold:
        """
        Open a hold: what follows is real work on *peer*.
        """

    def inbound(self, sender: SocketAddress) -> Hold:
        """
        Take over the work of whoever sent a request from *sender*, until the hold is closed (the answer is written).
        """

    def idle(self) -> AbstractContextManager[None]:
        """
        A block that waits for outside input and therefore does not hold time.
        """

    def awake(self, task: asyncio.Task[Any]) -> None:
        """
        *task* was just made or woken and is about to run: it holds time until it sleeps, opens work, waits, or ends.
        """


class SystemHold:
    """
    A Hold that holds nothing: time goes on by itself.
    """

    __slots__ = ("_asleep",)

    def __init__(self) -> None:
        self._asleep: asyncio.Future[None] | None = None

    async def sleep(self, seconds: float) -> None:
        """See Hold."""
        loop = asyncio.get_running_loop()
        self._asleep = loop.create_future()
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._asleep
        finally:
            timer.cancel()
            self._asleep = None

    def alarm(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        """See Hold."""
        return asyncio.get_running_loop().call_later(seconds, callback)

    def wake(self) -> None:
        """See Hold."""
        if self._asleep is not None and not self._asleep.done():
            self._asleep.set_result(None)

    def sent_from(self, address: SocketAddress) -> None:
        """See Hold."""

    def close(self) -> None:
        """See Hold."""


class SystemClock:
    """
    The machine's clock and zone.
    """

    def __init__(self, zone: tzinfo | None = None) -> None:
        self.zone = zone or system_zone()

    def now(self) -> datetime:
        """See Clock."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """See Clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        await asyncio.sleep(max(0.0, seconds))

    async def sleep_until(self, instant: datetime) -> None:
        """
        See Clock. Sleeps in pieces of a minute at most, so that a clock that is set is noticed.
        """
        while (left := (instant - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - a clock has no event to wait for
            await asyncio.sleep(min(left, 60.0))

    async def limit(self, seconds: float, io: Awaitable[T], *, peer: str) -> T:
        """See Clock."""
        async with asyncio.timeout(seconds):
            return await io

    def alarm(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        """See Clock."""
        return asyncio.get_running_loop().call_later(seconds, callback)

    def work(self, peer: str) -> Hold:
        """See Clock."""
        return SystemHold()

    def inbound(self, sender: SocketAddress) -> Hold:
        """See Clock."""
        return SystemHold()

    def idle(self) -> AbstractContextManager[None]:
        """See Clock."""
        return nullcontext()

    def awake(self, task: asyncio.Task[Any]) -> None:
        """See Clock."""


class Wakeup:
    """
    An event inside the gateway: who waits for it does not hold time, and does from the moment it is set.

    With a bare asyncio.Event virtual time could move between the setting and the waiter's next turn.
    """

    __slots__ = ("_clock", "_set", "_waiters")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._set = False
        self._waiters: list[tuple[asyncio.Future[None], asyncio.Task[Any]]] = []

    @property
    def is_set(self) -> bool:
        """
        Whether it was set and not cleared since.
        """
        return self._set

    def set(self) -> None:
        """
        Wake everyone who waits, now and later.
        """
        self._set = True
        waiters, self._waiters = self._waiters, []
        for future, task in waiters:
            if not future.done():
                future.set_result(None)
                self._clock.awake(task)

    def clear(self) -> None:
        """
        From now on waiting waits again.
        """
        self._set = False

    async def wait(self) -> None:
        """
        Return once it is set.
        """
        if self._set:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        assert task is not None
        self._waiters.append((future, task))
        with self._clock.idle():
            await future


async def within(hold: Hold, seconds: float, io: Awaitable[T]) -> T:
    """
    Await *io*, which is the work of *hold*, for at most *seconds*.

    Raises:
        TimeoutError: The limit passed; *io* was cancelled.
    """
    task = asyncio.current_task()
    cancelling = task.cancelling() if task is not None else 0
    working = asyncio.ensure_future(io)
    rang = False

    def ring() -> None:
        nonlocal rang
        rang = working.cancel()

    alarm = hold.alarm(seconds, ring)
    try:
        return await working
    except asyncio.CancelledError:
        if rang and (task is None or task.cancelling() <= cancelling):
            raise TimeoutError(f"no answer within {seconds:g} s") from None
        raise
    finally:
        alarm.cancel()


def start(clock: Clock, group: asyncio.TaskGroup, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
    """
    Start *work* in *group*; the new task holds time until it first waits.
    """
    task = group.create_task(work, name=name)
    clock.awake(task)
    return task


async def join(clock: Clock, task: asyncio.Task[Any]) -> None:
    """
    Wait until *task* is done, whatever came of it.
    """
    done = Wakeup(clock)
    task.add_done_callback(lambda _: done.set())
    if not task.done():
        await done.wait()


async def end(clock: Clock, task: asyncio.Task[Any]) -> None:
    """
    Cancel *task* and wait until its clean-up is done.
    """
    if not task.done():
        task.cancel()
        clock.awake(task)
        await join(clock, task)


@contextmanager
def closing(hold: Hold) -> Iterator[Hold]:
    """
    Use *hold* for a block and close it after.
    """
    try:
        yield hold
    finally:
        hold.close()


def system_zone() -> tzinfo:
    """
    The machine's zone with its daylight-saving rules, by name where the system tells it.

    Returns:
        A ZoneInfo where `TZ` or `/etc/localtime` names one, else the offset that holds now.
    """
    import os  # noqa: PLC0415 - read once at start

    named = os.environ.get("TZ", "").lstrip(":")
    if not named:
        target = Path("/etc/localtime")
        parts = target.resolve().parts if target.exists() else ()
        named = "/".join(parts[parts.index("zoneinfo") + 1 :]) if "zoneinfo" in parts else ""
    try:
        return ZoneInfo(named) if named else _offset_zone()
    except (KeyError, ValueError, OSError):
        return _offset_zone()


def _offset_zone() -> tzinfo:
    zone = datetime.now().astimezone().tzinfo
    return zone if zone is not None else UTC


def rfc3339(instant: datetime) -> str:
    """
    *instant* in UTC with `Z`, microseconds only where there are some.

    Source: CloudEvents 1.0.2 section 3.1.1 (`time`), RFC 3339.
    """
    utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return f"{utc.isoformat()[: -len('+00:00')]}Z"
