"""
The ledger: order, covering, spilling.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from simulator.cloudevents_spec import ReceivedEvent
from simulator.ledger import _CHUNK, Ledger

AT = datetime(2018, 10, 7, tzinfo=UTC)


def event(number: int) -> ReceivedEvent:
    return ReceivedEvent({"id": str(number), "source": "s"}, b"x", "text", "structured")


def filled(count: int, in_memory_max: int) -> Ledger:
    ledger = Ledger(lambda: AT, in_memory_max=in_memory_max)
    for number in range(count):
        ledger.record("note", number)
        ledger.accept("ab"[number % 2], event(number))
    return ledger


@pytest.mark.parametrize("in_memory_max", [100_000, _CHUNK, _CHUNK + 7])
def test_what_was_spilled_reads_like_what_was_not(in_memory_max: int) -> None:
    ledger = filled(15_000, in_memory_max)
    assert [o.number for o in ledger.observations()] == list(range(30_000))
    assert [e.event.attributes["id"] for e in ledger.accepted("b", uncovered_only=False)] == [
        str(n) for n in range(1, 15_000, 2)
    ]
    assert [o.facts[0] for o in ledger.observations(since=29_990, kinds=frozenset({"note"}))] == [
        14995,
        14996,
        14997,
        14998,
        14999,
    ]
    ledger.close()


def test_memory_holds_no_more_than_it_may() -> None:
    ledger = filled(50_000, _CHUNK)
    assert len(ledger._recent) <= _CHUNK
    assert len(ledger) == 100_000
    ledger.close()


def test_covered_events_are_not_seen_again() -> None:
    ledger = filled(10, 1000)
    numbers = [e.number for e in ledger.accepted("a", uncovered_only=True)]
    ledger.cover("a", {numbers[0], numbers[2]})
    assert [e.number for e in ledger.accepted("a", uncovered_only=True)] == [numbers[1], numbers[3], numbers[4]]
    assert ledger.uncovered("a") == 3
    ledger.cover("a", None)
    assert list(ledger.accepted("a", uncovered_only=True)) == []
    assert ledger.uncovered("b") == 5


def test_events_after_a_cover_are_open_again() -> None:
    ledger = filled(4, 1000)
    ledger.cover("a", None)
    ledger.accept("a", event(99))
    assert [e.event.attributes["id"] for e in ledger.accepted("a", uncovered_only=True)] == ["99"]
    assert ledger.accepted_count("a") == 3


def test_the_digest_depends_on_every_event_and_its_order() -> None:
    def digest(*numbers: int) -> str:
        ledger = Ledger(lambda: AT)
        for number in numbers:
            ledger.accept("a", event(number))
        return ledger.sha256

    assert digest(1, 2) == digest(1, 2)
    assert len({digest(1, 2), digest(2, 1), digest(1), digest()}) == 4


def test_a_listener_sees_what_comes_until_it_is_taken_off() -> None:
    ledger, seen = Ledger(lambda: AT), []
    off = ledger.listen(lambda observation: seen.append(observation.kind))
    ledger.record("note", 1)
    off()
    ledger.record("note", 2)
    assert seen == ["note"]


def test_an_unknown_watcher_has_nothing() -> None:
    ledger = Ledger(lambda: AT)
    ledger.cover("nobody", None)
    assert list(ledger.accepted("nobody", uncovered_only=False)) == []
    assert ledger.uncovered("nobody") == 0
