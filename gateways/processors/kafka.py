"""
Kafka: one partition of a topic from its newest message on; with a group, from where the group left off.

Without a group nothing is told to the broker, but a message that a watcher refused is handed on again, and a lost
connection goes on at the next message: nothing is lost while the configuration stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateways.clock import Wakeup, start
from gateways.errors import GatewayError, SourceUnavailable
from gateways.processor import Context, Delivery, Guarantee, Processor, Shared, Surroundings
from gateways.processors.kafka_cluster import KafkaCluster, said
from gateways.processors.kafka_connection import KafkaConnection
from gateways.processors.kafka_options import KafkaBroker, KafkaOptions
from gateways.processors.kafka_position import Position, Positions
from gateways.processors.kafka_reader import PartitionReader
from gateways.processors.servers import has_received


class KafkaProcessor(Processor):
    """
    Reads one partition.

    Source: R-KAF-1 to R-KAF-4, G-KAF-2; docs/delivery.md.
    """

    type = "kafka"
    redelivers = True
    guarantee = Guarantee(
        told="the offset, with `group`, once every watcher accepted everything before it",
        by_default=Delivery.AT_LEAST_ONCE,
        extent="while the configuration stands; newest message at start",
        stronger="`group`, `offsetReset`: also across restarts",
    )

    options: KafkaOptions

    def __init__(self, options: KafkaOptions, context: Context, shared: Any = None) -> None:
        super().__init__(options, context, shared)
        positions = shared if isinstance(shared, Positions) else Positions()
        self._positions = positions.of(context)
        self._cluster: KafkaCluster | None = None
        self._coordinator: KafkaBroker | None = None
        self._readers: list[PartitionReader] = []
        self._settled = Wakeup(context.clock)
        self._committed: dict[int, int] = {}
        self._listening = False
        self._aborted = False

    @classmethod
    def parse(cls, key: str, text: str) -> KafkaOptions:
        """See Processor."""
        return KafkaOptions.parse(text)

    @classmethod
    def make_shared(cls, surroundings: Surroundings) -> Shared:
        """See Processor."""
        return Positions()

    async def run(self) -> None:
        """See Processor."""
        cluster = self._cluster = KafkaCluster(self.options, self.context)
        try:
            await cluster.connect()
            begin = await self._committed_offset(cluster, self.options.partition)
            await self._read(cluster, self.options.partition, begin)
        except asyncio.CancelledError:
            self._listening = False
            if self._aborted or not self.options.group:
                self._leave()
            raise
        except BaseException:
            self._leave()
            raise

    async def caught_up(self) -> bool:
        """See Processor. Without a connection nothing can be handed on."""
        cluster, readers = self._cluster, tuple(self._readers)
        if cluster is None or not self._listening:
            return True
        for reader in readers:
            if not await has_received(self.context, cluster.peer, reader.caught_up()):
                return False
        return True

    def paused(self) -> bool:
        """See Processor."""
        return any(reader.waiting for reader in self._readers) or any(each.again for each in self._positions.values())

    async def close(self) -> None:
        """See Processor."""
        cluster = self._cluster
        if cluster is not None and self.options.group and not self._aborted:
            try:
                await self._commit(cluster)
            except GatewayError as error:
                self.context.log.warning("what was accepted last is not committed and may come again: %s", error)
        self._leave()

    def abort(self) -> None:
        """See Processor."""
        self._aborted = True
        self._leave()

    async def _committed_offset(self, cluster: KafkaCluster, partition: int) -> int | None:
        """
        Where the group left off; None without a group, or where it has committed nothing.
        """
        if not self.options.group:
            return None
        self._coordinator = await cluster.coordinator()
        committed = await cluster.committed([partition], self._coordinator)
        self._committed.update(committed)
        return committed.get(partition)

    async def _read(self, cluster: KafkaCluster, partition: int, begin: int | None) -> None:
        clock = self.context.clock
        position = self._positions.setdefault(partition, Position())
        position.stirred = self._settled.set
        reader = PartitionReader(partition, position, self.options, self.context, cluster)
        self._readers = [reader]
        over, failures = Wakeup(clock), list[Exception]()

        async def until_it_fails(work: Coroutine[Any, Any, None]) -> None:
            try:
                await work
            except Exception as error:
                failures.append(error)
                over.set()  # who waits for it holds time from now on

        async with asyncio.TaskGroup() as group:
            reading = start(clock, group, until_it_fails(reader.run(begin, self._running)), name="read")
            settling = start(clock, group, until_it_fails(self._settle(cluster, position)), name="settle")
            try:
                await over.wait()
            finally:
                reading.cancel()
                settling.cancel()
        raise failures[0]

    def _running(self, connection: KafkaConnection) -> None:
        self._listening = True
        self._settled.set()  # a group that has committed nothing begins here, whatever comes next
        for reader in self._readers:
            place = f"{self.options.topic}/{reader.partition}"
            group = f" in group {self.options.group}" if self.options.group else ""
            self.context.running(f"reading {place}{group} at {connection.peer}")

    async def _settle(self, cluster: KafkaCluster, position: Position) -> None:
        """
        Hand on again what was refused, and commit what was accepted.
        """
        while True:
            await self._settled.wait()
            self._settled.clear()
            while position.again:
                if position.hand_on(*position.again[0], self.context):
                    position.again.popleft()
                else:
                    await self.context.room()
            if self.options.group:
                await self._commit(cluster)

    async def _commit(self, cluster: KafkaCluster) -> None:
        """
        Commit what is settled and not committed yet.
        """
        settled = {partition: position.settled for partition, position in self._positions.items()}
        offsets = {
            p: offset for p, offset in settled.items() if offset is not None and offset != self._committed.get(p)
        }
        if not offsets or self._coordinator is None:
            return
        code = await cluster.commit(offsets, self._coordinator)
        if code:
            raise SourceUnavailable(f"{self._coordinator.peer}: the commit of group {self.options.group}: {said(code)}")
        self._committed.update(offsets)

    def _leave(self) -> None:
        cluster, self._cluster = self._cluster, None
        self._listening = False
        if cluster is not None:
            cluster.close()
