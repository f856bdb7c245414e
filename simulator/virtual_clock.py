"""
VirtualClock: time that moves only when the scenario says so and no real work is under way.

It fits the gateway's Clock by shape; neither package imports the other for it. A hold is real work (a request to a
watcher, a connect) that keeps time still while it is active: open, not parked (its owner sleeps), not stalled (its
peer itself waits for scenario time). Real time is only a safety net: without any progress for a while the clock gives
up and names what it waits for. The rules, and the deadlocks that each avoids, are in docs/time.md.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar

from simulator.errors import TimeStuck
from simulator.goals import Goal, nobody
from simulator.holds import InboundHold, SocketAddress, VirtualHold

T = TypeVar("T")

MICROSECONDS = 1_000_000
_FURTHEST = datetime.max.replace(tzinfo=UTC)


class Timer:
    """
    A callback at an instant; also the Alarm that callers may cancel.
    """

    __slots__ = ("_clock", "callback", "number", "when")

    def __init__(self, clock: VirtualClock, when: int, number: int, callback: Callable[[], None]) -> None:
        self._clock = clock
        self.when = when
        self.number = number
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: Timer) -> bool:
        return (self.when, self.number) < (other.when, other.number)

    def cancel(self) -> None:
        """See gateways.clock.Alarm."""
        if self.callback is not None:
            self.callback = None
            self._clock.timer_cancelled(self)


class VirtualClock:
    """
    Time for one scenario.

    Args:
        start: The first instant; aware.
        zone: Where schedules without a zone of their own are read.
        patience_s: Real seconds without progress after which waiting ends in TimeStuck.
    """

    def __init__(self, start: datetime, *, zone: tzinfo = UTC, patience_s: float = 10.0) -> None:
        self.zone = zone
        self._start = start.astimezone(UTC)
        self._us = 0
        self._now = self._start
        self._timers: list[Timer] = []
        self._cancelled = 0
        self._numbers = itertools.count()
        self._active = 0
        self._progress = 0
        self._patience_s = patience_s
        self._waiting: dict[asyncio.Future[None], asyncio.Task[Any]] = {}
        self._net: asyncio.TimerHandle | None = None
        """The safety net; it stays while waits come and go, as there is one at every instant."""
        self._by_peer: dict[str, set[VirtualHold]] = {}
        self._by_sender: dict[SocketAddress, VirtualHold] = {}
        self._peer_stalls: Counter[str] = Counter()
        self._woken: dict[asyncio.Task[Any], VirtualHold] = {}
        self._goals: list[Goal] = []
        self._driver: asyncio.Task[Any] | None = None
        """Who moves time, of several who ask for it."""

    # The gateway's side: see gateways.clock.Clock.

    def now(self) -> datetime:
        """See gateways.clock.Clock."""
        return self._now

    def elapsed(self) -> float:
        """See gateways.clock.Clock."""
        return self._elapsed_us() / MICROSECONDS

    async def sleep(self, seconds: float) -> None:
        """See gateways.clock.Clock."""
        await self._sleep_to(self._elapsed_us() + round(seconds * MICROSECONDS))

    async def sleep_until(self, instant: datetime) -> None:
        """See gateways.clock.Clock."""
        await self._sleep_to((instant - self._start) // timedelta(microseconds=1))

    async def limit(self, seconds: float, io: Awaitable[T], *, peer: str) -> T:
        """See gateways.clock.Clock."""
        task = _current_task()
        cancelling, was_woken = task.cancelling(), self._release(task)
        hold = self.work(peer)
        rang = False

        def ring() -> None:
            nonlocal rang
            rang = True
            task.cancel()

        timer = hold.alarm(seconds, ring)
        try:
            return await io
        except asyncio.CancelledError:
            if rang and task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            if was_woken:
                self._hold_woken(task)
            hold.close()

    def alarm(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """See gateways.clock.Clock."""
        return self._at(self._elapsed_us() + round(seconds * MICROSECONDS), callback)

    def work(self, peer: str) -> VirtualHold:
        """See gateways.clock.Clock."""
        hold = VirtualHold(self, peer)
        hold.open()
        if self._woken and (task := asyncio.current_task()) is not None:
            self._release(task)
        return hold

    def inbound(self, sender: SocketAddress) -> VirtualHold:
        """See gateways.clock.Clock."""
        hold = InboundHold(self, f"request from {sender[0]}:{sender[1]}", self._by_sender.get(sender))
        hold.open()
        return hold

    @contextmanager
    def idle(self) -> Iterator[None]:
        """See gateways.clock.Clock."""
        self._release(_current_task())
        yield

    def awake(self, task: asyncio.Task[Any]) -> None:
        """See gateways.clock.Clock."""
        if not task.done():
            self._hold_woken(task)

    # The scenario's side.

    @property
    def active(self) -> int:
        """
        How many holds keep time still.
        """
        return self._active

    @property
    def next_timer(self) -> datetime | None:
        """
        The next instant at which something is due.
        """
        self._drop_cancelled()
        return self._instant(self._timers[0].when) if self._timers else None

    def holds(self) -> list[VirtualHold]:
        """
        Every open hold.
        """
        return [hold for holds in self._by_peer.values() for hold in holds]

    def work_of(self, sender: SocketAddress) -> VirtualHold | None:
        """
        The hold whose request comes from *sender*; None where it is nobody's work.
        """
        return self._by_sender.get(sender)

    def stall_peer(self, peer: str) -> Callable[[], None]:
        """
        Stall all holds on *peer*, now and to come, until the returned function is called.
        """
        self._peer_stalls[peer] += 1
        self._refresh_peer(peer)
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._peer_stalls[peer] -= 1
                self._refresh_peer(peer)

        return release

    async def still(self) -> None:
        """
        Wait, in real time, until no hold is active. Whoever asks does not hold time itself from now on; where somebody
        else moves time, it holds it again once it has its answer, until it sleeps, asks again or ends.

        Raises:
            TimeStuck: Nothing moved for `patience_s`.
        """
        task = _current_task()
        self._release(task)
        while self._active:
            await self._stillness(task)
            if self._is_awake(task):
                return
        if self._is_guest(task):
            self._hold_woken(task)

    async def _stillness(self, task: asyncio.Task[Any]) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiting[waiter] = task
        if self._net is None:
            self._net = loop.call_later(self._patience_s, self._look, loop, self._progress)
        try:
            await waiter
        finally:
            self._waiting.pop(waiter, None)

    def _is_guest(self, task: asyncio.Task[Any]) -> bool:
        """
        Whether somebody else moves time.
        """
        return self._driver is not None and self._driver is not task

    async def advance(self, seconds: float) -> None:
        """
        Move time by *seconds*, deadline by deadline; what is due at exactly the end is included.
        """
        await self._move(Goal(self._us + round(seconds * MICROSECONDS), None))

    async def move_until(self, done: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """
        Move time deadline by deadline, at most by *seconds*, only as far as *done* needs.

        Returns:
            Whether *done* held; where it did not, time has moved by all of *seconds*.
        """
        return await self._move(Goal(self._us + round(seconds * MICROSECONDS), done))

    async def _move(self, goal: Goal) -> bool:
        """
        Move time until *goal* is met. Of several who ask for that side by side one moves time for all, and no further
        than the first of them needs.
        """
        self._goals.append(goal)
        try:
            while goal.met is None:
                if self._driver is not None:
                    await self._look_on(goal)
                else:
                    await self._drive(goal)
            return goal.met
        finally:
            self._goals.remove(goal)

    async def _look_on(self, goal: Goal) -> None:
        """
        Wait until *goal* is met, or nobody moves time any more.
        """
        waiter, wake = self._asleep()
        goal.wake = wake
        try:
            await waiter
        finally:
            goal.wake = nobody
        goal.raise_error()

    async def _drive(self, goal: Goal) -> None:
        self._driver = _current_task()
        try:
            while goal.met is None:
                await self._round()
                goal.raise_error()
        finally:
            self._driver = None
            for other in self._goals:
                other.wake()

    async def _round(self) -> None:
        """
        Wait until time may move, see who needs no more of it, and else move it to the next deadline.
        """
        await self.still()
        asking = [goal for goal in self._goals if goal.done is not None]
        for goal in asking:
            await goal.ask()
        if asking and (self._active or any(goal.met for goal in asking)):
            return
        end = min(goal.end for goal in self._goals)
        if await self._step(end):
            return
        self._set(max(end, self._us))
        over = [goal for goal in self._goals if goal.end <= self._us]
        if any(goal.done is not None for goal in over):
            await self.still()
        for goal in over:
            await goal.settle()

    async def _step(self, end: int) -> bool:
        """
        Move time to the next deadline up to *end* and ring what is due there.
        """
        self._drop_cancelled()
        timers = self._timers
        if not timers or timers[0].when > end:
            return False
        self._set(max(self._us, timers[0].when))
        while timers and timers[0].when <= self._us:
            timer = heapq.heappop(timers)
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled -= 1
            else:
                callback()
        if not self._active:
            await asyncio.sleep(0)
        return True

    # What follows is for holds and timers.

    def peer_stalled(self, peer: str) -> bool:
        """
        Whether everything on *peer* waits for scenario time.
        """
        return bool(self._peer_stalls) and self._peer_stalls[peer] > 0

    def active_changed(self, by: int) -> None:
        """
        A hold begins or ceases to count.
        """
        self._active += by
        self._progress += 1
        if not self._active and self._waiting:
            self._wake_waiting()

    def _wake_waiting(self) -> None:
        """
        Nothing is under way: whoever waited for that goes on, guests before the one who would move time.
        """
        guests = {waiter: task for waiter, task in self._waiting.items() if self._is_guest(task)}
        for waiter, task in (guests or dict(self._waiting)).items():
            del self._waiting[waiter]
            if not waiter.done():
                waiter.set_result(None)
                if guests:
                    self._hold_woken(task)

    def hold_opened(self, hold: VirtualHold) -> None:
        """
        *hold* is open.
        """
        self._by_peer.setdefault(hold.peer, set()).add(hold)

    def hold_closed(self, hold: VirtualHold, sender: SocketAddress | None) -> None:
        """
        *hold* is over.
        """
        holds = self._by_peer.get(hold.peer)
        if holds is not None:
            holds.discard(hold)
            if not holds:
                del self._by_peer[hold.peer]
        if sender is not None and self._by_sender.get(sender) is hold:
            del self._by_sender[sender]

    def sender_known(self, sender: SocketAddress, hold: VirtualHold) -> None:
        """
        The work of *hold* is a request from *sender*.
        """
        self._by_sender[sender] = hold

    def timer_cancelled(self, timer: Timer) -> None:
        """
        One more timer in the heap is dead; they are swept once they are more than half of it.
        """
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._timers):
            self._timers = [timer for timer in self._timers if timer.callback is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _at(self, when: int, callback: Callable[[], None]) -> Timer:
        timer = Timer(self, when, next(self._numbers), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def _drop_cancelled(self) -> None:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
            self._cancelled -= 1

    def _set(self, us: int) -> None:
        if us != self._us:
            self._us = us
            self._now = self._instant(us)

    def _instant(self, us: int) -> datetime:
        try:
            return self._start + timedelta(microseconds=us)
        except OverflowError:
            return _FURTHEST

    def _elapsed_us(self) -> int:
        return self._us

    async def _sleep_to(self, when: int) -> None:
        if when <= self._elapsed_us():
            await asyncio.sleep(0)
            return
        waiter, wake = self._asleep()
        timer = self._at(when, wake)
        try:
            await waiter
        finally:
            timer.cancel()

    def _asleep(self) -> tuple[asyncio.Future[None], Callable[[], None]]:
        """
        Whoever asks holds no time from now on.

        Returns:
            What it is to wait for, and what wakes it, which holds time again.
        """
        task = _current_task()
        self._release(task)
        waiter = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)
                self._hold_woken(task)

        return waiter, wake

    def _hold_woken(self, task: asyncio.Task[Any]) -> None:
        """
        A woken sleeper holds time until it sleeps again, opens work, waits for outside input, or ends.
        """
        hold = self._woken.get(task)
        if hold is None:
            hold = self._woken[task] = VirtualHold(self, f"task {task.get_name()}")
            task.add_done_callback(self._task_done)
        hold.open()

    def _is_awake(self, task: asyncio.Task[Any]) -> bool:
        hold = self._woken.get(task)
        return hold is not None and hold.state != "closed"

    def _release(self, task: asyncio.Task[Any]) -> bool:
        hold = self._woken.get(task)
        if hold is None or hold.state == "closed":
            return False
        hold.close()
        return True

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        hold = self._woken.pop(task, None)
        if hold is not None:
            hold.close()

    def _refresh_peer(self, peer: str) -> None:
        for hold in tuple(self._by_peer.get(peer, ())):
            hold.refresh()

    def _look(self, loop: asyncio.AbstractEventLoop, progress: int) -> None:
        """
        Real time has passed. Where nothing moved since the last look, whoever waits is told to give up.
        """
        self._net = None
        if not self._waiting:
            return
        if self._progress != progress:
            self._net = loop.call_later(self._patience_s, self._look, loop, self._progress)
            return
        now = time.perf_counter()
        held = sorted(f"{h.peer} for {now - h.since:.1f} s" for h in self.holds() if h.active)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(TimeStuck(held, self._patience_s))
        self._waiting.clear()


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None, "only tasks may wait"
    return task
