"""
KafkaCluster: who leads a partition and who coordinates a group, and what is asked of them, for one run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateways.errors import SourceUnavailable
from gateways.processors.kafka_connection import KafkaConnection, said
from gateways.processors.kafka_library import consumer, metadata
from gateways.processors.kafka_options import KafkaBroker, KafkaOptions
from gateways.processors.servers import Client

__all__ = [
    "LEADER_MOVED",
    "OFFSET_OUT_OF_RANGE",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "BrokerAnswered",
    "KafkaCluster",
    "Leader",
    "said",
]

UNKNOWN_TOPIC_OR_PARTITION = 3
LEADER_MOVED = frozenset({5, 6, 74, 75, 76})
"""No leader at present, not the leader, another epoch, offset not yet known: who leads is asked again."""
OFFSET_OUT_OF_RANGE = 1
_LATEST, _EARLIEST = -1, -2
_NO_EPOCH = -1


class BrokerAnswered(SourceUnavailable):
    """
    A broker answered with an error.

    Attributes:
        code: The error's number.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


class Leader(NamedTuple):
    """
    Who leads a partition.
    """

    broker: KafkaBroker
    epoch: int


class KafkaCluster:
    """
    One cluster, as one configuration knows it. Connections are made when something is asked and shared by who asks.
    """

    def __init__(self, options: KafkaOptions, context: Client) -> None:
        self._options = options
        self._context = context
        self._connections: dict[str, KafkaConnection] = {}
        self._open: set[KafkaConnection] = set()
        self.peer = options.brokers[0].peer

    async def connect(self) -> None:
        """
        Connect to the first of the brokers that takes us.

        Raises:
            SourceUnavailable: None does; says why of each.
        """
        causes: list[str] = []
        for broker in self._options.brokers:
            try:
                await self.connection(broker)
            except SourceUnavailable as error:
                causes.append(str(error))
            else:
                self.peer = broker.peer
                return
        raise SourceUnavailable("; ".join(causes))

    async def leaders(self) -> dict[int, Leader | None]:
        """
        The partitions of the topic with who leads them; None where nobody does at present.

        Raises:
            SourceUnavailable: There is no such topic.
        """
        topic = self._options.topic
        connection = await self._any()
        answer = await _described(connection, [topic])
        brokers = {each.node_id: KafkaBroker(each.host, each.port) for each in answer.brokers}
        found = next((each for each in answer.topics if each.name == topic), None)
        error = found.error_code if found is not None else UNKNOWN_TOPIC_OR_PARTITION
        if found is None or error == UNKNOWN_TOPIC_OR_PARTITION:
            raise SourceUnavailable(f"{connection.peer}: there is no topic {topic}")
        if error:
            raise SourceUnavailable(f"{connection.peer}: topic {topic}: {said(error)}")
        return {each.partition_index: _leader(each, brokers) for each in found.partitions}

    async def partitions(self, topics: Sequence[str]) -> dict[str, list[int]]:
        """
        The partitions that each of *topics* has; one that is not there, or cannot be told of, is left out.
        """
        answer = await _described(await self._any(), topics)
        return {
            each.name: sorted(part.partition_index for part in each.partitions)
            for each in answer.topics
            if not each.error_code
        }

    async def leader(self, partition: int) -> Leader:
        """
        Who leads *partition*.

        Raises:
            SourceUnavailable: There is no such partition, and says which there are; or nobody does at present.
        """
        leaders = await self.leaders()
        topic = self._options.topic
        if partition not in leaders:
            there = ", ".join(map(str, sorted(leaders))) or "none"
            raise SourceUnavailable(f"{self.peer}: topic {topic} has no partition {partition}; there are {there}")
        found = leaders[partition]
        if found is None:
            raise SourceUnavailable(f"{self.peer}: nobody leads partition {partition} of topic {topic} at present")
        return found

    async def connection(self, broker: KafkaBroker) -> KafkaConnection:
        """
        The connection over which short questions go to *broker*.
        """
        known = self._connections.get(broker.peer)
        if known is None or known.cause:
            known = self._connections[broker.peer] = await self.fresh_connection(broker)
        return known

    async def fresh_connection(self, broker: KafkaBroker) -> KafkaConnection:
        """
        Another connection to *broker*, for what is answered late: a broker answers in order.
        """
        connection = KafkaConnection(broker, self._context, self._options.access)
        self._open = {each for each in self._open if not each.cause}
        self._open.add(connection)
        await connection.open()
        return connection

    async def newest(self, partition: int, leader: Leader) -> int:
        """
        The offset of the partition's next message.
        """
        return await self._offset(partition, leader, _LATEST)

    async def oldest(self, partition: int, leader: Leader) -> int:
        """
        The offset of the first message that the partition still has.
        """
        return await self._offset(partition, leader, _EARLIEST)

    async def coordinator(self) -> KafkaBroker:
        """
        Who coordinates our group.
        """
        connection = await self._any()
        fields: dict[str, Any] = {"key": self._options.group, "key_type": 0}
        answer = await connection.within_limit(connection.ask("FindCoordinator", **fields))
        self._must(answer.error_code, connection, f"the coordinator of group {self._options.group}")
        return KafkaBroker(answer.host, answer.port)

    async def committed(self, partitions: Sequence[int], coordinator: KafkaBroker) -> dict[int, int]:
        """
        What the group has committed, of those partitions of which it has something.
        """
        connection = await self.connection(coordinator)
        topic = consumer.OffsetFetchRequest.OffsetFetchRequestTopic(
            name=self._options.topic, partition_indexes=list(partitions)
        )
        answer = await connection.within_limit(
            connection.ask("OffsetFetch", group_id=self._options.group, topics=[topic])
        )
        self._must(getattr(answer, "error_code", 0) or 0, connection, "the committed offsets")
        found = {}
        for each in (part for topic in answer.topics for part in topic.partitions):
            self._must(each.error_code, connection, "the committed offsets")
            if each.committed_offset >= 0:
                found[each.partition_index] = each.committed_offset
        return found

    async def commit(
        self, offsets: Mapping[int, int], coordinator: KafkaBroker, *, member: str = "", generation: int = -1
    ) -> int:
        """
        Commit *offsets*, partition to the next message's.

        Returns:
            The error code that the broker answers; 0 for none.
        """
        connection = await self.connection(coordinator)
        topic_type = consumer.OffsetCommitRequest.OffsetCommitRequestTopic
        parts = [
            topic_type.OffsetCommitRequestPartition(
                partition_index=partition,
                committed_offset=offset,
                committed_leader_epoch=_NO_EPOCH,
                committed_metadata="",
            )
            for partition, offset in offsets.items()
        ]
        answer = await connection.within_limit(
            connection.ask(
                "OffsetCommit",
                group_id=self._options.group,
                generation_id_or_member_epoch=generation,
                member_id=member,
                topics=[topic_type(name=self._options.topic, partitions=parts)],
            )
        )
        codes = (part.error_code for topic in answer.topics for part in topic.partitions)
        return next((int(code) for code in codes if code), 0)

    def close(self) -> None:
        """
        Drop every connection.
        """
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._connections.clear()

    async def _any(self) -> KafkaConnection:
        """
        A connection that lives: of those that are there, else to a broker of the text.
        """
        for connection in self._connections.values():
            if not connection.cause:
                return connection
        await self.connect()
        return next(each for each in self._connections.values() if not each.cause)

    async def _offset(self, partition: int, leader: Leader, which: int) -> int:
        connection = await self.connection(leader.broker)
        topic_type = consumer.ListOffsetsRequest.ListOffsetsTopic
        part = topic_type.ListOffsetsPartition(
            partition_index=partition, current_leader_epoch=leader.epoch, timestamp=which
        )
        topic = topic_type(name=self._options.topic, partitions=[part])
        answer = await connection.within_limit(
            connection.ask("ListOffsets", replica_id=-1, isolation_level=0, topics=[topic])
        )
        found = answer.topics[0].partitions[0]
        self._must(found.error_code, connection, f"the offsets of {self._options.topic}/{partition}")
        return int(found.offset)

    def _must(self, code: int, connection: KafkaConnection, what: str) -> None:
        if code:
            raise BrokerAnswered(code, f"{connection.peer}: {what}: {said(code)}")


async def _described(connection: KafkaConnection, topics: Sequence[str]) -> Any:
    asked = [metadata.MetadataRequest.MetadataRequestTopic(name=topic) for topic in topics]
    return await connection.within_limit(connection.ask("Metadata", topics=asked, allow_auto_topic_creation=False))


def _leader(part: Any, brokers: Mapping[int, KafkaBroker]) -> Leader | None:
    broker = brokers.get(part.leader_id)
    epoch = part.leader_epoch
    return Leader(broker, _NO_EPOCH if epoch is None else int(epoch)) if broker is not None else None
