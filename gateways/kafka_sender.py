"""
KafkaTarget: dispatches the events of a gateway to one Kafka topic, the key of each its source.

An event counts as accepted once every replica that is in sync has it. Events of one configuration share a key, hence a
partition, and keep their order there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from gateways.addresses import AddressBook
from gateways.broker_message import BrokerMessage, kafka_message
from gateways.clock import Clock, Hold, within
from gateways.cloudevent import CloudEvent
from gateways.encoder import ContentMode, Encoder
from gateways.errors import GatewayError, SourceUnavailable
from gateways.gateway_spec import Dispatch, GatewaySpec
from gateways.limits import Limits
from gateways.processors.kafka_cluster import KafkaCluster, Leader, said
from gateways.processors.kafka_connection import KafkaConnection
from gateways.processors.kafka_library import MemoryRecordsBuilder, murmur2, producer
from gateways.processors.kafka_options import KafkaOptions
from gateways.processors.servers import Caller
from gateways.source_event import Certainty
from gateways.watcher import ACCEPTED, Attempt, Watcher

NAME = "Kafka"
"""What results and status call the target."""
_ALL_IN_SYNC = -1
_BATCH_MAX = 1 << 30
"""Of the builder: every batch here has one record, however large."""
_MAYBE_STORED = frozenset({7, 20})
"""The broker's own wait for its replicas was over; not enough of them after the leader had it."""


class _Place(NamedTuple):
    """
    Where an event is to be stored.
    """

    partition: int
    connection: KafkaConnection


class _Line:
    """
    The cluster as all configurations of a gateway know it: its connections, and who leads what.
    """

    def __init__(self, topic: str, options: KafkaOptions, caller: Caller) -> None:
        self.topic = topic
        self.peer = options.brokers[0].peer
        self.limits: Limits = caller.limits
        self._cluster = KafkaCluster(options, caller)
        self._leaders: dict[int, Leader | None] = {}
        self._asking = asyncio.Lock()

    async def place_of(self, key: bytes) -> _Place:
        """
        Where events with that key go.

        Raises:
            SourceUnavailable: It cannot be reached at present; says why.
        """
        async with self._asking:
            if not self._leaders:
                self._leaders = await self._cluster.leaders()
            if not self._leaders:
                raise SourceUnavailable(f"{self.peer}: topic {self.topic} has no partitions")
            partition = sorted(self._leaders)[(murmur2(key) & 0x7FFFFFFF) % len(self._leaders)]
            leader = self._leaders[partition]
            if leader is None:
                self.forget()
                raise SourceUnavailable(
                    f"{self.peer}: nobody leads partition {partition} of topic {self.topic} at present"
                )
            try:
                return _Place(partition, await self._cluster.connection(leader.broker))
            except SourceUnavailable:
                self.forget()
                raise

    def forget(self) -> None:
        """
        Who leads what may have changed: ask before the next event.
        """
        self._leaders = {}

    def close(self) -> None:
        """
        Drop every connection.
        """
        self._cluster.close()


class KafkaTarget:
    """
    One configuration's way to the topic. See Target.
    """

    __slots__ = ("_encoder", "_line", "_mode", "name", "peer")

    def __init__(self, line: _Line, encoder: Encoder, *, mode: ContentMode) -> None:
        self.name = NAME
        self.peer = line.peer
        self._line = line
        self._encoder = encoder
        self._mode = mode

    async def attempt(self, event: CloudEvent, hold: Hold) -> Attempt:
        """See Target."""
        line, key = self._line, event.source.encode()
        records = _records(event, key, kafka_message(event, self._mode, self._encoder))
        try:
            place = await line.place_of(key)
        except GatewayError as error:
            return Attempt(Certainty.REFUSED, str(error))
        connection = place.connection
        if connection.cause:
            return Attempt(Certainty.REFUSED, f"{connection.peer}: {connection.cause}")
        try:
            code = await within(hold, line.limits.answer_s, self._produce(place, records))
        except (TimeoutError, GatewayError) as error:
            connection.close()
            line.forget()
            cause = str(error) if isinstance(error, GatewayError) else f"{connection.peer}: {error}"
            return Attempt(Certainty.UNCERTAIN, cause)
        if not code:
            return ACCEPTED
        line.forget()
        certainty = Certainty.UNCERTAIN if code in _MAYBE_STORED else Certainty.REFUSED
        return Attempt(certainty, f"{connection.peer}: topic {line.topic}: {said(code)}")

    async def _produce(self, place: _Place, records: bytes) -> int:
        line = self._line
        topic_type = producer.ProduceRequest.TopicProduceData
        part = topic_type.PartitionProduceData(index=place.partition, records=records)
        answer = await place.connection.ask(
            "Produce",
            transactional_id=None,
            acks=_ALL_IN_SYNC,
            timeout_ms=round(line.limits.answer_s * 1000),
            topic_data=[topic_type(name=line.topic, partition_data=[part])],
        )
        return int(answer.responses[0].partition_responses[0].error_code)


class KafkaTargets:
    """
    The targets of one gateway. See Targets.

    Args:
        spec: The Gateway's.
        dispatch: What it says of the brokers and the topic.
        clock: Time.
        addresses: Where to connect.

    Raises:
        ConfigurationError: The url or the topic cannot be used.
    """

    def __init__(self, spec: GatewaySpec, dispatch: Dispatch, *, clock: Clock, addresses: AddressBook) -> None:
        self._spec = spec
        self._clock = clock
        options = KafkaOptions.to_topic(dispatch.text, dispatch.topic)
        self._line = _Line(dispatch.topic, options, Caller(spec.name, "dispatch", clock, addresses, spec.limits))

    def of(self, configuration: str) -> tuple[KafkaTarget, ...]:
        """See Targets."""
        return self.to(())

    def to(self, watchers: Iterable[Watcher], *, version: str | None = None) -> tuple[KafkaTarget, ...]:
        """See Targets."""
        spec = self._spec
        encoder = Encoder(version=spec.version if version is None else version, clock=self._clock)
        return (KafkaTarget(self._line, encoder, mode=ContentMode.of(spec)),)

    async def close(self) -> None:
        """See Targets."""
        self._line.close()

    def abort(self) -> None:
        """See Targets."""
        self._line.close()


def _records(event: CloudEvent, key: bytes, message: BrokerMessage) -> bytes:
    """
    A batch of one record, stamped with the event's own time.
    """
    builder = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=_BATCH_MAX)
    headers = [(name, value.encode()) for name, value in message.headers]
    builder.append(round(event.time.timestamp() * 1000), key, message.body, headers)
    builder.close()
    return bytes(builder.buffer())
