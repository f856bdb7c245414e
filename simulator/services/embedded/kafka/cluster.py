"""
Cluster: what all brokers know: topics, leaders, groups, producers, who reads what, and which answers are to be wrong.

It outlives its listeners: a broker that is stopped or killed comes back with the same logs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from simulator.services.embedded.kafka.batches import Batch
from simulator.services.embedded.kafka.errors import (
    INVALID_PARTITIONS,
    INVALID_TOPIC,
    NONE,
    NOT_COORDINATOR,
    NOT_LEADER_OR_FOLLOWER,
    TOPIC_ALREADY_EXISTS,
    UNKNOWN_TOPIC_OR_PARTITION,
    Refused,
)
from simulator.services.embedded.kafka.group import Committed, Group, Later, in_real_time
from simulator.services.embedded.kafka.partition import PartitionLog
from simulator.services.embedded.kafka.sasl import MECHANISMS, Exchange

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_PARTITIONS_MAX = 10_000


class Broker(NamedTuple):
    """
    One broker, as clients are told of it.
    """

    node: int
    host: str
    port: int


@dataclass(slots=True)
class Topic:
    """
    One topic.
    """

    partitions: list[PartitionLog]
    configs: dict[str, str | None] = field(default_factory=dict)


@dataclass(slots=True)
class WrongReply:
    """
    One kind of request is answered with an error.
    """

    request: str
    code: int
    left: int | None
    """So many times; None: until it is healed."""


class Kept(NamedTuple):
    """
    What one cluster can hand over to the next.
    """

    topics: dict[str, Topic]
    offsets: dict[str, dict[tuple[str, int], Committed]]
    """Group to topic and partition to what was committed."""
    producer: int
    """The next id of an idempotent producer."""


class Caller:
    """
    The far end of one connection. What it reads is what its latest fetch asked for.

    Args:
        node: Number of the broker that it talks to.
        host: Where it is.
        stall: Says that its work waits for scenario time until what it returns is called.
    """

    __slots__ = ("client", "exchange", "host", "is_denied", "node", "reads", "stall", "user")

    def __init__(self, node: int, host: str, stall: Callable[[], Callable[[], None]] = lambda: lambda: None) -> None:
        self.node = node
        self.host = host
        self.stall = stall
        self.client = ""
        self.reads: frozenset[tuple[str, int]] = frozenset()
        self.user = ""
        """Who it has proved to be."""
        self.exchange: Exchange | None = None
        """The login under way."""
        self.is_denied = False
        """Its login failed: it is told so, and then closed."""


class Cluster:
    """
    One cluster.

    Args:
        auto_create: Whether a topic that a client asks for is made.
        users: User names to passwords; empty where nobody needs to log in.
        mechanisms: The SASL mechanisms that there are.
        later: Ends sessions and rebalances.
    """

    def __init__(
        self,
        *,
        auto_create: bool = False,
        users: Mapping[str, str] | None = None,
        mechanisms: Iterable[str] = MECHANISMS,
        later: Later = in_real_time,
    ) -> None:
        self.id = "gatesim"
        self.produced: list[Callable[[str, int, Batch], None]] = []
        """Told of each batch that a producer wrote: topic, partition, batch."""
        self.brokers: dict[int, Broker] = {}
        """Those that are up, by number."""
        self.auto_create = auto_create
        self.users = dict(users or {})
        self.mechanisms = tuple(mechanisms)
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self.callers: set[Caller] = set()
        self.wrong_replies: list[WrongReply] = []
        self.producers = count(1000)
        self._nodes: list[int] = [1]
        self.later = later
        self._moves = 0

    def lead_with(self, nodes: Iterable[int]) -> None:
        """
        Say which brokers there are, up or not, before the first topic is made.
        """
        self._nodes = list(nodes)

    @property
    def controller(self) -> int:
        """
        The broker that makes topics.
        """
        return self._nodes[0]

    @property
    def coordinator(self) -> int:
        """
        The broker that coordinates groups.
        """
        return self._nodes[self._moves % len(self._nodes)]

    def coordination_error(self, node: int) -> int:
        """
        What broker *node* says to a request about a group.
        """
        return NONE if node == self.coordinator else NOT_COORDINATOR

    def create_topic(self, name: str, partitions: int, configs: Mapping[str, str | None] | None = None) -> Topic:
        """
        Make a topic; its partitions are led by one broker after another.

        Raises:
            Refused: There is one, or it may not be named so, or that is no number of partitions.
        """
        if not _NAME.fullmatch(name) or name in (".", ".."):
            raise Refused(INVALID_TOPIC)
        if name in self.topics:
            raise Refused(TOPIC_ALREADY_EXISTS)
        if not 1 <= partitions <= _PARTITIONS_MAX:
            raise Refused(INVALID_PARTITIONS)
        topic = self.topics[name] = Topic([], dict(configs or {}))
        self._grow(topic, partitions)
        return topic

    def add_partitions(self, name: str, partitions: int) -> None:
        """
        Let a topic have so many partitions.

        Raises:
            Refused: There is no such topic, or it has as many already.
        """
        topic = self.topics.get(name)
        if topic is None:
            raise Refused(UNKNOWN_TOPIC_OR_PARTITION)
        if not len(topic.partitions) < partitions <= _PARTITIONS_MAX:
            raise Refused(INVALID_PARTITIONS)
        self._grow(topic, partitions)

    def delete_topic(self, name: str) -> None:
        """
        Forget a topic with all that is in it.

        Raises:
            Refused: There is none.
        """
        topic = self.topics.pop(name, None)
        if topic is None:
            raise Refused(UNKNOWN_TOPIC_OR_PARTITION)
        for partition in topic.partitions:
            partition.wake()

    def partition(self, topic: str, number: int) -> PartitionLog:
        """
        One partition.

        Raises:
            Refused: There is none.
        """
        found = self.topics.get(topic)
        if found is None or not 0 <= number < len(found.partitions):
            raise Refused(UNKNOWN_TOPIC_OR_PARTITION)
        return found.partitions[number]

    def led(self, topic: str, number: int, node: int) -> PartitionLog:
        """
        One partition, of which broker *node* is asked.

        Raises:
            Refused: There is none, or another broker leads it.
        """
        partition = self.partition(topic, number)
        if partition.leader != node:
            raise Refused(NOT_LEADER_OR_FOLLOWER)
        return partition

    def move_leaders(self) -> None:
        """
        Give every partition the next broker as its leader, and groups the next as their coordinator.
        """
        before = self.coordinator
        self._moves += 1
        if self.coordinator != before:
            for group in self.groups.values():
                group.move()
        for topic in self.topics.values():
            for partition in topic.partitions:
                nodes = self._nodes
                partition.lead_by(nodes[(nodes.index(partition.leader) + 1) % len(nodes)])

    def group(self, name: str) -> Group:
        """
        The group of that name, made where it is missing.
        """
        return self.groups.setdefault(name, Group(name))

    def readers(self, topic: str, partition: int) -> int:
        """
        How many connections read a partition.
        """
        return sum((topic, partition) in caller.reads for caller in self.callers)

    def wrong_code(self, request: str) -> int:
        """
        The error that this answer is to have, whatever is asked; 0 for none. Counts.
        """
        for wrong in self.wrong_replies:
            if wrong.request == request and wrong.left != 0:
                if wrong.left is not None:
                    wrong.left -= 1
                return wrong.code
        return NONE

    def stop(self) -> None:
        """
        Forget what does not outlive the brokers: members of groups.
        """
        for group in self.groups.values():
            group.disband()

    def kept(self) -> Kept:
        """
        What outlives the brokers: topics with their logs, and the offsets that groups have committed.
        """
        offsets = {name: group.offsets for name, group in self.groups.items()}
        producer = next(self.producers)
        return Kept(self.topics, offsets, producer)

    def take_up(self, kept: Kept) -> None:
        """
        Have what another cluster of as many brokers kept, in place of what there is.
        """
        self.topics = kept.topics
        self.groups = {name: Group(name, offsets=offsets) for name, offsets in kept.offsets.items()}
        self.producers = count(kept.producer)

    def _grow(self, topic: Topic, partitions: int) -> None:
        nodes = self._nodes
        numbers = range(len(topic.partitions), partitions)
        topic.partitions += [PartitionLog(nodes[number % len(nodes)]) for number in numbers]
