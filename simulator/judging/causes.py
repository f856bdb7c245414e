"""
Causes: how far the events got that an expectation misses; read from the ledger.

The order of the questions is the order of the way: published, received, dispatched, accepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, UUID, uuid5

from simulator.ledger import Ledger
from simulator.verdict import Reason

_OLD_ID = re.compile(r"[0-9a-f]{72}")
_KINDS = frozenset(
    {"published", "requested", "received", "attempted", "offered", "accepted", "invalid", "died", "settled"}
)
_BROKERS = frozenset({"NATS", "Kafka"})
"""What a gateway calls who accepts in place of its watchers, where it dispatches to a broker."""


@dataclass(slots=True)
class _Way:
    """
    What was seen since some observation, from one watcher's point of view.
    """

    stimuli: int = 0
    not_taken: str = ""
    received: dict[str, str] = field(default_factory=dict)
    """Event id to configuration, of events that this watcher has not accepted."""
    total_received: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    """Event id to what the last attempt at this watcher met."""
    unanswered: dict[str, str] = field(default_factory=dict)
    from_old_id: dict[str, str] = field(default_factory=dict)
    """The id of an event as it was received, by the form that the 0.1 envelope gives it."""
    invalid: str = ""
    gateway_died: str = ""
    service_died: str = ""


def why_missing(ledger: Ledger, watcher: str, *, since: int, gateways: frozenset[str]) -> Reason:
    """
    Why *watcher* has fewer events than expected, judging by what was seen from observation *since* on.

    Args:
        ledger: Of the scenario.
        watcher: Its name.
        since: Number of the first observation to look at.
        gateways: Those that dispatch to it.
    """
    way = _walk(ledger, watcher, since, gateways)
    if way.gateway_died:
        return Reason("gateway-died", way.gateway_died)
    if way.not_taken:
        return Reason("not-published", way.not_taken)
    if way.invalid:
        return Reason("invalid-cloudevent", way.invalid)
    if way.refused:
        return Reason("dispatched-not-accepted", _tried(watcher, way.refused))
    if way.unanswered:
        return Reason("dispatched-not-accepted", _tried(watcher, way.unanswered))
    if way.received:
        id, configuration = next(iter(way.received.items()))
        text = (
            f"{len(way.received)} received and never offered to {watcher}; the first by {configuration} (id {id[:36]})"
        )
        return Reason("received-not-dispatched", text)
    if way.service_died:
        return Reason("service-died", way.service_died)
    return Reason("not-received", _not_received(way))


def _not_received(way: _Way) -> str:
    if not way.stimuli:
        return f"the gateway took in {_events(way.total_received)}, all of which arrived"
    stimuli = "1 stimulus was" if way.stimuli == 1 else f"{way.stimuli} stimuli were"
    return f"{stimuli} published, the gateway took in {_events(way.total_received)}"


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


def _tried(watcher: str, tried: dict[str, str]) -> str:
    id, cause = next(iter(tried.items()))
    return f"{watcher} was asked for {_events(len(tried))}: {cause} (id {id[:36]})"


def _walk(ledger: Ledger, watcher: str, since: int, gateways: frozenset[str]) -> _Way:
    way = _Way()
    for observation in ledger.observations(since=since, kinds=_KINDS):
        facts = observation.facts
        match observation.kind:
            case "published":
                way.stimuli += 1
                if facts[4]:
                    way.not_taken = f"{facts[1]}: {facts[4]}"
            case "requested":
                way.stimuli += 1
            case "received" if facts[0] in gateways:
                way.total_received += 1
                way.received[facts[3]] = f"{facts[0]}/{facts[1]}"
                way.from_old_id[_old_form(facts[3])] = facts[3]
            case "attempted" if facts[3] == watcher or (facts[3] in _BROKERS and facts[0] in gateways):
                way.received.pop(facts[2], None)
                way.refused[facts[2]] = f"attempt {facts[4]}: {facts[6]}"
            case "offered" if facts[0] == watcher:
                id = _as_received(way, facts[2])
                way.received.pop(id, None)
                way.unanswered[id] = f"answered {facts[3]}" if facts[3].isdigit() else facts[3]
            case "accepted" if facts[0] == watcher:
                _accepted(way, facts[1].get("id", ""))
            case "invalid" if facts[0] == watcher:
                way.invalid = facts[1]
            case "died":
                if facts[0] in gateways:
                    way.gateway_died = f"{facts[0]}: {facts[1]}"
                else:
                    way.service_died = f"{facts[0]}: {facts[1]}"
    return way


def _accepted(way: _Way, id: str) -> None:
    id = _as_received(way, id)
    for gone in (way.received, way.refused, way.unanswered):
        gone.pop(id, None)


def _as_received(way: _Way, id: str) -> str:
    """
    The id that the gateway gave the event which a watcher knows as *id*.
    """
    return way.from_old_id.get(id, id) if _OLD_ID.fullmatch(id) else id


def _old_form(id: str) -> str:
    """
    *id* as the 0.1 envelope has it: the text of a UUID of version 4, in hexadecimal digits.

    Source: R-PIP-6.
    """
    try:
        number = UUID(id)
    except ValueError:
        number = uuid5(NAMESPACE_URL, id)
    return str(UUID(bytes=number.bytes, version=4)).encode().hex()
