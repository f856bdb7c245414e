"""
Kafka: a cluster of our own in this process, one for each scenario, each broker behind a relay where it is faulted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol, Unpack, runtime_checkable

from simulator.errors import SimulatorError
from simulator.relay import Relay
from simulator.services.certificate import Certificate, certified
from simulator.services.embedded.kafka.batches import Batch, NewRecord, made, records_of
from simulator.services.embedded.kafka.cluster import Broker, Cluster, Kept, WrongReply
from simulator.services.embedded.kafka.errors import code_of
from simulator.services.embedded.kafka.library import murmur2
from simulator.services.embedded.kafka.library import version as library_version
from simulator.services.embedded.kafka.listener import Listener
from simulator.services.embedded.kafka.protocol import REQUESTS
from simulator.services.kafka_shape import KafkaSetup
from simulator.services.kafka_texts import Reading, key_of
from simulator.services.service import (
    Around,
    BrokerMessage,
    Dispatching,
    Published,
    Service,
    SocketAddress,
    Stimulus,
)
from simulator.version import VERSION

_LOOPBACK = "127.0.0.1"
_BATCH_RECORDS, _BATCH_BYTES = 500, 500_000
_TURNS = 100
"""Of the loop, in which a connection that its client has closed is closed at the far end of the relay too."""


class _Stall(Protocol):
    def release(self) -> None: ...


@runtime_checkable
class _StallingTime(Protocol):
    """
    Scenario time that tells whose work waits for it.
    """

    def stall(self, sender: SocketAddress) -> _Stall | None:
        """The work of *sender* waits for scenario time from now on; None where it is nobody's."""


class EmbeddedKafka(Service):
    """
    One cluster of its own. Topics, with all that is in them, outlive a kill.

    With `tls: true` its certificate, made for the hosts of the addresses that mean it and for where its brokers are,
    counts as one that this machine trusts for as long as it is up.
    """

    type = "kafka"

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._setup = KafkaSetup.model_validate(self.own_setup)
        self._nodes = range(1, self._setup.brokers + 1)
        self._cluster = Cluster(
            auto_create=self._setup.auto_create,
            users=self._setup.users,
            mechanisms=self._setup.mechanisms,
            later=self.time.later,
        )
        self._cluster.lead_with(self._nodes)
        for topic, shape in self._setup.topics.items():
            self._cluster.create_topic(topic, shape.partitions)
        self._listeners = {node: Listener(self._cluster, node, self._stall) for node in self._nodes}
        self._relays: dict[int, Relay] = {}
        self._certificate: Certificate | None = None
        self._running = False

    @property
    def endpoint(self) -> SocketAddress:
        """See Service."""
        return self.advertised[0]

    @property
    def advertised(self) -> Sequence[SocketAddress]:
        """See Service."""
        ports: Mapping[int, Relay | Listener] = self._relays or self._listeners
        return tuple((_LOOPBACK, ports[node].port) for node in self._nodes)

    @property
    def version(self) -> str:
        """See Service."""
        return f"gatesim Kafka {VERSION}, kafka-python {library_version}"

    async def start(self) -> None:
        """See Service."""
        if self.relayed:
            for node in self._nodes:
                relay = self._relays[node] = Relay((), self.time)
                await relay.start()
                own = (f"{_LOOPBACK}:{relay.port}",)
                relay.peers = (*self.peers, *own) if node == self._nodes[0] else own
        if self._setup.tls:
            self._certificate = await certified(self, more_hosts=(_LOOPBACK,))
        if not self.setup.get("stopped"):
            await self._start_brokers()

    async def stop(self) -> None:
        """See Service."""
        await self._stop_brokers()
        for relay in self._relays.values():
            await relay.stop()
        if self._certificate is not None:
            self._certificate.forget()

    async def restart(self, how: str) -> None:
        """See Service."""
        await self._stop_brokers()
        await self._start_brokers()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if not self._running:
            return Published(False, "no broker runs")
        for place, group in groupby(stimuli, self._place):
            topic, partition = place
            found = self._cluster.topics.get(topic)
            if found is None:
                there = ", ".join(self._cluster.topics) or "none"
                return Published(False, f"there is no topic {topic}; `services.{self.name}.topics` has {there}")
            if partition >= len(found.partitions):
                there = ", ".join(map(str, range(len(found.partitions))))
                return Published(False, f"topic {topic} has no partition {partition}; there are {there}")
            for records in _chunks(self._record(each) for each in group):
                found.partitions[partition].append([made(records)])
        return Published(True)

    def watch(self, dispatch: Dispatching, heard: Callable[[BrokerMessage], None]) -> None:
        """See Service. What a producer wrote is told as its log takes it."""

        def told(name: str, partition: int, batch: Batch) -> None:
            if name == dispatch.topic:
                for record in records_of(batch):
                    key = (record.key or b"").decode("utf-8", "backslashreplace")
                    place = (("topic", name), ("partition", str(partition)), ("key", key))
                    headers = tuple((each.lower(), text.decode()) for each, text in record.headers)
                    heard(BrokerMessage(place, headers, record.value or b""))

        self._cluster.produced.append(told)

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        match kind:
            case "kill":
                await self._stop_brokers()
            case "leaderChange":
                self._cluster.move_leaders()
            case "reply":
                self._cluster.wrong_replies.append(self._wrong_reply(value))
            case _:
                taken = [await relay.take_fault(kind, value) for relay in self._relays.values()]
                if not all(taken):
                    raise SimulatorError(f"service {self.name}: kafka knows no fault {kind!r}")

    async def heal(self) -> None:
        """See Service."""
        self._cluster.wrong_replies.clear()
        for relay in self._relays.values():
            await relay.heal()
        await self._start_brokers()

    def durable(self) -> Kept:
        """See Service."""
        return self._cluster.kept()

    def restore(self, durable: Kept) -> None:
        """See Service."""
        self._cluster.take_up(durable)

    def covers(self, text: str, stimulus: Stimulus) -> bool:
        """See Service."""
        reading = Reading.of(text)
        return reading is not None and reading.covers(*self._place(stimulus))

    def share_of(self, text: str) -> str:
        """See Service."""
        reading = Reading.of(text)
        return reading.group if reading is not None and reading.partition is None else ""

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service."""
        reading = Reading.of(text)
        if reading is None or not self._running:
            return None
        others = [other for other in map(Reading.of, living) if other is not None]
        if reading.partition is None:
            group = self._cluster.groups.get(reading.group)
            entitled = sum(other.group == reading.group and other.partition is None for other in others)
            return group is None or len(group.members) <= entitled
        topic, partition = reading.topic, reading.partition
        alike = [other for other in others if other.covers(topic, partition)]
        for _ in range(_TURNS):
            if self._cluster.readers(topic, partition) <= len(alike):
                return True
            await asyncio.sleep(0)  # real time: one turn, in which closed connections are noticed
        return False

    async def _start_brokers(self) -> None:
        if self._running:
            return
        encryption = self._certificate.serving() if self._certificate is not None else None
        for node, listener in self._listeners.items():
            await listener.start(0 if self._relays else listener.port, encryption)
            relay = self._relays.get(node)
            if relay is not None:
                await relay.lead_to((_LOOPBACK, listener.port))
            port = relay.port if relay is not None else listener.port
            if self.known_as:
                _, port = self.known_as[node - 1]
            self._cluster.brokers[node] = Broker(node, _LOOPBACK, port)
        self._running = True

    async def _stop_brokers(self) -> None:
        """
        What clients are connected to is cut here and now, so that a gateway knows it before the next step.
        """
        self._running = False
        for relay in self._relays.values():
            await relay.lead_to(None)
            relay.disconnect()
        for listener in self._listeners.values():
            await listener.stop()
        self._cluster.stop()

    def _stall(self, sender: SocketAddress) -> Callable[[], None]:
        """
        Who sent a request from there waits for scenario time: others have to do their part first.
        """
        for relay in self._relays.values():
            sender = relay.client_of(sender) or sender
        stall = self.time.stall(sender) if isinstance(self.time, _StallingTime) else None
        return stall.release if stall is not None else lambda: None

    def _place(self, stimulus: Stimulus) -> tuple[str, int]:
        """
        Topic and partition of a stimulus; by its key as Kafka's clients choose one.
        """
        topic, partition, key = stimulus.get("topic"), stimulus.get("partition"), key_of(stimulus)
        if partition:
            return topic, int(partition)
        found = self._cluster.topics.get(topic)
        if key is None or found is None:
            return topic, 0
        return topic, (murmur2(key) & 0x7FFFFFFF) % len(found.partitions)

    def _record(self, stimulus: Stimulus) -> NewRecord:
        stamped = stimulus.get("timestamp")
        timestamp = int(stamped) if stamped else int(self.time.now().timestamp() * 1000)
        value = None if stimulus.get("tombstone") == "True" else stimulus.payload
        headers = tuple((name, text.encode()) for name, text in stimulus.headers)
        return NewRecord(timestamp, key_of(stimulus), value, headers)

    def _wrong_reply(self, asked: Any) -> WrongReply:
        code = code_of(asked.error)
        if asked.request not in REQUESTS:
            there = ", ".join(REQUESTS)
            raise SimulatorError(f"service {self.name}: there is no request {asked.request!r}; there are {there}")
        if code is None:
            raise SimulatorError(
                f"service {self.name}: Kafka has no error {asked.error!r}, such as NOT_LEADER_OR_FOLLOWER"
            )
        return WrongReply(asked.request, code, asked.times)


def _chunks(records: Iterator[NewRecord]) -> Iterator[list[NewRecord]]:
    """
    *records* in portions of which each becomes a batch.
    """
    chunk: list[NewRecord] = []
    size = 0
    for record in records:
        if chunk and (len(chunk) >= _BATCH_RECORDS or size >= _BATCH_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(record)
        size += len(record.value or b"")
    if chunk:
        yield chunk
