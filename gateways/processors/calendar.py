"""
Calendar: makes events itself, by a cron schedule or an interval, except on excluded days.

Keys: `schedule` or `interval`, `recurrence` (EXDATE lists), `timezone`, `userPayload`, `catchUp: {limit}`.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from hashlib import sha1
from typing import Any, ClassVar, Protocol
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateways.clock import rfc3339
from gateways.cron import Cron, ZonedCron, parse_cron
from gateways.errors import ConfigurationError
from gateways.legacy_envelope import protobuf_time
from gateways.options import OptionReader, go_duration
from gateways.processor import Context, Delivery, Guarantee, Processor
from gateways.source_event import SourceEvent
from gateways.suggestion import did_you_mean

_MOMENT = timedelta(microseconds=1)
_DAY = timedelta(days=1)

LATE_S = 60.0
"""An instant that is no later than this is late, not missed: a clock that is set is noticed within a minute."""
CATCH_UP_MAX = 10_000
_MISSED_MAX = 100_000
"""More instants than this between two looks at the clock mean that it was set, not that the machine slept."""


@dataclass(frozen=True, slots=True)
class CalendarOptions:
    """
    One calendar. Exactly one of *cron* and *interval* is there.
    """

    text: str
    """The schedule or interval as written; the subject of its events."""
    cron: Cron | None
    interval: timedelta | None
    excluded: frozenset[date] = frozenset()
    """Days without events, in local time."""
    zone: tzinfo | None = None
    """None: the clock's."""
    user_payload: str = ""
    catch_up: int = 0


class CalendarProcessor(Processor):
    """
    Hands on one event for each instant, at that instant.

    - An interval counts from the whole second in which the configuration started and keeps its phase: `10s` started at
      12:00:00.3 fires at 12:00:10, `1.5s` at 12:00:01.5, 12:00:03, 12:00:04.5 (R-CAL-1; instead of R-CAL-12).
    - The next instant follows from the one before, never from the time at which that was noticed. A clock that is set
      back therefore makes no instant fire twice; the calendar is silent until the clock has caught up.
    - Instants that passed while the machine slept are skipped and counted, all but the newest and those that are less
      than a minute late. `catchUp: {limit: N}` hands on the newest N of them as well. Nothing is written down, so this
      is about one process's life: what passed while no gateway ran is not known to it. More than 100,000 instants at
      once mean that the clock was set; the calendar then goes on from there.
    - An instant that finds no room is skipped and counted.
    - An event's id is that of its instant: uuid5 of the instant's RFC 3339 text in the namespace
      uuid5(NAMESPACE_URL, "calendar:<gateway>/<configuration>"). Whoever fires it again, fires it under the same id.
    """

    type: ClassVar[str] = "calendar"
    guarantee: ClassVar[Guarantee] = Guarantee(
        told="nothing: there is no source",
        by_default=Delivery.AT_MOST_ONCE,
        extent="under one id for each instant, given up after five attempts",
    )

    options: CalendarOptions

    def __init__(self, options: CalendarOptions, context: Context, shared: Any = None) -> None:
        super().__init__(options, context, shared)
        self._ids = InstantIds(context.gateway, context.configuration)
        self._rest = f'","userPayload":{json.dumps(options.user_payload, ensure_ascii=False)}}}'.encode()

    @classmethod
    def parse(cls, key: str, text: str) -> CalendarOptions:
        """See Processor."""
        reader = OptionReader.from_text(text)
        schedule, interval = reader.text("schedule"), reader.text("interval")
        if not schedule and not interval:
            raise ConfigurationError("must have either schedule or interval")
        return CalendarOptions(
            text=schedule or interval,
            cron=parse_cron(schedule) if schedule else None,
            interval=None if schedule else _parse_interval(interval),
            excluded=_parse_recurrence(reader.texts("recurrence")),
            zone=_parse_zone(reader.text("timezone")),
            user_payload=reader.text("userPayload"),
            catch_up=_parse_catch_up(reader),
        )

    async def run(self) -> None:
        """See Processor."""
        clock = self.context.clock
        plan = self._plan(clock.now())
        instant = plan.first()
        if instant is not None:
            self.context.running(f"next at {rfc3339(instant)}")
        while instant is not None:
            await clock.sleep_until(instant)
            instant = self._fire(plan, instant)

    async def caught_up(self) -> bool:
        """
        See Processor. Nothing outside is waited for: what is due is handed on before time goes on.
        """
        return True

    def _plan(self, started_at: datetime) -> Plan:
        options = self.options
        zone = options.zone or self.context.clock.zone
        if options.cron is not None:
            return Plan(ZonedCron(options.cron, zone), started_at, zone, options.excluded)
        assert options.interval is not None
        shortest = self.context.limits.interval_s_min
        if options.interval < timedelta(seconds=shortest):
            raise ConfigurationError(f"failed to parse interval {options.text}: the shortest interval is {shortest:g}s")
        start = started_at.replace(microsecond=0)
        return Plan(Interval(start, options.interval), start, zone, options.excluded)

    def _fire(self, plan: Plan, due: datetime) -> datetime | None:
        """
        Hand on what is due, at least *due*.

        Returns:
            The next instant; None where there is none any more.
        """
        following = plan.after(due)
        now = self.context.clock.now()
        if following is None or following > now:
            self._emit(due)
            return following
        instants, following = plan.until(now, due)
        if following is not None and following <= now:
            self.context.log.warning("the clock was set from %s to %s", rfc3339(due), rfc3339(now))
            self.context.count("skipped", len(instants))
            return plan.after(now)
        late = bisect_left(instants, now - timedelta(seconds=LATE_S))
        begin = max(0, min(late, len(instants) - 1) - self.options.catch_up)
        self.context.count("skipped", begin)
        for instant in instants[begin:]:
            self._emit(instant)
        return following

    def _emit(self, instant: datetime) -> None:
        text = rfc3339(instant)
        event = SourceEvent(
            b'{"eventTime":"' + text.encode() + self._rest,
            instant,
            subject=self.options.text,
            content_type="application/json",
            id=self._ids.of(text),
            legacy_payload=protobuf_time(instant),
        )
        if not self.context.emit(event):
            self.context.count("skipped")


class InstantIds:
    """
    The ids of one calendar's instants, see CalendarProcessor. The namespace is hashed once, not for each instant.
    """

    def __init__(self, gateway: str, configuration: str) -> None:
        namespace = uuid5(NAMESPACE_URL, f"calendar:{gateway}/{configuration}")
        self._hash = sha1(namespace.bytes, usedforsecurity=False)

    def of(self, text: str) -> str:
        """
        The UUID (version 5) of the instant that *text* is.

        Source: RFC 9562 section 5.5.
        """
        digest = self._hash.copy()
        digest.update(text.encode())
        digits = digest.hexdigest()
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


class Instants(Protocol):
    """
    An endless row of instants.
    """

    def after(self, instant: datetime) -> datetime | None:
        """
        The first one later than *instant*, in UTC; None beyond the end of time.
        """


class Interval:
    """
    Every multiple of *step* after *start*.
    """

    def __init__(self, start: datetime, step: timedelta) -> None:
        self._start = start
        self._step = step

    def after(self, instant: datetime) -> datetime | None:
        """See Instants."""
        try:
            return self._start + ((instant - self._start) // self._step + 1) * self._step
        except OverflowError:
            return None


class Plan:
    """
    The instants of one calendar, without those on excluded days.
    """

    def __init__(self, instants: Instants, start: datetime, zone: tzinfo, excluded: frozenset[date]) -> None:
        self._instants = instants
        self._start = start
        self._zone = zone
        self._excluded = excluded

    def first(self) -> datetime | None:
        """
        The first instant after the start.
        """
        return self.after(self._start)

    def after(self, instant: datetime) -> datetime | None:
        """
        The first instant later than *instant*; None where there is none any more.

        Source: R-CAL-15: a firing is excluded by its date in the schedule's zone.
        """
        found = self._instants.after(instant)
        while found is not None and self._excluded and (day := self._day_of(found)) in self._excluded:
            found = self._instants.after(max(found, self._end_of(day)))
        return found

    def until(self, now: datetime, first: datetime) -> tuple[Sequence[datetime], datetime | None]:
        """
        The instants from *first* to *now*, at most _MISSED_MAX of them, and the one that follows.
        """
        found: list[datetime] = []
        following: datetime | None = first
        while following is not None and following <= now and len(found) < _MISSED_MAX:
            found.append(following)
            following = self.after(following)
        return found, following

    def _day_of(self, instant: datetime) -> date:
        try:
            return instant.astimezone(self._zone).date()
        except OverflowError:
            return instant.date()

    def _end_of(self, day: date) -> datetime:
        """
        The last moment of *day*.
        """
        try:
            return datetime.combine(day + _DAY, time.min, self._zone).astimezone(UTC) - _MOMENT
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)


def _parse_interval(text: str) -> timedelta:
    try:
        seconds = go_duration(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"failed to parse interval {text[:100]}: {error}") from None
    if seconds <= 0:
        raise ConfigurationError(f"failed to parse interval {text[:100]}: it must be longer than nothing, such as 10s")
    return timedelta(microseconds=round(seconds * 1_000_000))


def _parse_recurrence(entries: Sequence[str]) -> frozenset[date]:
    """
    The days of all EXDATE entries; entries of other kinds are passed over.

    Source: R-CAL-16, R-CAL-17, R-CAL-18.
    """
    return frozenset(day for entry in entries if entry.startswith("EXDATE:") for day in _days_in(entry))


def _days_in(entry: str) -> Iterator[date]:
    for text in entry.removeprefix("EXDATE:").split(","):
        digits = text[:8] + text[9:15]
        try:
            if len(text) != 16 or text[8] + text[15] != "TZ" or not (digits.isascii() and digits.isdigit()):
                raise ValueError
            bounds = (slice(0, 4), slice(4, 6), slice(6, 8), slice(8, 10), slice(10, 12), slice(12, 14))
            year, month, day, hour, minute, second = (int(digits[bound]) for bound in bounds)
            yield datetime(year, month, day, hour, minute, second, tzinfo=UTC).date()
        except ValueError:
            problem = f"`{text[:40]}` is no date in UTC such as 20181007T000000Z"
            raise ConfigurationError(f"failed to parse recurrence {entry[:100]}: {problem}") from None


def _parse_zone(name: str) -> tzinfo | None:
    """
    Source: R-CAL-22.
    """
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        from zoneinfo import available_timezones  # noqa: PLC0415 - it reads a thousand files; only a mistake needs it

        hint = did_you_mean(name, available_timezones()) or ", write a name such as `Europe/Berlin`"
        raise ConfigurationError(f"unknown time zone {name[:60]}{hint}") from None


def _parse_catch_up(reader: OptionReader) -> int:
    inner = reader.mapping("catchUp")
    if inner is None:
        return 0
    limit = inner.integer("limit", -1)
    if not 0 <= limit <= CATCH_UP_MAX:
        raise ConfigurationError(f"catchUp needs a `limit` from 0 to {CATCH_UP_MAX}: the instants that are made up for")
    return limit
