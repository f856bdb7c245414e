"""
SystemClock: the machine's time and zone.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import freezegun
import pytest
from freezegun import freeze_time

from gateways.clock import SystemClock, Wakeup, closing, end, join, rfc3339, start, system_zone

freezegun.configure(extend_ignore_list=["kubernetes"])  # looking at its models imports them, under a frozen clock


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


def test_now_is_the_machine_s_instant_in_utc() -> None:
    with freeze_time("2018-10-07 12:00:22.5"):
        assert SystemClock().now() == datetime(2018, 10, 7, 12, 0, 22, 500_000, tzinfo=UTC)


def test_now_follows_a_clock_that_is_set_back_and_elapsed_does_not() -> None:
    clock = SystemClock(UTC)
    elapsed = clock.elapsed()
    with freeze_time("2018-10-07 12:00") as frozen:
        before = clock.now()
        frozen.move_to("2018-10-07 11:00")
        assert clock.now() - before == timedelta(hours=-1)
    assert clock.elapsed() >= elapsed


def test_an_instant_in_the_past_is_not_slept_for() -> None:
    with freeze_time("2018-10-07 12:00", real_asyncio=True):
        asyncio.run(SystemClock(UTC).sleep_until(datetime(2018, 10, 7, 11, tzinfo=UTC)))


def test_a_clock_that_is_set_forward_ends_a_sleep() -> None:
    async def run() -> None:
        clock = SystemClock(UTC)
        with freeze_time("2018-10-07 12:00", real_asyncio=True) as frozen:
            asyncio.get_running_loop().call_later(0.01, frozen.tick, timedelta(seconds=1))
            async with asyncio.timeout(10):
                await clock.sleep_until(datetime(2018, 10, 7, 12, 0, 0, 20_000, tzinfo=UTC))
            assert clock.now() == datetime(2018, 10, 7, 12, 0, 1, tzinfo=UTC)

    asyncio.run(run())


@pytest.mark.parametrize("name", ["America/New_York", ":America/New_York"])
def test_the_zone_is_the_one_that_tz_names(zone: pytest.MonkeyPatch, name: str) -> None:
    zone.setenv("TZ", name)
    assert system_zone() == ZoneInfo("America/New_York")
    assert SystemClock().zone == ZoneInfo("America/New_York")


@pytest.mark.parametrize("name", ["Nowhere/Land", "../etc", "EST5EDT4,M3.2.0,M11.1.0"])
def test_a_zone_that_has_no_file_gives_the_offset_that_holds_now(zone: pytest.MonkeyPatch, name: str) -> None:
    zone.setenv("TZ", name)
    time.tzset()
    with freeze_time("2018-10-07 12:00"):
        assert system_zone().utcoffset(datetime(2018, 10, 7)) is not None


def test_without_tz_the_zone_is_that_of_etc_localtime(zone: pytest.MonkeyPatch) -> None:
    zone.delenv("TZ", raising=False)
    zone.setattr(Path, "exists", lambda _: True)
    zone.setattr(Path, "resolve", lambda _: Path("/usr/share/zoneinfo/Europe/Berlin"))
    assert system_zone() == ZoneInfo("Europe/Berlin")


def test_a_machine_without_a_named_zone_has_an_offset(zone: pytest.MonkeyPatch) -> None:
    zone.delenv("TZ", raising=False)
    zone.setattr(Path, "exists", lambda _: False)
    with freeze_time("2018-10-07 12:00", tz_offset=0):
        assert system_zone().utcoffset(None) == timedelta(0) or os.name == "nt"


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2018, 10, 7, 12, 0, 22, tzinfo=UTC), "2018-10-07T12:00:22Z"),
        (datetime(2018, 10, 7, 12, 0, 22, 5, tzinfo=UTC), "2018-10-07T12:00:22.000005Z"),
        (datetime(2018, 10, 7, 8, tzinfo=ZoneInfo("America/New_York")), "2018-10-07T12:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
)
def test_an_instant_is_written_in_utc(instant: datetime, text: str) -> None:
    assert rfc3339(instant) == text


def test_a_limit_cancels_what_takes_too_long_and_lets_the_rest_through() -> None:
    async def run() -> None:
        clock, cancelled = SystemClock(UTC), asyncio.Event()

        async def hang() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        assert await clock.limit(10, asyncio.sleep(0, "done"), peer="h:1") == "done"
        with pytest.raises(TimeoutError):
            await clock.limit(0.01, hang(), peer="h:1")
        assert cancelled.is_set()

    asyncio.run(run())


def test_a_hold_sleeps_until_its_time_or_until_it_is_woken() -> None:
    async def run() -> list[str]:
        seen: list[str] = []
        with closing(SystemClock(UTC).work("h:1")) as hold:
            await hold.sleep(0.001)
            asyncio.get_running_loop().call_soon(hold.wake)
            async with asyncio.timeout(10):
                await hold.sleep(3600)
            rang = asyncio.Event()
            hold.alarm(3600, lambda: seen.append("cancelled")).cancel()
            hold.alarm(0.001, rang.set)
            await rang.wait()
        return seen

    assert asyncio.run(run()) == []


def test_a_wakeup_wakes_everyone_who_waits_now_and_later() -> None:
    async def run() -> int:
        clock = SystemClock(UTC)
        wakeup = Wakeup(clock)
        async with asyncio.TaskGroup() as group:
            waiting = [start(clock, group, wakeup.wait(), name=f"waiter {number}") for number in range(3)]
            group.create_task(asyncio.to_thread(lambda: None)).add_done_callback(lambda _: wakeup.set())
        await wakeup.wait()
        assert wakeup.is_set
        wakeup.clear()
        return sum(task.done() for task in waiting) if not wakeup.is_set else 0

    assert asyncio.run(run()) == 3


def test_ending_a_task_waits_for_its_clean_up() -> None:
    async def run() -> list[str]:
        seen: list[str] = []
        clock = SystemClock(UTC)

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                seen.append("clean")

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        await end(clock, task)
        await join(clock, task)
        return seen

    assert asyncio.run(run()) == ["clean"]
