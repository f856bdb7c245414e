"""
Ledger: everything that was seen, in order, with its instant; append-only and flat in memory.

Steps, sensors, services and the gateway's observer write; matchers, checkers, judges and reports only read, by
streaming. Past so many observations the older ones move to a temporary file.
"""

from __future__ import annotations

import hashlib
import marshal
import tempfile
from array import array
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import IO, Any, Literal, NamedTuple

from simulator.cloudevents_spec import ReceivedEvent

Kind = Literal[
    "step",        # (step kind, line)
    "published",   # (stimulus number, service, coordinates, payload, outcome, verb, headers): it was taken, or was not
    "requested",   # (stimulus number, gateway, method and path, payload)
    "answered",    # (stimulus number, status or None, body or cause)
    "received",    # (gateway, configuration, source, id)
    "attempted",   # (gateway, configuration, id, watcher, attempt, certainty, cause); only what was not accepted
    "settled",     # (gateway, configuration, id, accepted, cause)
    "offered",     # (watcher, source, id, answer); only what was not accepted at once
    "accepted",    # (watcher, attributes, data, data form, mode, place in the broker it came over)
    "invalid",     # (watcher, clauses, excerpt): a request that is no valid CloudEvent
    "status",      # (gateway, configuration, node id, phase or Removed, message)
    "fault",       # (service or watcher, what, on)
    "died",        # (gateway or service, cause)
    "proof",       # (line, proof used)
    "note",        # (text,)
]  # fmt: skip

IN_MEMORY_MAX = 50_000
_CHUNK = 10_000


class Observation(NamedTuple):
    """
    One fact. What `facts` holds depends on `kind`; see Kind.
    """

    number: int
    at: float
    """Scenario time, seconds since 1970."""
    kind: Kind
    facts: tuple[Any, ...]


class AcceptedEvent(NamedTuple):
    """
    An event that a watcher accepted, as read back from the ledger.
    """

    number: int
    """Of its observation."""
    at: float
    watcher: str
    event: ReceivedEvent


class _Chunk(NamedTuple):
    first: int
    size: int
    """Observations."""
    offset: int
    length: int
    """Bytes."""
    kinds: frozenset[str]


class _Watched:
    """
    Which observations are a watcher's accepted events, and which of those an expectation has covered.
    """

    __slots__ = ("covered", "first_open", "numbers")

    def __init__(self) -> None:
        self.numbers = array("Q")
        self.covered = bytearray()
        self.first_open = 0


class Ledger:
    """
    The record of one scenario.

    Args:
        now: Reads scenario time.
        in_memory_max: Observations kept in memory before the older ones are written to a file.
    """

    def __init__(self, now: Callable[[], datetime], *, in_memory_max: int = IN_MEMORY_MAX) -> None:
        self._now = now
        self._instant: datetime | None = None
        self._at = 0.0
        """Of the last observation; under virtual time many share one."""
        self._recent: list[Observation] = []
        self._spilled = 0
        self._chunks: list[_Chunk] = []
        self._file: IO[bytes] | None = None
        self._in_memory_max = in_memory_max
        self._watched: dict[str, _Watched] = {}
        self._listeners: list[Callable[[Observation], None]] = []
        self._digest = hashlib.sha256()
        self.accepted_total = 0
        self.offered: dict[str, int] = {}
        """Requests that each watcher has seen, accepted or not."""

    def __len__(self) -> int:
        return self._spilled + len(self._recent)

    def record(self, kind: Kind, *facts: Any) -> int:
        """
        Append one observation.

        Returns:
            Its number.
        """
        number = self._spilled + len(self._recent)
        now = self._now()
        if now is not self._instant:
            self._instant, self._at = now, now.timestamp()
        observation = Observation(number, self._at, kind, facts)
        self._recent.append(observation)
        if len(self._recent) > self._in_memory_max:
            self._spill()
        for listener in self._listeners:
            listener(observation)
        return number

    def accept(self, watcher: str, event: ReceivedEvent) -> None:
        """
        Record that *watcher* accepted *event*.
        """
        number = self.record(
            "accepted", watcher, event.attributes, event.data, event.data_form, event.mode, tuple(event.message.items())
        )
        watched = self._watched.setdefault(watcher, _Watched())
        watched.numbers.append(number)
        watched.covered.append(0)
        self.accepted_total += 1
        attributes = [f"{name}={value}" for name, value in sorted(event.attributes.items())]
        self._digest.update("\0".join((watcher, event.data_form, *attributes, "")).encode("utf-8", "surrogatepass"))
        self._digest.update(event.data)

    def offer(self, watcher: str) -> None:
        """
        Count one request that *watcher* has seen.
        """
        self.offered[watcher] = self.offered.get(watcher, 0) + 1

    def listen(self, listener: Callable[[Observation], None]) -> Callable[[], None]:
        """
        Have *listener* called with each new observation, in the turn in which it is recorded.

        Returns:
            Call it to stop.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def observations(self, *, since: int = 0, kinds: frozenset[str] | None = None) -> Iterator[Observation]:
        """
        Observations from number *since* on, oldest first; only of *kinds* where given.
        """
        for chunk in self._chunks:
            if chunk.first + chunk.size > since and (kinds is None or kinds & chunk.kinds):
                for observation in self._read(chunk):
                    if observation.number >= since and (kinds is None or observation.kind in kinds):
                        yield observation
        for observation in self._recent[max(0, since - self._spilled) :]:
            if kinds is None or observation.kind in kinds:
                yield observation

    def accepted(self, watcher: str, *, uncovered_only: bool) -> Iterator[AcceptedEvent]:
        """
        What *watcher* accepted, in order; without what an expectation covered where *uncovered_only*.
        """
        watched = self._watched.get(watcher)
        if watched is None or (watched.first_open >= len(watched.numbers) > 0 and uncovered_only):
            return
        index = watched.first_open if uncovered_only else 0
        if index >= len(watched.numbers):
            return
        for observation in self.observations(since=watched.numbers[index], kinds=_ACCEPTED):
            if observation.facts[0] == watcher:
                if not (uncovered_only and watched.covered[index]):
                    name, attributes, data, form, mode, place = observation.facts
                    event = ReceivedEvent(attributes, data, form, mode, dict(place))
                    yield AcceptedEvent(observation.number, observation.at, name, event)
                index += 1

    def cover(self, watcher: str, numbers: set[int] | None) -> None:
        """
        Mark events of *watcher* as covered by an expectation; all of them for None.
        """
        watched = self._watched.get(watcher)
        if watched is None:
            return
        if numbers is None:
            watched.covered = bytearray(b"\x01") * len(watched.numbers)
        else:
            for index in range(watched.first_open, len(watched.numbers)):
                if watched.numbers[index] in numbers:
                    watched.covered[index] = 1
        while watched.first_open < len(watched.covered) and watched.covered[watched.first_open]:
            watched.first_open += 1

    def uncovered(self, watcher: str) -> int:
        """
        How many accepted events of *watcher* no expectation has covered.
        """
        watched = self._watched.get(watcher)
        return watched.covered.count(0) if watched is not None else 0

    def accepted_count(self, watcher: str) -> int:
        """
        How many events *watcher* has accepted.
        """
        watched = self._watched.get(watcher)
        return len(watched.numbers) if watched is not None else 0

    @property
    def watchers(self) -> tuple[str, ...]:
        """
        Every watcher that accepted something.
        """
        return tuple(self._watched)

    @property
    def sha256(self) -> str:
        """
        Over all accepted events in order: watcher, attributes, payload.
        """
        return self._digest.hexdigest()

    def close(self) -> None:
        """
        Remove the temporary file.
        """
        if self._file is not None:
            self._file.close()
            self._file = None

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="gatesim-ledger-")  # noqa: SIM115 - closed in close()
        chunk = self._recent[:_CHUNK]
        del self._recent[:_CHUNK]
        packed = marshal.dumps([tuple(observation) for observation in chunk])
        kinds = frozenset(observation.kind for observation in chunk)
        self._chunks.append(_Chunk(chunk[0].number, len(chunk), self._file.seek(0, 2), len(packed), kinds))
        self._file.write(packed)
        self._spilled += len(chunk)

    def _read(self, chunk: _Chunk) -> list[Observation]:
        assert self._file is not None
        self._file.seek(chunk.offset)
        return [Observation(*facts) for facts in marshal.loads(self._file.read(chunk.length))]


_ACCEPTED = frozenset({"accepted"})
