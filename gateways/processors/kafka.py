"""
Kafka: one partition of a topic from its newest message on, or those that a group shares out, from where it left off.

Without a group nothing is told to the broker, but a message that a watcher refused is handed on again, and a lost
connection goes on at the next message: nothing is lost while the configuration stands. A group without a partition
shares them out among all that name it: kafka_share.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gateways.clock import Wakeup
from gateways.errors import GatewayError, SourceUnavailable
from gateways.processor import Context, Delivery, Guarantee, Processor, Shared, Surroundings
from gateways.processors.kafka_cluster import KafkaCluster
from gateways.processors.kafka_offsets import GroupOffsets
from gateways.processors.kafka_options import KafkaOptions
from gateways.processors.kafka_position import Position, Positions
from gateways.processors.kafka_reading import Reading
from gateways.processors.kafka_share import Share
from gateways.processors.servers import has_received


class KafkaProcessor(Processor):
    """
    Reads one partition, or its share of them.

    Source: R-KAF-1 to R-KAF-4, G-KAF-2, G-KAF-11; docs/delivery.md.
    """

    type = "kafka"
    redelivers = True
    guarantee = Guarantee(
        told="the offset, with `group`, once every watcher accepted everything before it",
        by_default=Delivery.AT_LEAST_ONCE,
        extent="while the configuration stands; newest message at start",
        stronger="`group`, `offsetReset`: also across restarts; a `group` without a partition: also across gateways "
        "that share the partitions",
    )

    options: KafkaOptions

    def __init__(self, options: KafkaOptions, context: Context, shared: Any = None) -> None:
        super().__init__(options, context, shared)
        positions = shared if isinstance(shared, Positions) else Positions()
        self._positions = positions.of(context)
        self._membership = positions.membership_of(context)
        self._cluster: KafkaCluster | None = None
        self._offsets: GroupOffsets | None = None
        self._share: Share | None = None
        self._reading: Reading | None = None
        self._listens = Wakeup(context.clock)
        """Whether what can be proved of the reading holds: not while a group is being shared out."""
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
            if self.options.group:
                self._offsets = GroupOffsets(cluster, self.options, self._membership)
            if self.options.partition is None:
                await self._read_share(cluster)
            else:
                await self._read_one(cluster, self.options.partition)
        except asyncio.CancelledError:
            self._reading = None
            self._listens.set()
            if self._aborted or not self.options.group:
                self._leave()
            raise
        except BaseException:
            self._leave()
            raise

    async def caught_up(self) -> bool:
        """See Processor. Without a connection nothing can be handed on."""
        if self.options.partition is not None and not self._listens.is_set:
            return True
        while (cluster := self._cluster) is not None:
            await self._listens.wait()
            reading = self._reading
            if reading is None:
                break
            for reader in reading.readers:
                if not await has_received(self.context, cluster.peer, reader.caught_up()):
                    return False
            if self._listens.is_set and reading is self._reading:
                break
        return True

    def paused(self) -> bool:
        """See Processor."""
        readers = self._reading.readers if self._reading is not None else ()
        return any(reader.waiting for reader in readers) or any(each.again for each in self._positions.values())

    async def close(self) -> None:
        """See Processor."""
        if self._cluster is not None and self._offsets is not None and not self._aborted:
            try:
                committed = await self._offsets.commit(self._positions)
                if self._share is not None:
                    await self._share.leave()
                if not committed:
                    raise SourceUnavailable(f"group {self.options.group} has gone on without us")
            except GatewayError as error:
                self.context.log.warning("what was accepted last is not committed and may come again: %s", error)
        self._leave()

    def abort(self) -> None:
        """See Processor."""
        self._aborted = True
        self._leave()

    async def _read_one(self, cluster: KafkaCluster, partition: int) -> None:
        position = self._positions.setdefault(partition, Position())
        committed = await self._offsets.committed([partition]) if self._offsets is not None else {}
        reading = Reading(cluster, self.options, self.context, {partition: position}, self._offsets)

        def listening(peer: str) -> None:
            self._reading = reading
            self._listens.set()
            group = f" in group {self.options.group}" if self.options.group else ""
            self.context.running(f"reading {self.options.topic}/{partition}{group} at {peer}")

        await reading.run(committed, listening)

    async def _read_share(self, cluster: KafkaCluster) -> None:
        assert self._offsets is not None
        share = self._share = Share(cluster, self.options, self.context, self._positions, self._membership)
        while True:
            assigned = await share.take(self._offsets)
            reading = Reading(
                cluster,
                self.options,
                self.context,
                {partition: self._positions[partition] for partition in assigned},
                self._offsets,
                stay=share.stay,
            )

            def listening(peer: str, reading: Reading = reading) -> None:
                self._reading = reading
                self._listens.set()
                share.tell_share(peer)

            committed = await self._offsets.committed([p for p in assigned if self._positions[p].next is None])
            try:
                await reading.run(committed, listening, over=self._listens.clear)
            finally:
                self._listens.clear()

    def _leave(self) -> None:
        cluster, self._cluster = self._cluster, None
        self._reading = None
        self._listens.set()
        if cluster is not None:
            cluster.close()
