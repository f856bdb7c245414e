"""
Record batches as bytes: cut apart, checked, given their place in a log, and made anew.

A batch is stored as it came; only its base offset and leader epoch, which its checksum leaves out, are written into it.

Source: Apache Kafka, "Record Batch" (message format v2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simulator.services.embedded.kafka.errors import CORRUPT_MESSAGE, UNSUPPORTED_FOR_MESSAGE_FORMAT, Refused
from simulator.services.embedded.kafka.library import DefaultRecordBatch, MemoryRecords, MemoryRecordsBuilder

_HEADER = struct.Struct(">qiibIhiqqqhii")
_MAGIC = 2
_MAGIC_AT = 16
_CONTENT_AT = 12
"""What the length does not count: itself and the base offset."""


class Batch(NamedTuple):
    """
    One batch.
    """

    raw: bytes
    base: int
    """Offset of its first record."""
    last_delta: int
    timestamp_max: int
    """Milliseconds since 1970."""
    producer: int
    """-1 for a producer without idempotence."""
    epoch: int
    sequence: int

    @property
    def last(self) -> int:
        """
        Offset of its last record.
        """
        return self.base + self.last_delta


class NewRecord(NamedTuple):
    """
    One record to be put into a batch.
    """

    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def cut(records: bytes) -> Iterator[Batch]:
    """
    The batches in *records*, checked.

    Raises:
        Refused: They are damaged, or of an older format.
    """
    view, at = memoryview(records), 0
    if not records:
        raise Refused(CORRUPT_MESSAGE)
    while at < len(view):
        if len(view) - at <= _MAGIC_AT:
            raise Refused(CORRUPT_MESSAGE)
        if view[at + _MAGIC_AT] != _MAGIC:
            raise Refused(UNSUPPORTED_FOR_MESSAGE_FORMAT)
        if len(view) - at < _HEADER.size:
            raise Refused(CORRUPT_MESSAGE)
        base, length, _, _, _, _, last_delta, _, latest, producer, epoch, sequence, count = _HEADER.unpack_from(
            view, at
        )
        end = at + _CONTENT_AT + length
        if end > len(view) or length < _HEADER.size - _CONTENT_AT or count < 1 or last_delta < 0:
            raise Refused(CORRUPT_MESSAGE)
        if not DefaultRecordBatch(view[at:end]).validate_crc():
            raise Refused(CORRUPT_MESSAGE)
        yield Batch(bytes(view[at:end]), base, last_delta, latest, producer, epoch, sequence)
        at = end


def placed(batch: Batch, base: int, leader_epoch: int) -> Batch:
    """
    *batch* at its place in a log.
    """
    raw = bytearray(batch.raw)
    struct.pack_into(">q", raw, 0, base)
    struct.pack_into(">i", raw, _CONTENT_AT, leader_epoch)
    return batch._replace(raw=bytes(raw), base=base)


def first_at(batch: Batch, timestamp_ms: int) -> tuple[int, int] | None:
    """
    Offset and timestamp of the first record of *batch* that is not older than *timestamp_ms*.
    """
    for part in MemoryRecords(batch.raw):
        for record in part:
            if record.timestamp >= timestamp_ms:
                return record.offset, record.timestamp
    return None


def records_of(batch: Batch) -> list[NewRecord]:
    """
    The records of *batch*.
    """
    return [
        NewRecord(record.timestamp, record.key, record.value, tuple(record.headers))
        for part in MemoryRecords(batch.raw)
        for record in part
    ]


def made(records: Sequence[NewRecord]) -> Batch:
    """
    One batch of *records*, at least one.
    """
    room = sum(len(each.key or b"") + len(each.value or b"") for each in records) + 1_000 * len(records)
    builder = MemoryRecordsBuilder(_MAGIC, 0, room + sum(len(v) for each in records for _, v in each.headers))
    for record in records:
        builder.append(record.timestamp_ms, record.key, record.value, list(record.headers))
    builder.close()
    raw = bytes(builder.buffer())
    latest = max(record.timestamp_ms for record in records)
    return Batch(raw, 0, len(records) - 1, latest, -1, -1, -1)
