"""
PartitionReader: the messages of one partition, from whoever leads it, handed on in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from gateways.clock import Wakeup
from gateways.errors import SourceUnavailable
from gateways.processor import Context
from gateways.processors.kafka_cluster import (
    LEADER_MOVED,
    OFFSET_OUT_OF_RANGE,
    UNKNOWN_TOPIC_OR_PARTITION,
    BrokerAnswered,
    KafkaCluster,
    Leader,
    said,
)
from gateways.processors.kafka_connection import KafkaConnection
from gateways.processors.kafka_library import MemoryRecords, consumer
from gateways.processors.kafka_library import errors as kafka_errors
from gateways.processors.kafka_options import EARLIEST, KafkaOptions
from gateways.processors.kafka_position import Position
from gateways.source_event import SourceEvent

ID_NAMESPACE = UUID("0c5c2f8e-7a0e-5b3f-9d0a-6d2f4f0b9a51")
"""
Ids of events are uuid5 of this and `<topic>/<partition>/<offset>/<timestamp in milliseconds>`. The last tells a message
from one at the same place of a topic that was made anew under the same name.
"""
LONG_POLL_MS = 5_000
_FETCH_BYTES = 1_048_576
"""Of one answer; a larger message comes alone."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONTENT_TYPE = "content-type"


class PartitionReader:
    """
    Reads one partition.

    Args:
        partition: Its number.
        position: Where it goes on.
        cluster: Who is asked.
        poll_ms: So long the broker keeps a fetch open, in real time.
    """

    def __init__(
        self,
        partition: int,
        position: Position,
        options: KafkaOptions,
        context: Context,
        cluster: KafkaCluster,
        *,
        poll_ms: int = LONG_POLL_MS,
    ) -> None:
        self.partition = partition
        self.waiting = False
        """Whether there is no room for what it has read."""
        self._position = position
        self._options = options
        self._context = context
        self._cluster = cluster
        self._poll_ms = poll_ms
        self._name = f"{options.topic}/{partition}"
        self._leader: Leader | None = None
        self._steady = Wakeup(context.clock)
        self._moved = Wakeup(context.clock)
        self._over = False

    async def run(self, begin: int | None, listening: Callable[[KafkaConnection], None]) -> None:
        """
        Read until cancelled.

        Args:
            begin: Where to begin, unless the position is known; None for where the options say.
            listening: Called when it provably listens, to a new leader too.

        Raises:
            SourceUnavailable: It cannot go on now.
        """
        try:
            await self._run(begin, listening)
        finally:
            self._over = True
            self._steady.set()
            self._moved.set()

    async def _run(self, begin: int | None, listening: Callable[[KafkaConnection], None]) -> None:
        while True:
            leader = await self._cluster.leader(self.partition)
            if leader == self._leader:
                raise SourceUnavailable(f"{leader.broker.peer}: it is said to lead {self._name} and says it does not")
            if self._position.next is None:
                self._position.next = await self._beginning(leader) if begin is None else begin
            connection = await self._cluster.fresh_connection(leader.broker)
            self._leader = leader
            if await self._read(connection, leader, 0):
                listening(connection)
                self._steady.set()
                while await self._read(connection, leader, self._poll_ms):
                    pass
            self._steady.clear()
            connection.close()

    async def caught_up(self) -> None:
        """
        Return once all that the partition had at the call has been handed on, waits for room, or is not read any more.
        The caller limits it.
        """
        while True:
            await self._steady.wait()
            if self._over:
                return
            leader = self._leader
            assert leader is not None
            try:
                newest = await self._cluster.newest(self.partition, leader)
                break
            except BrokerAnswered as error:
                if error.code not in LEADER_MOVED:
                    raise
                if leader == self._leader:
                    self._steady.clear()  # the open fetch is being told the same
        while (self._position.next or 0) < newest and not self.waiting and not self._over:
            self._moved.clear()
            await self._moved.wait()

    async def _beginning(self, leader: Leader) -> int:
        if self._options.offset_reset == EARLIEST:
            return await self._cluster.oldest(self.partition, leader)
        return await self._cluster.newest(self.partition, leader)

    async def _read(self, connection: KafkaConnection, leader: Leader, wait_ms: int) -> bool:
        """
        Fetch once, and hand on what came.

        Returns:
            False where another broker leads by now.

        Raises:
            SourceUnavailable: It cannot go on now.
        """
        asking = connection.ask("Fetch", patiently=wait_ms > 0, **self._fetch(leader, wait_ms))
        answer = await (asking if wait_ms else connection.within_limit(asking))
        code = getattr(answer, "error_code", 0) or 0
        part = answer.responses[0].partitions[0] if answer.responses else None
        code = code or (part.error_code if part is not None else 0)
        if code in LEADER_MOVED:
            return False
        if code == OFFSET_OUT_OF_RANGE:
            await self._start_over(leader)
        elif code == UNKNOWN_TOPIC_OR_PARTITION:
            raise SourceUnavailable(f"{connection.peer}: {self._name} is gone")
        elif code:
            raise SourceUnavailable(f"{connection.peer}: {self._name}: {said(code)}")
        elif part is not None and part.records:
            await self._hand_on(bytes(part.records), connection)
        return True

    def _fetch(self, leader: Leader, wait_ms: int) -> dict[str, Any]:
        topic_type = consumer.FetchRequest.FetchTopic
        part = topic_type.FetchPartition(
            partition=self.partition,
            current_leader_epoch=leader.epoch,
            fetch_offset=self._position.next,
            log_start_offset=-1,
            partition_max_bytes=_FETCH_BYTES,
        )
        return {
            "replica_id": -1,
            "max_wait_ms": wait_ms,
            "min_bytes": 1,
            "max_bytes": _FETCH_BYTES,
            "isolation_level": 0,
            "session_id": 0,
            "session_epoch": -1,
            "topics": [topic_type(topic=self._options.topic, partitions=[part])],
            "forgotten_topics_data": [],
            "rack_id": "",
        }

    async def _start_over(self, leader: Leader) -> None:
        """
        The broker no longer has where we were (or not yet again): go on with the oldest that it has.
        """
        oldest = await self._cluster.oldest(self.partition, leader)
        was = self._position.next or 0
        lost = max(0, oldest - was)
        self._context.log.warning(
            "%s: offset %d is gone, going on at %d; %d messages are lost", self._name, was, oldest, lost
        )
        self._context.count("dropped", lost)
        self._position.next = oldest

    async def _hand_on(self, records: bytes, connection: KafkaConnection) -> None:
        position, context = self._position, self._context
        try:
            for batch in MemoryRecords(records):
                if not batch.validate_crc():
                    raise kafka_errors.CorruptRecordError("a checksum does not fit")
                if not getattr(batch, "is_control_batch", False):
                    for record in batch:
                        if record.offset < (position.next or 0):
                            continue  # a batch is sent whole, also where we asked for its middle
                        event = self._event(record)
                        while not position.hand_on(record.offset, event, context):
                            await self._room()
                        position.next = record.offset + 1
                position.next = max(position.next or 0, batch.next_offset)
        except (kafka_errors.CorruptRecordError, kafka_errors.UnsupportedCodecError) as error:
            raise SourceUnavailable(f"{connection.peer}: {self._name} at offset {position.next}: {error}") from error
        self._moved.set()

    async def _room(self) -> None:
        self.waiting = True
        self._moved.set()
        try:
            await self._context.room()
        finally:
            self.waiting = False

    def _event(self, record: Any) -> SourceEvent:
        place = f"{self._name}/{record.offset}"
        stamped = record.timestamp is not None and record.timestamp >= 0
        return SourceEvent(
            record.value or b"",
            _EPOCH + timedelta(milliseconds=record.timestamp) if stamped else self._context.clock.now(),
            place,
            content_type=_content_type(record.headers),
            id=str(uuid5(ID_NAMESPACE, f"{place}/{record.timestamp}")),
        )


def _content_type(headers: Any) -> str:
    """
    Source: CloudEvents Kafka protocol binding 1.0.2, section 3.2.1.
    """
    for name, value in headers or ():
        if name.lower() == _CONTENT_TYPE and value is not None:
            text: str = value.decode(errors="replace")
            return text
    return ""
