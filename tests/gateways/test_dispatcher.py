"""
The dispatcher under virtual time: lanes, holds, retries, giving up, remembered ids.

Each case that says "otherwise" was seen to fail with that rule taken out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from gateways.chance import Chance
from gateways.clock import Hold
from gateways.cloudevent import CloudEvent, DataForm
from gateways.dispatcher import Dispatcher
from gateways.limits import Retry
from gateways.source_event import Certainty, Settlement
from gateways.watcher import ACCEPTED, Attempt
from simulator.virtual_clock import VirtualClock

START = datetime(2018, 10, 7, 12, tzinfo=UTC)


class FakeWatcher:
    """
    A watcher without a socket; it stalls holds as a recording sensor does.
    """

    def __init__(
        self,
        clock: VirtualClock,
        name: str = "w",
        *,
        refuse: int = 0,
        hang: bool = False,
        slow_s: float = 0,
        real_s: float = 0,
    ) -> None:
        self.clock, self.name, self.peer = clock, name, f"{name}:9300"
        self.refuse, self.hang, self.slow_s, self.real_s = refuse, hang, slow_s, real_s
        self.got: list[tuple[str, float]] = []
        self.asked = 0
        self.timeouts = 0

    async def attempt(self, event: CloudEvent, hold: Hold) -> Attempt:
        self.asked += 1
        answer: asyncio.Future[Attempt] = asyncio.get_running_loop().create_future()

        def too_late() -> None:
            self.timeouts += 1
            answer.set_result(Attempt(Certainty.UNCERTAIN, "no answer"))

        alarm = hold.alarm(5, too_late)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._answer(event, hold, answer))
            try:
                return await answer
            finally:
                alarm.cancel()
                task.cancel()

    async def _answer(self, event: CloudEvent, hold: Any, answer: asyncio.Future[Attempt]) -> None:
        if self.hang:
            hold.stall()
            return
        if self.slow_s:
            stall, woken = hold.stall(), asyncio.Event()
            self.clock.alarm(self.slow_s, lambda: (stall.release(), woken.set()))
            await woken.wait()
        await asyncio.sleep(self.real_s)
        if self.refuse:
            self.refuse -= 1
            answer.set_result(Attempt(Certainty.REFUSED, "answered 503"))
            return
        self.got.append((event.id, self.clock.elapsed()))
        answer.set_result(ACCEPTED)

    async def close(self) -> None: ...

    def abort(self) -> None: ...


class Lanes:
    """
    A dispatcher over fake watchers, and what it settled.
    """

    def __init__(self, clock: VirtualClock, group: asyncio.TaskGroup, *watchers: FakeWatcher, **options: Any) -> None:
        self.settled: list[Settlement] = []
        self.dispatcher = Dispatcher(
            "c",
            watchers,
            group=group,
            clock=clock,
            chance=Chance(1),
            retry=Retry(jitter=0),
            **{"waiting": 256, **options},
        )

    def push(self, number: int | str, **options: Any) -> None:
        event = CloudEvent(str(number), "g/c", "calendar", START, "", "", (), b"", DataForm.NONE)
        self.dispatcher.dispatch(event, self.settled.append, **options)

    async def tick(self, clock: VirtualClock, every_s: float, count: int) -> None:
        for number in range(count):
            await clock.sleep(every_s)
            if self.dispatcher.has_room():
                self.push(number)


def play(story: Callable[[VirtualClock, asyncio.TaskGroup], Coroutine[Any, Any, None]]) -> None:
    """
    Run *story* with a clock and an owner for its tasks, all of which end with it.
    """

    async def run() -> None:
        clock = VirtualClock(START, patience_s=2)
        try:
            async with asyncio.TaskGroup() as group:
                await story(clock, group)
                raise _Over
        except* _Over:
            pass

    asyncio.run(run())


class _Over(Exception): ...


def test_a_refusal_is_retried_after_half_a_second_then_one() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        watcher = FakeWatcher(clock, refuse=2, real_s=0.002)
        lanes = Lanes(clock, group, watcher)
        group.create_task(lanes.tick(clock, 10, 1))
        await asyncio.sleep(0)
        await clock.advance(20)
        assert watcher.got == [("0", 11.5)]

    play(story)


def test_a_limit_fires_only_where_the_watcher_is_truly_stuck() -> None:
    """
    One watcher refuses four times (7.5 s of backoff); the other takes 300 ms of real time and is asked once. Otherwise,
    with one hold for both, the backoff of the first parks the live request of the second.
    """

    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        refusing, slow = FakeWatcher(clock, "a", refuse=4), FakeWatcher(clock, "b", real_s=0.3)
        lanes = Lanes(clock, group, refusing, slow)
        lanes.push(0)
        await clock.advance(60)
        assert (slow.asked, slow.timeouts, len(slow.got)) == (1, 0, 1)
        assert refusing.got == [("0", 7.5)]

    play(story)


def test_a_hung_watcher_delays_neither_its_siblings_nor_other_configurations() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        hung, sibling, other = (FakeWatcher(clock, name, hang=name == "hung") for name in ("hung", "sibling", "other"))
        mixed, alone = Lanes(clock, group, hung, sibling), Lanes(clock, group, other)
        group.create_task(mixed.tick(clock, 1, 200))
        group.create_task(alone.tick(clock, 1, 200))
        await asyncio.sleep(0)
        await clock.advance(200)
        expected = [(str(n), n + 1.0) for n in range(200)]
        assert sibling.got == expected
        assert other.got == expected
        assert hung.asked > 10

    play(story)


def test_a_full_lane_gives_no_room_until_its_head_is_settled() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        watcher = FakeWatcher(clock, hang=True)
        lanes = Lanes(clock, group, watcher, waiting=3)
        for number in range(4):
            assert lanes.dispatcher.has_room()
            lanes.push(number)
        assert not lanes.dispatcher.has_room()
        room = group.create_task(lanes.dispatcher.room())
        await clock.advance(30)
        assert not room.done()
        await clock.advance(3)
        await room

    play(story)


def test_order_is_kept_through_retries() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        watcher = FakeWatcher(clock, refuse=3)
        lanes = Lanes(clock, group, watcher)
        for number in range(50):
            lanes.push(number)
        await clock.advance(10)
        assert [event for event, _ in watcher.got] == [str(n) for n in range(50)]

    play(story)


def test_a_slow_watcher_is_waited_for_and_its_queue_follows_in_order() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        watcher = FakeWatcher(clock, slow_s=3)
        lanes = Lanes(clock, group, watcher)
        group.create_task(lanes.tick(clock, 2, 4))
        await asyncio.sleep(0)
        await clock.advance(20)
        assert watcher.got == [("0", 5.0), ("1", 8.0), ("2", 11.0), ("3", 14.0)]

    play(story)


def test_spent_attempts_are_refused_for_certain_unless_one_went_unanswered() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        refusing, hung = (
            Lanes(clock, group, FakeWatcher(clock, refuse=9)),
            Lanes(clock, group, FakeWatcher(clock, hang=True)),
        )
        refusing.push(0)
        hung.push(0)
        await clock.advance(60)
        assert [r.certainty for r in refusing.settled[0].results] == [Certainty.REFUSED]
        assert [(r.certainty, r.attempts) for r in hung.settled[0].results] == [(Certainty.UNCERTAIN, 5)]

    play(story)


def test_the_deadline_gives_up_what_waits_and_calls_what_is_in_flight_uncertain() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        lanes = Lanes(clock, group, FakeWatcher(clock, hang=True), FakeWatcher(clock, "ok"))
        lanes.push("head", deadline_s=3)
        lanes.push("waits", deadline_s=3)
        await clock.advance(3)
        results = [[(r.certainty, r.attempts) for r in s.results] for s in lanes.settled]
        assert results == [
            [(Certainty.UNCERTAIN, 1), (Certainty.ACCEPTED, 1)],
            [(Certainty.REFUSED, 0), (Certainty.ACCEPTED, 1)],
        ]
        assert lanes.dispatcher.in_flight == 0

    play(story)


def test_a_redelivery_goes_only_to_lanes_that_had_not_accepted() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        refusing, willing = FakeWatcher(clock, "a", refuse=5), FakeWatcher(clock, "b")
        lanes = Lanes(clock, group, refusing, willing, remembered=10)
        for _ in range(2):
            lanes.push("same", stable_id=True)
            await clock.advance(10)
        assert (refusing.asked, willing.asked) == (6, 1)
        assert [s.accepted for s in lanes.settled] == [False, True]

    play(story)


def test_the_id_after_the_last_remembered_one_is_forgotten() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        watcher = FakeWatcher(clock)
        lanes = Lanes(clock, group, watcher, remembered=10_000)
        for number in range(10_001):
            lanes.push(number, stable_id=True)
            if number % 200 == 0:
                await clock.still()
        await clock.still()
        lanes.push(1, stable_id=True)
        await clock.still()
        assert watcher.asked == 10_001
        lanes.push(0, stable_id=True)
        await clock.still()
        assert watcher.asked == 10_002

    play(story)


def test_a_duplicate_in_flight_is_joined_and_both_are_settled() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        watcher = FakeWatcher(clock, slow_s=2)
        lanes = Lanes(clock, group, watcher, remembered=10)
        lanes.push("same", stable_id=True)
        lanes.push("same", stable_id=True)
        await clock.advance(3)
        assert watcher.asked == 1
        assert [s.accepted for s in lanes.settled] == [True, True]

    play(story)


def test_without_watchers_an_event_is_settled_at_once() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        lanes = Lanes(clock, group)
        lanes.push(0)
        assert lanes.settled == [Settlement(())]
        assert lanes.settled[0].accepted

    play(story)


def test_events_without_order_are_dispatched_side_by_side_up_to_the_width() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        watcher = FakeWatcher(clock, slow_s=3)
        lanes = Lanes(clock, group, watcher, width=4)
        for number in range(8):
            lanes.push(number)
        await clock.advance(7)
        assert [at for _, at in watcher.got] == [3.0] * 4 + [6.0] * 4

    play(story)


def test_giving_everything_up_settles_each_event_once() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        lanes = Lanes(clock, group, FakeWatcher(clock, hang=True))
        for number in range(5):
            lanes.push(number)
        await clock.advance(1)
        assert lanes.dispatcher.give_up("the gateway stopped") == 5
        await lanes.dispatcher.quiet()
        await clock.advance(30)
        assert len(lanes.settled) == 5
        assert {r.cause for s in lanes.settled for r in s.results} == {"the gateway stopped"}

    play(story)


def test_lanes_that_are_closed_hold_no_time_and_settle_nothing() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        lanes = Lanes(clock, group, FakeWatcher(clock, real_s=60), FakeWatcher(clock, refuse=9))
        lanes.push(1, deadline_s=10)
        lanes.push(2)
        await asyncio.sleep(0.01)
        lanes.dispatcher.close()
        await clock.advance(30)
        assert (clock.elapsed(), clock.active, lanes.settled) == (30, 0, [])

    play(story)
