"""
Cron: a schedule of five fields, and its instants in a time zone.

Our own arithmetic gives the next instant wherever the zone's offset stays as it is; croniter, which is slower to import
and to ask, decides what happens around a change to or from daylight-saving time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from gateways.errors import ConfigurationError

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_YEARS_BETWEEN_MAX = 41
"""29 February falls on each day of the week within 40 years, even across 2100, which is no leap year."""


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: Mapping[str, int]
    hint: str


def _numbered(names: str, first: int) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split(), first)}


_FIELDS = (
    _Field("minute", 0, 59, {}, "0 to 59"),
    _Field("hour", 0, 23, {}, "0 to 23"),
    _Field("day of month", 1, 31, {}, "1 to 31"),
    _Field("month", 1, 12, _numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1), "1 to 12 or jan to dec"),
    _Field("day of week", 0, 6, _numbered("sun mon tue wed thu fri sat", 0), "0 to 6 or sun to sat, 0 is Sunday"),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """
    When a schedule fires, in local time.
    """

    times: tuple[int, ...]
    """Minutes since midnight, ascending."""
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either_day: bool
    """Whether a matching day of the month or of the week is enough; both must match where one of them has a star."""

    def fires_on(self, day: date) -> bool:
        """
        Whether it fires at all on *day*.
        """
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (in_month or in_week) if self.either_day else (in_month and in_week)

    def first_from(self, wall: datetime) -> datetime | None:
        """
        The first time at or after *wall*, both without a zone and in whole minutes; None beyond the end of time.
        """
        if self.fires_on(wall):
            found = bisect_left(self.times, wall.hour * 60 + wall.minute)
            if found < len(self.times):
                hour, minute = divmod(self.times[found], 60)
                return wall.replace(hour=hour, minute=minute)
        day = self._day_after(wall.date())
        if day is None:
            return None
        hour, minute = divmod(self.times[0], 60)
        return datetime(day.year, day.month, day.day, hour, minute)

    def _day_after(self, day: date) -> date | None:
        last_year = day.year + _YEARS_BETWEEN_MAX
        try:
            while day.year <= last_year:
                day += _DAY
                if self.fires_on(day):
                    return day
                if day.month not in self.months:
                    day = day.replace(day=28) + _DAY * 4
                    day = day.replace(day=1) - _DAY
        except OverflowError:
            pass
        return None

    def canonical(self) -> str:
        """
        The same schedule spelled out in numbers, for croniter: its own reading of ranges differs here and there.
        """
        minutes = {time % 60 for time in self.times}
        hours = {time // 60 for time in self.times}
        values = (minutes, hours, self.days, self.months, self.weekdays)
        return " ".join(
            "*"
            if len(numbers) == field.high - field.low + 1 and not (self.either_day and "day" in field.name)
            else ",".join(str(number) for number in sorted(numbers))
            for numbers, field in zip(values, _FIELDS, strict=True)
        )


def parse_cron(text: str) -> Cron:
    """
    The schedule in *text*: minute, hour, day of month, month, day of week.

    Each is `*`, `?`, a number, a name, a range, any of these with `/step`, or a list of them; `N/step` goes on to the
    end of the range.

    Raises:
        ConfigurationError: It is not such a schedule, or it can never fire.

    Source: R-CAL-4, R-CAL-7, BUG-06; the dialect of robfig/cron 1.1.
    """
    shown = text if len(text) <= 200 else f"{text[:197]}..."
    parts = text.split()
    try:
        if len(parts) != len(_FIELDS):
            raise ValueError(f"Expected exactly 5 fields, found {len(parts)}: {shown}")
        fields = [_read_field(part, field) for part, field in zip(parts, _FIELDS, strict=True)]
        minutes, hours, days, months, weekdays = (numbers for numbers, _ in fields)
        cron = Cron(
            times=tuple(hour * 60 + minute for hour in sorted(hours) for minute in sorted(minutes)),
            days=days,
            months=months,
            weekdays=weekdays,
            either_day=not (fields[2][1] or fields[4][1]),
        )
        if not cron.either_day and all(_DAYS_IN_MONTH[month - 1] < min(days) for month in months):
            raise ValueError(f"it can never fire: no month that it names has a day {min(days)}")
    except ValueError as error:
        raise ConfigurationError(f"failed to parse schedule {shown}: {error}") from None
    return cron


def _read_field(text: str, field: _Field) -> tuple[frozenset[int], bool]:
    """
    The numbers that *text* means, and whether a star is in it.
    """
    numbers: set[int] = set()
    has_star = False
    for entry in text.split(","):
        span, slash, step_text = entry.partition("/")
        step = _read_step(step_text, entry, field) if slash else 1
        is_star = span in ("*", "?")
        low, high = (field.low, field.high) if is_star else _read_span(span, entry, field)
        if slash and "-" not in span:
            high = field.high
        has_star = has_star or is_star
        numbers.update(range(low, high + 1, step))
    return frozenset(numbers), has_star


def _read_step(text: str, entry: str, field: _Field) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text)):
        raise ValueError(f"{field.name} `{entry[:20]}`: a step is a number from 1 on")
    return int(text)


def _read_span(text: str, entry: str, field: _Field) -> tuple[int, int]:
    first, hyphen, last = text.partition("-")
    low = _read_number(first, entry, field)
    high = _read_number(last, entry, field) if hyphen else low
    if low > high:
        raise ValueError(f"{field.name} `{entry[:20]}`: a range goes from the lower to the higher")
    return low, high


def _read_number(text: str, entry: str, field: _Field) -> int:
    named = field.names.get(text.lower())
    if named is not None:
        return named
    if not (text.isascii() and text.isdigit()):
        raise ValueError(
            f"{field.name} `{entry[:20]}`: write {field.hint}, `*`, a range, a list, or a `/step` of these"
        )
    if len(text) > 4 or not field.low <= int(text) <= field.high:
        raise ValueError(f"{field.name} `{entry[:20]}`: {text[:8]} is not within {field.hint}")
    return int(text)


def _next_minute(wall: datetime) -> datetime:
    return wall.replace(second=0, microsecond=0) + _MINUTE


class ZonedCron:
    """
    A schedule read in a time zone.
    """

    def __init__(self, cron: Cron, zone: tzinfo) -> None:
        self._cron = cron
        self._zone = zone
        self._fixed_offset = zone.utcoffset(None)
        """None where the offset changes."""

    def after(self, instant: datetime) -> datetime | None:
        """
        The first instant later than *instant*, both in UTC; None beyond the end of time.

        A time that a change of the zone skips fires at the first one that exists, one that comes twice fires twice.
        """
        try:
            if self._fixed_offset is not None:
                return self._after_at(instant, self._fixed_offset)
            local = instant.astimezone(self._zone)
            candidate = self._cron.first_from(_next_minute(local.replace(tzinfo=None, fold=0)))
            if candidate is None:
                return None
            first = candidate.replace(tzinfo=self._zone)
            offset = first.utcoffset()
            assert offset is not None
            if offset != local.utcoffset() or offset != first.replace(fold=1).utcoffset():
                return self._judged(local, first)
            return (candidate - offset).replace(tzinfo=UTC)
        except OverflowError:
            return self._at_the_edge(instant)

    def _after_at(self, instant: datetime, offset: timedelta) -> datetime | None:
        candidate = self._cron.first_from(_next_minute(instant.replace(tzinfo=None) + offset))
        return None if candidate is None else (candidate - offset).replace(tzinfo=UTC)

    def _judged(self, local: datetime, candidate: datetime) -> datetime:
        """
        What croniter says comes after *local*; *candidate* where it has no answer.
        """
        from croniter import (  # type: ignore[import-untyped]  # noqa: PLC0415 - ships no types; rarely needed
            CroniterError,
            croniter,
        )

        try:
            judge = croniter(self._cron.canonical(), local, day_or=self._cron.either_day)
            found: datetime = judge.get_next(datetime).astimezone(UTC)
        except (CroniterError, ValueError):
            found = candidate.astimezone(UTC)
        assert found > local, f"{self._cron.canonical()} after {local} gives {found}"
        return found

    def _at_the_edge(self, instant: datetime) -> datetime | None:
        """
        Local time or UTC would leave the years 1 to 9999.
        """
        if instant.year > 1:
            return None
        candidate = self._cron.first_from(datetime.min)
        return candidate.replace(tzinfo=self._zone).astimezone(UTC) if candidate else None
