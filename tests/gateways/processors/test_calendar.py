"""
The calendar: what it takes, what it hands on and when, under virtual time and clocks that misbehave.
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.clock import rfc3339
from gateways.errors import ConfigurationError
from gateways.limits import Limits
from gateways.processors.calendar import CalendarProcessor
from gateways.source_event import SourceEvent
from simulator.virtual_clock import VirtualClock

START = datetime(2018, 10, 7, 12, tzinfo=UTC)
MINUTELY = "schedule: '* * * * *'"


class Surroundings:
    """
    A context that takes events while it has room.
    """

    gateway = "calendar-gateway"
    configuration = "calendar.fooConfig"
    limits = Limits()
    log = logging.LoggerAdapter(logging.getLogger("test"), {})

    def __init__(self, clock: Any, room: int = 10_000) -> None:
        self.clock = clock
        self.room_left = room
        self.events: list[SourceEvent] = []
        self.messages: list[str] = []
        self.counters: Counter[str] = Counter()

    def emit(self, event: SourceEvent) -> bool:
        if not self.room_left:
            return False
        self.room_left -= 1
        self.events.append(event)
        return True

    def running(self, message: str = "") -> None:
        self.messages.append(message)

    def count(self, counter: str, by: int = 1) -> None:
        self.counters[counter] += by

    @property
    def times(self) -> list[str]:
        return [rfc3339(event.time) for event in self.events]


def processor(text: str, surroundings: Any) -> CalendarProcessor:
    return CalendarProcessor(CalendarProcessor.parse("key", text), surroundings)


def play(text: str, seconds: float, *, start: datetime = START, zone: tzinfo = UTC, room: int = 10_000) -> Surroundings:
    """
    Let the calendar of *text* run for so many virtual seconds.
    """

    async def run() -> Surroundings:
        clock = VirtualClock(start, zone=zone, patience_s=2)
        surroundings = Surroundings(clock, room)
        task = asyncio.create_task(processor(text, surroundings).run())
        clock.awake(task)
        await clock.advance(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return surroundings

    return asyncio.run(run())


class OddClock:
    """
    A clock that wakes each sleeper as late as *wakes* says, or early for a clock that was set back.
    """

    zone = UTC

    def __init__(self, wakes: Sequence[timedelta], at: datetime = START) -> None:
        self._now = at
        self._wakes = list(wakes)

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, instant: datetime) -> None:
        if not self._wakes:
            raise asyncio.CancelledError
        self._now = max(self._now, instant) + self._wakes.pop(0)


def play_oddly(text: str, *wakes: timedelta, room: int = 10_000) -> Surroundings:
    surroundings = Surroundings(OddClock(wakes), room)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(processor(text, surroundings).run())
    return surroundings


ON_TIME = timedelta(0)


def clock_times(surroundings: Surroundings) -> list[str]:
    return [text[11:19] for text in surroundings.times]


# What it hands on.


def test_an_event_carries_its_instant_and_the_users_payload() -> None:
    (event,) = play(f"{MINUTELY}\nuserPayload: 'ä \"quoted\"'", 60).events
    assert event.payload.decode() == '{"eventTime":"2018-10-07T12:01:00Z","userPayload":"ä \\"quoted\\""}'
    assert (event.time, event.subject) == (START + timedelta(minutes=1), "* * * * *")
    assert event.content_type == "application/json"
    assert (event.settle, event.extensions) == (None, ())


def test_without_a_user_payload_it_is_the_empty_text() -> None:
    (event,) = play("interval: 10s", 10).events
    assert json.loads(event.payload) == {"eventTime": "2018-10-07T12:00:10Z", "userPayload": ""}
    assert event.subject == "10s"


def test_the_legacy_payload_is_the_era_s_protobuf_time() -> None:
    (event,) = play("interval: 22s", 22).events
    assert event.legacy_payload == bytes.fromhex("08d6eae7dd051000")


def test_an_instant_has_one_id_which_is_a_uuid_of_its_text() -> None:
    first, again = play(MINUTELY, 60).events[0], play(MINUTELY, 30, start=START + timedelta(seconds=30)).events[0]
    namespace = uuid5(NAMESPACE_URL, "calendar:calendar-gateway/calendar.fooConfig")
    assert first.id == again.id == str(uuid5(namespace, "2018-10-07T12:01:00Z"))


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_ids_are_those_of_the_standard_library(instant: datetime) -> None:
    from gateways.processors.calendar import InstantIds

    namespace = uuid5(NAMESPACE_URL, "calendar:g/c")
    assert InstantIds("g", "c").of(rfc3339(instant)) == str(uuid5(namespace, rfc3339(instant)))


def test_it_says_when_the_first_event_comes() -> None:
    assert play("schedule: 30 * * * *", 0).messages == ["next at 2018-10-07T12:30:00Z"]
    assert play("interval: 10s", 100).messages == ["next at 2018-10-07T12:00:10Z"]


def test_nothing_outside_is_waited_for() -> None:
    surroundings = Surroundings(None)
    assert asyncio.run(processor(MINUTELY, surroundings).caught_up()) is True


# When.


def test_an_interval_counts_from_the_whole_second_of_the_start() -> None:
    played = play("interval: 10s", 30, start=START + timedelta(milliseconds=300))
    assert played.times == ["2018-10-07T12:00:10Z", "2018-10-07T12:00:20Z", "2018-10-07T12:00:30Z"]


def test_a_fractional_interval_keeps_its_phase() -> None:
    assert clock_times(play("interval: 1.5s", 6)) == ["12:00:01", "12:00:03", "12:00:04", "12:00:06"]
    assert play("interval: 1.5s", 2).times == ["2018-10-07T12:00:01.500000Z"]


def test_a_schedule_fires_at_second_zero_of_its_minute() -> None:
    assert play("schedule: 30 * * * *", 7200).times == ["2018-10-07T12:30:00Z", "2018-10-07T13:30:00Z"]


def test_a_schedule_that_is_due_at_the_start_waits_for_the_next_time() -> None:
    assert clock_times(play("schedule: 0 * * * *", 3600)) == ["13:00:00"]


def test_the_schedule_wins_and_the_interval_is_not_looked_at() -> None:
    assert clock_times(play("interval: nonsense\nschedule: 30 * * * *", 1800)) == ["12:30:00"]


def test_a_time_zone_of_its_own_goes_before_the_clock_s() -> None:
    nine = "schedule: 0 9 * * *"
    assert play(f"{nine}\ntimezone: America/New_York", 86400).times == ["2018-10-07T13:00:00Z"]
    assert play(nine, 86400, zone=ZoneInfo("Asia/Kathmandu")).times == ["2018-10-08T03:15:00Z"]


def test_a_time_zone_holds_for_every_firing_not_only_the_first() -> None:
    played = play("schedule: 0 9 * * *\ntimezone: Asia/Tokyo", 3 * 86400)
    assert played.times == ["2018-10-08T00:00:00Z", "2018-10-09T00:00:00Z", "2018-10-10T00:00:00Z"]


def test_the_end_of_time_ends_the_calendar() -> None:
    played = play("interval: 1s", 5, start=datetime(9999, 12, 31, 23, 59, 57, tzinfo=UTC))
    assert clock_times(played) == ["23:59:58", "23:59:59"]


@pytest.mark.parametrize("year", [1, 1969, 2100, 9998])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_any_year_will_do(year: int, zone: str) -> None:
    text = f"{MINUTELY}\ntimezone: {zone}\nrecurrence: ['EXDATE:00010101T000000Z,99991231T000000Z']"
    played = play(text, 2 * 86400, start=datetime(year, 1, 1, tzinfo=UTC))
    assert all(event.legacy_payload and event.id for event in played.events)
    assert len(played.events) > 1000


# Excluded days.


def test_an_exdate_silences_the_whole_local_day_whatever_its_hour() -> None:
    text = "schedule: 0 */8 * * *\nrecurrence: ['EXDATE:20181008T235959Z']"
    times = play(text, 2.5 * 86400).times
    assert [text[8:13] for text in times] == ["07T16", "09T00", "09T08", "09T16", "10T00"]


def test_the_day_is_that_of_the_firing_in_the_schedule_s_zone() -> None:
    text = "schedule: 0 20 * * *\ntimezone: America/New_York\nrecurrence: ['EXDATE:20181008T000000Z']"
    assert play(text, 3 * 86400).times == ["2018-10-08T00:00:00Z", "2018-10-10T00:00:00Z"]
    text = "interval: 12h\nrecurrence: ['EXDATE:20181008T000000Z']"
    assert play(text, 1.5 * 86400, zone=ZoneInfo("Asia/Tokyo")).times == ["2018-10-09T00:00:00Z"]


def test_several_dates_and_several_entries_add_up() -> None:
    text = "interval: 24h\nrecurrence: ['EXDATE:20181008T000000Z,20181009T000000Z', 'EXDATE:20181011T000000Z']"
    assert play(text, 5 * 86400).times == ["2018-10-10T12:00:00Z", "2018-10-12T12:00:00Z"]


def test_entries_of_other_kinds_are_passed_over() -> None:
    entries = ["RRULE:FREQ=YEARLY", "RDATE:20181007T000000Z", "EXDATE;TZID=UTC:20181007T000000Z", "exdate:x", "EXDATE"]
    assert CalendarProcessor.parse("c", f"{MINUTELY}\nrecurrence: {json.dumps(entries)}").excluded == frozenset()


def test_a_calendar_whose_every_day_is_excluded_ends_without_an_event() -> None:
    leap_days = [date(year, 2, 29) for year in range(2020, 10000, 4) if year % 100 or not year % 400]
    text = f"schedule: 0 0 29 2 *\nrecurrence: ['EXDATE:{','.join(f'{day:%Y%m%d}T000000Z' for day in leap_days)}']"
    played = play(text, 60)
    assert (played.events, played.messages) == ([], [])


def test_a_hundred_years_of_excluded_seconds_are_passed_over_at_once() -> None:
    days = [START.date() + timedelta(days=number) for number in range(36_500)]
    text = f"interval: 1s\nrecurrence: ['EXDATE:{','.join(f'{day:%Y%m%d}T000000Z' for day in days)}']"
    assert play(text, 1).messages == ["next at 2118-09-13T00:00:00Z"]


# What it refuses.


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "configuration must be non empty"),
        ("recurrence: []", "must have either schedule or interval"),
        ("schedule: ''\ninterval:", "must have either schedule or interval"),
        ("schedule: */1 * * * *", "failed to parse configuration: line 1, column 11: a value that begins with `*`"),
        (
            "schedule: 0 30 * * * *",
            "failed to parse schedule 0 30 * * * *: Expected exactly 5 fields, found 6: 0 30 * * * *",
        ),
        ("schedule: '@hourly'", "failed to parse schedule @hourly: Expected exactly 5 fields, found 1: @hourly"),
        ("schedule: 0 0 31 2 *", "failed to parse schedule 0 0 31 2 *: it can never fire"),
        ("interval: 10", "failed to parse interval 10: missing unit in duration `10`"),
        ("interval: 1d", "failed to parse interval 1d: unknown unit `d`"),
        ("interval: true", "failed to parse interval true: invalid duration `true`"),
        ("interval: 0s", "failed to parse interval 0s: it must be longer than nothing"),
        ("interval: -5s", "failed to parse interval -5s: it must be longer than nothing"),
        ("interval: 1h\nrecurrence: ['EXDATE:20181007']", "failed to parse recurrence EXDATE:20181007: `20181007` is"),
        ("interval: 1h\nrecurrence: ['EXDATE:20181332T000000Z']", "`20181332T000000Z` is no date in UTC such as 2018"),
        ("interval: 1h\nrecurrence: ['EXDATE:20181007T000000Z,']", "`` is no date in UTC"),
        ("interval: 1h\nrecurrence: ['EXDATE:20181007T000000Z, 20181008T000000Z']", "` 20181008T000000Z` is no date"),
        ("interval: 1h\nrecurrence: ['EXDATE:20181007T000060Z']", "`20181007T000060Z` is no date in UTC"),
        ("interval: 1h\nrecurrence: EXDATE:20181007T000000Z", "`recurrence` must be a list of texts"),
        ("interval: 1h\ntimezone: Europe/Berln", "unknown time zone Europe/Berln, did you mean `Europe/Berlin`?"),
        ("interval: 1h\ntimezone: ../etc/passwd", "unknown time zone ../etc/passwd"),
        ("interval: 1h\ntimezone: Europe", "unknown time zone Europe"),
        ("interval: 1h\ncatchUp: {}", "catchUp needs a `limit` from 0 to 10000"),
        ("interval: 1h\ncatchUp: {limit: -1}", "catchUp needs a `limit` from 0 to 10000"),
        ("interval: 1h\ncatchUp: {limit: 10s}", "`catchUp.limit` must be a whole number"),
    ],
)
def test_what_cannot_run_is_refused_with_its_cause(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CalendarProcessor.parse("key", text)
    assert problem in str(caught.value)


def test_an_interval_below_the_gateway_s_limit_is_refused_when_it_starts() -> None:
    surroundings = Surroundings(OddClock([]))
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(processor("interval: 500ms", surroundings).run())
    assert str(caught.value) == "failed to parse interval 500ms: the shortest interval is 1s"
    assert surroundings.messages == []


@given(st.text(max_size=60))
def test_no_text_makes_it_crash(text: str) -> None:
    for configuration in (text, f"schedule: {text}", f"interval: {text}", f"{MINUTELY}\ntimezone: '{text}'"):
        try:
            assert CalendarProcessor.parse("key", configuration).text
        except ConfigurationError as error:
            assert str(error)  # noqa: PT017 - either outcome is fine, a crash is not


# Clocks and lanes that misbehave.


def test_an_instant_without_room_is_skipped_and_counted() -> None:
    played = play("interval: 1s", 5, room=2)
    assert clock_times(played) == ["12:00:01", "12:00:02"]
    assert played.counters == {"skipped": 3}


def test_a_late_wake_up_shifts_nothing() -> None:
    played = play_oddly("interval: 10s", timedelta(seconds=3), timedelta(seconds=4), ON_TIME)
    assert clock_times(played) == ["12:00:10", "12:00:20", "12:00:30"]


def test_instants_less_than_a_minute_late_are_handed_on() -> None:
    played = play_oddly("interval: 10s", timedelta(seconds=45))
    assert clock_times(played) == ["12:00:10", "12:00:20", "12:00:30", "12:00:40", "12:00:50"]
    assert not played.counters["skipped"]


def test_instants_that_passed_while_the_machine_slept_are_skipped_but_for_the_newest() -> None:
    played = play_oddly("interval: 1h", timedelta(hours=8, minutes=30), ON_TIME)
    assert clock_times(played) == ["21:00:00", "22:00:00"]
    assert played.counters == {"skipped": 8}


def test_a_single_instant_that_passed_in_sleep_is_handed_on_late() -> None:
    assert clock_times(play_oddly("schedule: 0 2 * * *", timedelta(hours=5))) == ["02:00:00"]


def test_catch_up_hands_on_the_newest_of_what_passed_under_the_same_ids() -> None:
    text = "interval: 1h\ncatchUp: {limit: 2}"
    played = play_oddly(text, timedelta(hours=8), ON_TIME)
    assert clock_times(played) == ["19:00:00", "20:00:00", "21:00:00", "22:00:00"]
    assert played.counters == {"skipped": 6}
    assert [event.id for event in played.events[:3]] == [event.id for event in play("interval: 1h", 32400).events[6:]]


def test_what_finds_no_room_while_catching_up_is_skipped() -> None:
    played = play_oddly("interval: 1h\ncatchUp: {limit: 100}", timedelta(hours=8), room=3)
    assert clock_times(played) == ["13:00:00", "14:00:00", "15:00:00"]
    assert played.counters == {"skipped": 6}


def test_a_clock_that_is_set_back_makes_no_instant_fire_twice() -> None:
    played = play_oddly("interval: 10s", ON_TIME, timedelta(hours=-1), ON_TIME, ON_TIME)
    assert clock_times(played) == ["12:00:10", "12:00:20", "12:00:30", "12:00:40"]
    assert len({event.id for event in played.events}) == 4


def test_a_clock_that_is_set_years_ahead_goes_on_from_there() -> None:
    played = play_oddly("interval: 1s", timedelta(days=20 * 365), ON_TIME)
    assert played.times == ["2038-10-02T12:00:02Z"]
    assert played.counters["skipped"] == 100_000


def test_croniter_is_imported_only_where_the_zone_changes() -> None:
    code = f"""
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from gateways.cron import ZonedCron
from gateways.processors.calendar import CalendarProcessor
cron = CalendarProcessor.parse("c", {MINUTELY!r}).cron
for zone in (UTC, ZoneInfo("Europe/Berlin")):
    ZonedCron(cron, zone).after(datetime(2018, 10, 7, tzinfo=UTC))
    print("croniter" in sys.modules)
ZonedCron(cron, zone).after(datetime(2018, 10, 28, 0, 59, tzinfo=UTC))
print("croniter" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False", "True"]


def test_a_day_of_minutes_leaves_nothing_behind() -> None:
    counts: list[int] = []

    async def run() -> None:
        clock = VirtualClock(START, patience_s=2)
        task = asyncio.create_task(processor(MINUTELY, Surroundings(clock)).run())
        clock.awake(task)
        for _ in range(3):
            await clock.advance(8 * 3600)
            counts.append(len(clock._timers))
        task.cancel()

    asyncio.run(run())
    assert counts == [1, 1, 1]
