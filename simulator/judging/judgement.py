"""
Judgement: one expectation against the events that a watcher accepted; pure, in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.cloudevents_spec import ReceivedEvent
from simulator.judging.matchers import Mismatch, instant_of, match_event, show
from simulator.ledger import AcceptedEvent
from simulator.scenario_file.expectation import Expect


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    Whether an expectation holds, and what it says where it does not.
    """

    holds: bool
    reason: str = ""
    """A failure class; `missing` where too little came, whose class depends on how far the events got."""
    text: str = ""
    mismatches: tuple[Mismatch, ...] = ()
    """Of the event that came nearest."""
    nearest: AcceptedEvent | None = None
    selected: int = 0
    covered: frozenset[int] | None = frozenset()
    """Numbers of the observations it covers; None for every event that was looked at."""
    exact: bool = False
    """It says that no more may come, and so needs a proof."""


@dataclass(slots=True)
class _Pass:
    """
    What one pass over the events gathers.
    """

    selected: int = 0
    numbers: set[int] = field(default_factory=set)
    first_different: tuple[AcceptedEvent, list[Mismatch]] | None = None
    any_number: int | None = None
    nearest: tuple[AcceptedEvent, list[Mismatch]] | None = None
    not_distinct: AcceptedEvent | None = None
    too_slow: tuple[AcceptedEvent, float] | None = None
    too_fast: tuple[AcceptedEvent, float] | None = None
    in_order: list[AcceptedEvent] = field(default_factory=list)
    unwanted: AcceptedEvent | None = None


Events = Callable[[], Iterable[AcceptedEvent]]
"""Streams a watcher's events in the order of acceptance; called again where a failure is looked at closer."""


def judge_events(expect: Expect, events: Events) -> Judgement:
    """
    Judge *expect*, whose subject is one watcher, against *events*.
    """
    seen = _gather(expect, events())
    if expect.none is not None:
        return _judge_none(expect.none, seen)
    judgement = (
        _judge_count(expect, seen, events)
        or _judge_each(expect, seen)
        or _judge_any(expect, seen)
        or _judge_in_order(expect, seen)
        or _judge_distinct(expect, seen)
        or _judge_latency(expect, seen)
    )
    if judgement is not None:
        return judgement
    return Judgement(True, selected=seen.selected, covered=_covers(expect, seen), exact=_is_exact(expect))


def _is_exact(expect: Expect) -> bool:
    return expect.count is not None and expect.count.max is not None


def _covers(expect: Expect, seen: _Pass) -> frozenset[int] | None:
    if expect.any is not None and expect.count is None and expect.each is None and expect.in_order is None:
        return frozenset() if seen.any_number is None else frozenset({seen.any_number})
    return None if expect.where is None else frozenset(seen.numbers)


def _gather(expect: Expect, events: Iterable[AcceptedEvent]) -> _Pass:
    seen = _Pass()
    distinct: set[tuple[str | None, ...]] = set()
    for event in events:
        if expect.none is not None:
            if not match_event(expect.none, event.event) and seen.unwanted is None:
                seen.unwanted = event
            continue
        if expect.where is not None:
            differing = match_event(expect.where, event.event)
            if differing:
                _nearer(seen, event, differing)
                continue
            seen.numbers.add(event.number)
        seen.selected += 1
        _gather_selected(expect, event, seen, distinct)
    return seen


def _gather_selected(expect: Expect, event: AcceptedEvent, seen: _Pass, distinct: set[tuple[str | None, ...]]) -> None:
    if expect.each is not None and seen.first_different is None:
        differing = match_event(expect.each, event.event)
        if differing:
            seen.first_different = (event, differing)
    if expect.any is not None and seen.any_number is None:
        differing = match_event(expect.any, event.event)
        if differing:
            _nearer(seen, event, differing)
        else:
            seen.any_number = event.number
    if expect.in_order is not None:
        seen.in_order.append(event)
    if expect.distinct is not None:
        values = tuple(_value_of(name, event.event) for name in expect.distinct)
        if values in distinct and seen.not_distinct is None:
            seen.not_distinct = event
        distinct.add(values)
    if expect.latency is not None:
        _gather_latency(expect, event, seen)


def _value_of(name: str, event: ReceivedEvent) -> str | None:
    return event.data.hex() if name == "data" else event.attributes.get(name)


def _gather_latency(expect: Expect, event: AcceptedEvent, seen: _Pass) -> None:
    happened = instant_of(event.event.attributes.get("time"))
    if expect.latency is None or happened is None:
        return
    latency_s = round(event.at - happened.timestamp(), 6)
    if latency_s > expect.latency.max and seen.too_slow is None:
        seen.too_slow = (event, latency_s)
    if latency_s < expect.latency.min and seen.too_fast is None:
        seen.too_fast = (event, latency_s)


def _nearer(seen: _Pass, event: AcceptedEvent, differing: list[Mismatch]) -> None:
    if seen.nearest is None or len(differing) < len(seen.nearest[1]):
        seen.nearest = (event, differing)


def _judge_none(unwanted: Mapping[str, Any], seen: _Pass) -> Judgement:
    if seen.unwanted is None:
        return Judgement(True, exact=True)
    what = f" like {show(dict(unwanted))}" if unwanted else ""
    text = f"no event{what} may come, and one did: {describe(seen.unwanted)}"
    return Judgement(False, "unexpected", text, nearest=seen.unwanted)


def _judge_count(expect: Expect, seen: _Pass, events: Events) -> Judgement | None:
    count = expect.count
    if count is None:
        return None
    wanted = _wanted_count(count.min, count.max)
    if seen.selected < count.min:
        return _different(seen, "missing", f"expected {wanted}, got {seen.selected}")
    if count.max is not None and seen.selected > count.max:
        twice = _accepted_twice(expect, events)
        if twice is not None:
            text = f"expected {wanted}, got {seen.selected}; one of them twice: {describe(twice)}"
            return Judgement(False, "duplicate", text, nearest=twice)
        return Judgement(False, "unexpected", f"expected {wanted}, got {seen.selected}")
    return None


def _accepted_twice(expect: Expect, events: Events) -> AcceptedEvent | None:
    keys: set[tuple[str, str]] = set()
    for event in events():
        if expect.where is None or not match_event(expect.where, event.event):
            if event.event.key in keys:
                return event
            keys.add(event.event.key)
    return None


def _wanted_count(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more events"
    return f"{least} {'event' if least == 1 else 'events'}" if least == most else f"{least} to {most} events"


def _different(seen: _Pass, reason: str, text: str) -> Judgement:
    if seen.nearest is None:
        return Judgement(False, reason, text, selected=seen.selected)
    event, mismatches = seen.nearest
    return Judgement(False, reason, text, tuple(mismatches), event, seen.selected)


def _judge_each(expect: Expect, seen: _Pass) -> Judgement | None:
    if expect.each is None:
        return None
    if seen.first_different is not None:
        event, mismatches = seen.first_different
        text = "; ".join(map(str, mismatches))
        return Judgement(False, "accepted-different", text, tuple(mismatches), event, seen.selected)
    if not seen.selected and (expect.count is None or expect.count.min > 0):
        return _different(seen, "missing", "expected each event to match, and there is none")
    return None


def _judge_any(expect: Expect, seen: _Pass) -> Judgement | None:
    if expect.any is None or seen.any_number is not None:
        return None
    what = f"expected an event like {show(expect.any)}"
    if not seen.selected:
        return _different(seen, "missing", f"{what}, and there is none")
    return _different(seen, "accepted-different", f"{what}; none of {seen.selected} is")


def _judge_in_order(expect: Expect, seen: _Pass) -> Judgement | None:
    wanted = expect.in_order
    if wanted is None:
        return None
    events = seen.in_order
    matched = _follow(wanted, events, gaps=expect.gaps == "allow")
    if matched == len(wanted) and (expect.gaps == "allow" or len(events) == len(wanted)):
        return None
    if matched == len(wanted):
        extra = events[len(wanted)]
        return Judgement(False, "unexpected", f"after the expected {len(wanted)} came {describe(extra)}", nearest=extra)
    if _matches_in_some_order(wanted, events):
        text = f"every event came, but number {matched + 1} was not {show(wanted[matched])}"
        return Judgement(False, "reordered", text, nearest=events[matched] if matched < len(events) else None)
    if len(events) < len(wanted):
        text = f"expected {len(wanted)} events in order, got {len(events)}; number {matched + 1} is missing"
        return _nearest_of(wanted[matched], events[matched:], "missing", text)
    text = f"number {matched + 1} is not {show(wanted[matched])}"
    return _nearest_of(wanted[matched], events[matched:], "accepted-different", text)


def _follow(wanted: Sequence[Mapping[str, Any]], events: Sequence[AcceptedEvent], *, gaps: bool) -> int:
    """
    How many of *wanted* are met, in order.
    """
    matched = 0
    for event in events:
        if matched == len(wanted):
            break
        if not match_event(wanted[matched], event.event):
            matched += 1
        elif not gaps:
            break
    return matched


def _matches_in_some_order(wanted: Sequence[Mapping[str, Any]], events: Sequence[AcceptedEvent]) -> bool:
    left = list(events)
    for expected in wanted:
        found = next((event for event in left if not match_event(expected, event.event)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _nearest_of(expected: Mapping[str, Any], events: Sequence[AcceptedEvent], reason: str, text: str) -> Judgement:
    if not events:
        return Judgement(False, reason, text)
    nearest = min(events, key=lambda event: len(match_event(expected, event.event)))
    return Judgement(False, reason, text, tuple(match_event(expected, nearest.event)), nearest)


def _judge_distinct(expect: Expect, seen: _Pass) -> Judgement | None:
    if expect.distinct is None or seen.not_distinct is None:
        return None
    names = ", ".join(expect.distinct)
    text = f"two events are equal in {names}: {describe(seen.not_distinct)}"
    return Judgement(False, "duplicate", text, nearest=seen.not_distinct)


def _judge_latency(expect: Expect, seen: _Pass) -> Judgement | None:
    if expect.latency is None:
        return None
    if seen.too_slow is not None:
        event, latency_s = seen.too_slow
        text = f"{describe(event)} took {latency_s:g} s, more than {expect.latency.max:g} s"
        return Judgement(False, "late", text, nearest=event)
    if seen.too_fast is not None:
        event, latency_s = seen.too_fast
        text = f"{describe(event)} took {latency_s:g} s, less than {expect.latency.min:g} s"
        return Judgement(False, "unexpected", text, nearest=event)
    return None


def judge_same(expect: Expect, events: Mapping[str, list[AcceptedEvent]]) -> Judgement:
    """
    Judge an expectation that compares watchers: the same number of events, equal one by one in what `same` names.
    """
    names = expect.same or ()
    (first, ours), *others = events.items()
    for other, theirs in others:
        if len(ours) != len(theirs):
            text = f"{first} accepted {len(ours)} events, {other} {len(theirs)}"
            return Judgement(False, "missing", text)
        for number, (one, two) in enumerate(zip(ours, theirs, strict=True), 1):
            differing = [name for name in names if _value_of(name, one.event) != _value_of(name, two.event)]
            if differing:
                return _judge_unequal(names, number, differing, ours, theirs)
    return Judgement(True, selected=len(ours), covered=None)


def _judge_unequal(
    names: Sequence[str], number: int, differing: list[str], ours: list[AcceptedEvent], theirs: list[AcceptedEvent]
) -> Judgement:
    def values(events: list[AcceptedEvent]) -> list[tuple[str, ...]]:
        return sorted(tuple(str(_value_of(name, event.event)) for name in names) for event in events)

    one, two = ours[number - 1], theirs[number - 1]
    where = f"{describe(one)} at {one.watcher}, {describe(two)} at {two.watcher}"
    text = f"event {number} differs in {', '.join(differing)}: {where}"
    return Judgement(False, "reordered" if values(ours) == values(theirs) else "accepted-different", text, nearest=two)


def describe(accepted: AcceptedEvent) -> str:
    """
    An event in a few words.
    """
    attributes = accepted.event.attributes
    subject = f" subject {attributes['subject']}" if "subject" in attributes else ""
    data = accepted.event.data.decode("utf-8", "backslashreplace")
    shown = f" data {data if len(data) <= 80 else data[:79] + '…'}" if data else ""
    return f"{attributes.get('source', '?')}{subject}{shown} (id {attributes.get('id', '?')[:36]})"
