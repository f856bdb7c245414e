"""
One partition's log: offsets, sequence numbers, time, retention.
"""

from __future__ import annotations

import pytest

from simulator.services.embedded.kafka.batches import Batch, NewRecord, cut, made
from simulator.services.embedded.kafka.errors import (
    CORRUPT_MESSAGE,
    INVALID_PRODUCER_EPOCH,
    OFFSET_OUT_OF_RANGE,
    OUT_OF_ORDER_SEQUENCE_NUMBER,
    UNSUPPORTED_FOR_MESSAGE_FORMAT,
    Refused,
)
from simulator.services.embedded.kafka.partition import PartitionLog


def batch(number: int = 1, *, sequence: int = -1, producer: int = -1, epoch: int = 0, stamp: int = 0) -> Batch:
    records = [NewRecord(stamp + i, None, b"%d" % i) for i in range(number)]
    return made(records)._replace(producer=producer, epoch=epoch, sequence=sequence)


def refused(log: PartitionLog, each: Batch) -> int:
    with pytest.raises(Refused) as error:
        log.append([each])
    return error.value.code


def test_batches_get_the_next_offsets_and_are_read_whole() -> None:
    log = PartitionLog(1)
    assert [log.append([batch(3)]), log.append([batch(2)])] == [0, 3]
    assert [each.base for each in cut(log.read(0, 1_000_000))] == [0, 3]
    assert [each.base for each in cut(log.read(1, 1))] == [0]
    assert log.read(5, 100) == b""
    with pytest.raises(Refused) as beyond:
        log.read(6, 100)
    assert beyond.value.code == OFFSET_OUT_OF_RANGE


def test_a_batch_that_is_sent_again_keeps_the_offset_it_got() -> None:
    log = PartitionLog(1)
    first, second = batch(2, sequence=0, producer=7), batch(1, sequence=2, producer=7)
    assert [log.append([first]), log.append([second]), log.append([first]), log.append([second])] == [0, 2, 0, 2]
    assert log.end == 3


def test_a_gap_in_the_sequence_and_an_old_epoch_are_refused() -> None:
    log = PartitionLog(1)
    log.append([batch(2, sequence=0, producer=7, epoch=1)])
    assert refused(log, batch(1, sequence=3, producer=7, epoch=1)) == OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(log, batch(1, sequence=2, producer=7, epoch=0)) == INVALID_PRODUCER_EPOCH
    assert refused(log, batch(1, sequence=1, producer=7, epoch=2)) == OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append([batch(1, sequence=0, producer=7, epoch=2)]) == 2


def test_what_retention_took_is_gone_and_time_finds_what_is_left() -> None:
    log = PartitionLog(1)
    for stamp in (100, 200, 300):
        log.append([batch(1, stamp=stamp)])
    assert log.first_at(150) == (1, 200)
    log.forget_before(2)
    assert (log.start, log.end, log.first_at(0)) == (2, 3, (2, 300))
    with pytest.raises(Refused):
        log.read(1, 100)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda raw: raw[:-1], CORRUPT_MESSAGE),
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), CORRUPT_MESSAGE),
        (lambda raw: raw[:16] + b"\x01" + raw[17:], UNSUPPORTED_FOR_MESSAGE_FORMAT),
        (lambda raw: b"", CORRUPT_MESSAGE),
        (lambda raw: raw[:5], CORRUPT_MESSAGE),
    ],
)
def test_damaged_records_are_refused(damage: object, code: int) -> None:
    raw = damage(batch(2).raw)  # type: ignore[operator]
    with pytest.raises(Refused) as error:
        list(cut(raw))
    assert error.value.code == code
