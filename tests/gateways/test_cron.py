"""
Cron schedules: the dialect, and instants with croniter as the judge.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter  # type: ignore[import-untyped] # ships no types
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.cron import ZonedCron, parse_cron
from gateways.errors import ConfigurationError

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu")
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def instants(schedule: str, start: datetime, count: int, zone: str = "UTC") -> list[str]:
    """
    The next *count* instants in local time of *zone*.
    """
    cron, found, instant = ZonedCron(parse_cron(schedule), ZoneInfo(zone)), [], start.astimezone(UTC)
    for _ in range(count):
        following = cron.after(instant)
        assert following is not None
        instant = following
        found.append(f"{instant.astimezone(ZoneInfo(zone)):%m-%d %H:%M %z}")
    return found


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("schedule", "spring", "autumn"),
    [
        (
            "30 1 * * *",
            ["03-11 01:30 -0500", "03-12 01:30 -0400"],
            ["11-04 01:30 -0400", "11-04 01:30 -0500", "11-05 01:30 -0500"],
        ),
        (
            "30 2 * * *",
            ["03-11 03:00 -0400", "03-12 02:30 -0400"],
            ["11-04 02:30 -0500", "11-05 02:30 -0500"],
        ),
        (
            "30 * * * *",
            ["03-11 00:30 -0500", "03-11 01:30 -0500", "03-11 03:30 -0400", "03-11 04:30 -0400"],
            ["11-04 00:30 -0400", "11-04 01:30 -0400", "11-04 01:30 -0500", "11-04 02:30 -0500"],
        ),
        (
            "0 9 * * *",
            ["03-11 09:00 -0400", "03-12 09:00 -0400"],
            ["11-04 09:00 -0500", "11-05 09:00 -0500"],
        ),
    ],
)
def test_a_change_of_daylight_saving_in_new_york_is_exact(schedule: str, spring: list[str], autumn: list[str]) -> None:
    zone = "America/New_York"
    assert instants(schedule, at("2018-03-10 23:59", zone), len(spring), zone) == spring
    assert instants(schedule, at("2018-11-03 23:59", zone), len(autumn), zone) == autumn


def test_every_minute_is_an_instant_through_an_hour_that_comes_twice() -> None:
    cron, instant = ZonedCron(parse_cron("* * * * *"), ZoneInfo("Europe/Berlin")), at("2018-10-28 00:00", "UTC")
    found = [instant]
    for _ in range(240):
        following = cron.after(found[-1])
        assert following is not None
        found.append(following)
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=1)}


def test_29_february_waits_for_a_leap_year_and_2100_is_none() -> None:
    cron = ZonedCron(parse_cron("0 0 29 2 *"), UTC)
    assert cron.after(at("2018-10-07")) == at("2020-02-29")
    assert cron.after(at("2096-02-29")) == at("2104-02-29")


def test_29_february_on_one_day_of_the_week_is_found_across_2100() -> None:
    cron = ZonedCron(parse_cron("0 0 29 2 */7"), UTC)
    assert cron.after(at("2088-03-01")) == at("2128-02-29")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("schedule", ["* * * * *", "0 0 29 2 *", "59 23 31 12 *", "0 0 1 1 *"])
def test_the_first_and_the_last_years_do_not_crash(zone: str, schedule: str) -> None:
    cron = ZonedCron(parse_cron(schedule), ZoneInfo(zone))
    first = cron.after(datetime(1, 1, 1, tzinfo=UTC))
    assert first is not None
    assert datetime(1, 1, 1, tzinfo=UTC) <= first <= datetime(5, 1, 1, tzinfo=UTC)
    assert cron.after(datetime(9998, 1, 1, tzinfo=UTC)) is not None or schedule == "0 0 29 2 *"
    assert cron.after(datetime.max.replace(tzinfo=UTC)) is None


def test_the_edges_of_time_are_reached_from_both_sides() -> None:
    end = datetime(9999, 12, 31, 23, 58, 30, tzinfo=UTC)
    assert ZonedCron(parse_cron("* * * * *"), UTC).after(end) == end.replace(minute=59, second=0)
    assert ZonedCron(parse_cron("* * * * *"), UTC).after(end.replace(minute=59)) is None
    east, west = timezone(timedelta(hours=9)), timezone(timedelta(hours=-9))
    assert ZonedCron(parse_cron("* * * * *"), east).after(end) is None
    assert ZonedCron(parse_cron("0 0 1 1 *"), west).after(datetime(1, 1, 1, tzinfo=UTC)) == datetime(
        1, 1, 1, 9, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("30 * * * *", ["10-07 12:30 +0000", "10-07 13:30 +0000"]),
        ("0 0 1 * 1", ["10-08 00:00 +0000", "10-15 00:00 +0000"]),
        ("0 0 */2 * 1", ["10-15 00:00 +0000", "10-29 00:00 +0000"]),
        ("0 0 1 * */6", ["12-01 00:00 +0000", "06-01 00:00 +0000"]),
        ("0 0 ? oct,NOV mon-Wed", ["10-08 00:00 +0000", "10-09 00:00 +0000"]),
        ("50/5 12 * * *", ["10-07 12:50 +0000", "10-07 12:55 +0000"]),
        ("5-5 12 * * *", ["10-07 12:05 +0000", "10-08 12:05 +0000"]),
        ("10-50/20 12 * * *", ["10-07 12:10 +0000", "10-07 12:30 +0000"]),
        ("59/15 * * * *", ["10-07 12:59 +0000", "10-07 13:59 +0000"]),
    ],
)
def test_a_schedule_fires_as_the_historic_one_did(schedule: str, expected: list[str]) -> None:
    assert instants(schedule, at("2018-10-07 12:00"), 2) == expected


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("0 30 * * * *", "Expected exactly 5 fields, found 6: 0 30 * * * *"),
        ("@hourly", "Expected exactly 5 fields, found 1: @hourly"),
        ("@every 10s", "Expected exactly 5 fields, found 2: @every 10s"),
        ("60 * * * *", "minute `60`: 60 is not within 0 to 59"),
        ("* 24 * * *", "hour `24`: 24 is not within 0 to 23"),
        ("* * 0 * *", "day of month `0`: 0 is not within 1 to 31"),
        ("* * * 13 *", "month `13`: 13 is not within 1 to 12"),
        ("* * * * 7", "day of week `7`: 7 is not within 0 to 6 or sun to sat, 0 is Sunday"),
        ("* * L * *", "day of month `L`: write 1 to 31"),
        ("* * 15W * *", "day of month `15W`: write"),
        ("* * * * 1#2", "day of week `1#2`: write"),
        ("H * * * *", "minute `H`: write"),
        ("* * * * 5L", "day of week `5L`: write"),
        ("*-5 * * * *", "minute `*-5`: write"),
        ("1-2-3 * * * *", "minute `1-2-3`: write"),
        ("5-1 * * * *", "minute `5-1`: a range goes from the lower to the higher"),
        ("*/0 * * * *", "minute `*/0`: a step is a number from 1 on"),
        ("1/2/3 * * * *", "minute `1/2/3`: a step is a number from 1 on"),
        ("1,,2 * * * *", "minute ``: write"),
        ("-1 * * * *", "minute `-1`: write"),
        ("٣ * * * *", "minute `٣`: write"),
        ("0 0 31 2 *", "it can never fire: no month that it names has a day 31"),
        ("0 0 30,31 feb *", "it can never fire: no month that it names has a day 30"),
        ("0 0 31 2,4,6,9,11 *", "it can never fire"),
    ],
)
def test_what_is_no_schedule_says_why(schedule: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_cron(schedule)
    assert str(caught.value).startswith(f"failed to parse schedule {schedule}: {problem}")


def test_an_impossible_day_of_the_month_beside_a_day_of_the_week_can_fire() -> None:
    assert instants("0 0 31 2 1", at("2018-10-07 12:00"), 1) == ["02-04 00:00 +0000"]


def _entry(field: int) -> st.SearchStrategy[str]:
    low, high = BOUNDS[field]
    number = st.integers(low, high)
    step = st.integers(1, 20)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    return st.one_of(
        st.just("*"),
        number.map(str),
        span,
        st.tuples(st.one_of(st.just("*"), span, number.map(str)), step).map(lambda parts: f"{parts[0]}/{parts[1]}"),
    )


SCHEDULES = st.tuples(*(st.lists(_entry(field), min_size=1, max_size=3).map(",".join) for field in range(5))).map(
    " ".join
)
NEAR_CHANGES = (datetime(2018, 3, 11, 6, tzinfo=UTC), datetime(2018, 11, 4, 5, tzinfo=UTC), datetime(2018, 10, 28, 0))


@given(SCHEDULES, st.sampled_from(ZONES), st.sampled_from(NEAR_CHANGES), st.integers(-3000, 3000))
@settings(max_examples=60, deadline=None)
def test_the_next_fifty_instants_are_croniter_s(schedule: str, zone: str, near: datetime, minutes: int) -> None:
    try:
        cron = parse_cron(schedule)
    except ConfigurationError as error:
        assert "it can never fire" in str(error)  # noqa: PT017 - a schedule by chance may be impossible
        return
    instant = near.replace(tzinfo=UTC) + timedelta(minutes=minutes)
    judge = croniter(cron.canonical(), instant.astimezone(ZoneInfo(zone)), day_or=cron.either_day)
    ours = ZonedCron(cron, ZoneInfo(zone))
    for _ in range(50):
        following = ours.after(instant)
        assert following is not None
        assert following == judge.get_next(datetime).astimezone(UTC)
        instant = following


@given(st.text(alphabet="0123456789*/,-? @LW#monjanHh", max_size=30))
def test_no_text_makes_the_parser_crash(text: str) -> None:
    try:
        assert parse_cron(text).times
    except ConfigurationError as error:
        assert str(error).startswith("failed to parse schedule ")  # noqa: PT017 - either outcome is fine
