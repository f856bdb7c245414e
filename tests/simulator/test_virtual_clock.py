"""
VirtualClock: when time moves, when it must not, and that it never hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.errors import TimeStuck
from simulator.virtual_clock import VirtualClock

START = datetime(2018, 10, 7, 12, tzinfo=UTC)


def play(story: Callable[[VirtualClock, asyncio.TaskGroup], Coroutine[Any, Any, None]], patience_s: float = 2) -> None:
    async def run() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                await story(VirtualClock(START, patience_s=patience_s), group)
                raise _Over
        except* _Over:
            pass

    asyncio.run(run())


class _Over(Exception): ...


async def real(seconds: float) -> None:
    await asyncio.sleep(seconds)


def test_what_is_due_at_exactly_the_end_is_included() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        rang: list[float] = []
        clock.alarm(10, lambda: rang.append(clock.elapsed()))
        clock.alarm(10.000001, lambda: rang.append(clock.elapsed()))
        await clock.advance(10)
        assert rang == [10]
        assert clock.now() == START + timedelta(seconds=10)

    play(story)


def test_time_is_exact_after_a_million_small_steps() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        for _ in range(1000):
            await clock.advance(0.1)
        assert clock.now() == START + timedelta(seconds=100)

    play(story)


@pytest.mark.parametrize("turns", [0, 1, 3, 10])
def test_a_woken_sleeper_holds_time_however_many_turns_it_takes_to_open_its_work(turns: int) -> None:
    """
    Otherwise time runs past it: the sleeper is seen at an instant later than the one it slept for.
    """

    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        seen: list[tuple[int, float]] = []

        async def sleeper() -> None:
            for number in range(1, 11):
                await clock.sleep(1)
                for _ in range(turns):
                    await asyncio.sleep(0)
                hold = clock.work("x")
                await asyncio.sleep(0)
                seen.append((number, clock.elapsed()))
                hold.close()

        group.create_task(sleeper())
        await asyncio.sleep(0)
        await clock.advance(10)
        assert seen == [(n, float(n)) for n in range(1, 11)]

    play(story)


def test_a_connect_that_takes_real_time_never_meets_its_virtual_limit() -> None:
    """
    Otherwise a reconnect of 20 ms times out again and again while thirty seconds are advanced.
    """

    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        outcome: list[object] = []

        async def reconnect() -> None:
            await clock.sleep(0.5)
            outcome.append(await clock.limit(2, asyncio.sleep(0.02, "up"), peer="nats:4222"))
            outcome.append(clock.elapsed())

        group.create_task(reconnect())
        await asyncio.sleep(0)
        await clock.advance(30)
        assert outcome == ["up", 0.5]

    play(story)


def test_a_limit_fires_where_its_peer_is_stalled() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        clock.stall_peer("nats:4222")

        async def connect() -> float:
            with pytest.raises(TimeoutError):
                await clock.limit(2, asyncio.Event().wait(), peer="nats:4222")
            return clock.elapsed()

        task = group.create_task(connect())
        await asyncio.sleep(0)
        await clock.advance(30)
        assert await task == 2

    play(story)


def test_between_two_limits_a_woken_task_still_holds_time() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        async def reconnect() -> float:
            await clock.sleep(1)
            await clock.limit(2, real(0.005), peer="p")
            await real(0.01)
            await clock.limit(2, real(0.005), peer="p")
            return clock.elapsed()

        task = group.create_task(reconnect())
        await asyncio.sleep(0)
        await clock.advance(100)
        assert await task == 1

    play(story)


def test_a_task_that_waits_for_outside_input_does_not_hold_time() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        async def waits() -> None:
            await clock.sleep(1)
            with clock.idle():
                await asyncio.Event().wait()

        task = group.create_task(waits())
        await asyncio.sleep(0)
        await clock.advance(100)
        assert clock.elapsed() == 100
        task.cancel()

    play(story)


def test_a_task_that_ends_gives_its_hold_back() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        group.create_task(clock.sleep(1))
        await asyncio.sleep(0)
        await clock.advance(5)
        assert clock.active == 0

    play(story)


def test_taken_over_work_stalls_its_sender_until_the_answer_is_written() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        sender = clock.work("b:12000")
        sender.sent_from(("127.0.0.1", 5))
        taken = clock.inbound(("127.0.0.1", 5))
        assert (sender.state, clock.active) == ("stalled", 0)
        taken.close()
        assert (sender.state, clock.active) == ("active", 1)
        sender.close()

    play(story)


def test_an_alarm_of_a_hold_makes_it_active_before_it_rings() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        hold, states = clock.work("w"), []
        hold.stall()
        hold.alarm(5, lambda: states.append(hold.state))
        stuck = group.create_task(clock.advance(60))
        await real(0.02)
        assert (states, clock.elapsed()) == (["active"], 5)
        hold.close()
        await stuck

    play(story)


def test_without_progress_the_clock_names_what_it_waits_for() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        clock.work("audit-sensor-svc:9300")
        with pytest.raises(TimeStuck, match=r"no progress for 0.05 s .* audit-sensor-svc:9300 for 0"):
            await clock.advance(1)

    play(story, patience_s=0.05)


def test_progress_keeps_the_safety_net_away() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        async def busy() -> None:
            for _ in range(10):
                hold = clock.work("x")
                await real(0.02)
                another = clock.work("y")
                hold.close()
                await real(0.02)
                another.close()

        group.create_task(busy())
        await asyncio.sleep(0)
        await clock.advance(1)
        assert clock.elapsed() == 1

    play(story, patience_s=0.1)


def test_cancelled_timers_do_not_pile_up() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        for _ in range(10_000):
            clock.alarm(5, lambda: None).cancel()
        assert len(clock._timers) < 200

    play(story)


def test_moving_until_a_condition_stops_at_the_first_instant_where_it_holds() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        rang: list[float] = []
        for at in (1, 4, 9):
            clock.alarm(at, lambda: rang.append(clock.elapsed()))

        async def two() -> bool:
            return len(rang) >= 2

        assert await clock.move_until(two, 60)
        assert clock.elapsed() == 4

        async def never() -> bool:
            return False

        assert not await clock.move_until(never, 3)
        assert clock.elapsed() == 7

    play(story)


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
def test_the_ends_of_the_calendar_do_not_break_the_clock(start: str) -> None:
    async def run() -> None:
        clock = VirtualClock(datetime.fromisoformat(start))
        await clock.advance(3600)
        assert clock.elapsed() == 3600

    asyncio.run(run())


def test_whoever_moves_time_does_not_hold_it() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        task = asyncio.current_task()
        assert task is not None
        clock.awake(task)
        await clock.advance(5)
        assert (clock.elapsed(), clock.active) == (5, 0)

    play(story)


def test_everyone_who_waits_for_stillness_is_woken_at_once() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        hold = clock.work("x")
        waiters = [group.create_task(clock.still()) for _ in range(2)]
        await real(0.01)
        assert not any(waiter.done() for waiter in waiters)
        hold.close()
        await real(0.01)
        assert all(waiter.done() for waiter in waiters)

    play(story, patience_s=10)


def test_everyone_who_waits_for_stillness_hears_that_it_does_not_come() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        hold = clock.work("x")
        found = await asyncio.gather(clock.still(), clock.still(), return_exceptions=True)
        assert [type(each) for each in found] == [TimeStuck, TimeStuck]
        hold.close()

    play(story, patience_s=0.05)


def test_who_moves_time_side_by_side_each_get_as_far_as_they_said() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        came: list[tuple[str, float]] = []

        async def move(name: str, *seconds: float) -> None:
            for each in seconds:
                await clock.advance(each)
                came.append((name, clock.elapsed()))

        moves = [move("long", 10), move("short", 2, 3), move("middle", 4)]
        tasks = [group.create_task(each) for each in moves]
        for task in tasks:
            clock.awake(task)
        await asyncio.wait(tasks)
        assert came == [("short", 2), ("middle", 4), ("short", 5), ("long", 10)]

    play(story)


def test_who_waits_for_something_side_by_side_goes_on_at_its_instant() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        rang: list[float] = []
        clock.alarm(3, lambda: rang.append(3))
        found: list[tuple[bool, float]] = []

        async def until(count: int, seconds: float) -> None:
            async def done() -> bool:
                return len(rang) >= count

            found.append((await clock.move_until(done, seconds), clock.elapsed()))

        tasks = [group.create_task(each) for each in (until(2, 20), until(1, 20), until(1, 2))]
        for task in tasks:
            clock.awake(task)
        await asyncio.wait(tasks)
        assert found == [(False, 2), (True, 3), (False, 20)]

    play(story)


def test_what_one_asks_may_fail_without_harm_to_another_who_moves_time() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        async def fails() -> bool:
            raise ValueError

        tasks = [asyncio.create_task(clock.advance(5)), asyncio.create_task(clock.move_until(fails, 9))]
        for task in tasks:
            clock.awake(task)
        await asyncio.wait(tasks)
        assert isinstance(tasks[1].exception(), ValueError)
        assert tasks[0].exception() is None
        assert clock.elapsed() == 5

    play(story)


def test_another_moves_time_on_where_the_one_who_did_is_cancelled() -> None:
    async def story(clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        hold = clock.work("x")
        first, second = asyncio.create_task(clock.advance(5)), asyncio.create_task(clock.advance(7))
        await real(0.01)
        first.cancel()
        hold.close()
        await asyncio.wait([first, second])
        assert clock.elapsed() == 7

    play(story)
