"""
PartitionLog: the batches of one partition in their order, what idempotent producers sent last, and who waits for more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from simulator.services.embedded.kafka.batches import Batch, first_at, placed
from simulator.services.embedded.kafka.errors import (
    INVALID_PRODUCER_EPOCH,
    OFFSET_OUT_OF_RANGE,
    OUT_OF_ORDER_SEQUENCE_NUMBER,
    Refused,
)

_REMEMBERED = 5
"""Batches of one producer that are known again, as in Apache Kafka: as many as it may have in flight."""
_SEQUENCES = 1 << 31


@dataclass(slots=True)
class _Producer:
    epoch: int
    batches: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    """First and last sequence number, and the base offset it was given."""


class PartitionLog:
    """
    One partition.

    Args:
        leader: Number of the broker that leads it.
    """

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self.leader_epoch = 0
        self.start = 0
        """The first offset that can be read."""
        self.end = 0
        """The offset of the next record."""
        self._batches: list[Batch] = []
        self._lasts: list[int] = []
        self._producers: dict[int, _Producer] = {}
        self._waiters: set[Callable[[], None]] = set()

    def __getstate__(self) -> dict[str, Any]:
        """
        All but who waits, which is of this process.
        """
        return {**self.__dict__, "_waiters": set()}

    def append(self, batches: Iterable[Batch]) -> int:
        """
        Append *batches* and wake who waits.

        Returns:
            The offset of the first record; where a batch was sent again, the one that it got the first time.

        Raises:
            Refused: A producer's sequence numbers do not fit; earlier batches of the same call stay.
        """
        first: int | None = None
        for batch in batches:
            base = self._known(batch) if batch.producer >= 0 else None
            if base is None:
                base = self._add(batch)
            first = base if first is None else first
        assert first is not None
        self.wake()
        return first

    def read(self, offset: int, bytes_max: int) -> bytes:
        """
        Whole batches from the one that holds *offset* on: at least one where there is any, else up to *bytes_max*.

        Raises:
            Refused: The log does not hold that offset.
        """
        if not self.start <= offset <= self.end:
            raise Refused(OFFSET_OUT_OF_RANGE)
        found: list[bytes] = []
        size = 0
        for batch in self._batches[bisect_left(self._lasts, offset) :]:
            size += len(batch.raw)
            if found and size > bytes_max:
                break
            found.append(batch.raw)
        return b"".join(found)

    def first_at(self, timestamp_ms: int) -> tuple[int, int] | None:
        """
        Offset and timestamp of the first record that is not older than *timestamp_ms*; None where there is none.
        """
        for batch in self._batches:
            if batch.timestamp_max >= timestamp_ms and batch.last >= self.start:
                found = first_at(batch, timestamp_ms)
                if found is not None:
                    return max(found[0], self.start), found[1]
        return None

    def forget_before(self, offset: int) -> None:
        """
        Let the log begin at *offset*, as when its retention is over.

        Raises:
            Refused: The log does not reach so far.
        """
        if not 0 <= offset <= self.end:
            raise Refused(OFFSET_OUT_OF_RANGE)
        self.start = max(self.start, offset)
        gone = bisect_left(self._lasts, self.start)
        del self._batches[:gone], self._lasts[:gone]
        self.wake()

    def lead_by(self, leader: int) -> None:
        """
        Give the partition another leader.
        """
        self.leader = leader
        self.leader_epoch += 1
        self.wake()

    def wait(self, changed: Callable[[], None]) -> None:
        """
        Call *changed* at each change, until `forget`.
        """
        self._waiters.add(changed)

    def forget(self, changed: Callable[[], None]) -> None:
        """
        Undo `wait`.
        """
        self._waiters.discard(changed)

    def wake(self) -> None:
        """
        Have everybody who waits look again.
        """
        for changed in tuple(self._waiters):
            changed()

    def _add(self, batch: Batch) -> int:
        base = self.end
        added = placed(batch, base, self.leader_epoch)
        self._batches.append(added)
        self._lasts.append(added.last)
        self.end = added.last + 1
        if batch.producer >= 0:
            last = (batch.sequence + batch.last_delta) % _SEQUENCES
            self._producers[batch.producer].batches.append((batch.sequence, last, base))
        return base

    def _known(self, batch: Batch) -> int | None:
        """
        The base offset of a batch that was sent before; None for a new one, whose sequence number then fits.
        """
        producer = self._producers.get(batch.producer)
        if producer is None:
            self._producers[batch.producer] = _Producer(batch.epoch)
            return None
        if batch.epoch < producer.epoch:
            raise Refused(INVALID_PRODUCER_EPOCH)
        if batch.epoch > producer.epoch:
            if batch.sequence != 0:
                raise Refused(OUT_OF_ORDER_SEQUENCE_NUMBER)
            self._producers[batch.producer] = _Producer(batch.epoch)
            return None
        last = (batch.sequence + batch.last_delta) % _SEQUENCES
        for sent in producer.batches:
            if sent[:2] == (batch.sequence, last):
                return sent[2]
        if producer.batches and batch.sequence != (producer.batches[-1][1] + 1) % _SEQUENCES:
            raise Refused(OUT_OF_ORDER_SEQUENCE_NUMBER)
        return None
