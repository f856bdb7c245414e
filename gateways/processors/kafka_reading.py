"""
Reading: some partitions side by side, until it fails or they are to be shared out anew; hands on again, and commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from gateways.clock import Wakeup, start
from gateways.processor import Context
from gateways.processors.kafka_cluster import KafkaCluster
from gateways.processors.kafka_connection import KafkaConnection
from gateways.processors.kafka_offsets import GroupOffsets
from gateways.processors.kafka_options import KafkaOptions
from gateways.processors.kafka_position import Position
from gateways.processors.kafka_reader import PartitionReader

_SETTLE_S_MAX = 20.0
"""So long, or as long as a stop may take, partitions that are to be given away settle what they have in flight."""

Stay = Callable[[Callable[[], None]], Awaitable[None]]
"""Stays in the group until cancelled, and calls what it is given each time that it hears of a new sharing out."""


class Reading:
    """
    One round of reading.

    Args:
        cluster: Who is asked.
        positions: Partition to where it goes on.
        offsets: Where is committed what is settled; None for nowhere.
        stay: Keeps us in the group; None where nobody shares.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        options: KafkaOptions,
        context: Context,
        positions: Mapping[int, Position],
        offsets: GroupOffsets | None,
        *,
        stay: Stay | None = None,
    ) -> None:
        clock = context.clock
        self.readers = tuple(
            PartitionReader(partition, position, options, context, cluster) for partition, position in positions.items()
        )
        self._cluster = cluster
        self._context = context
        self._positions = positions
        self._offsets = offsets
        self._stay = stay
        self._begun: set[PartitionReader] = set()
        self._ready = Wakeup(clock)
        self._settled = Wakeup(clock)
        self._quiet = Wakeup(clock)
        self._over = Wakeup(clock)
        self._failures: list[Exception] = []

    async def run(
        self,
        begins: Mapping[int, int],
        listening: Callable[[str], None],
        *,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Read until cancelled, or until the partitions are to be shared out anew; then settle what is in flight.

        Args:
            begins: Where to begin with a partition, unless its position is known.
            listening: Told a broker's name whenever every partition provably listens.
            over: Called when it reads no more.

        Raises:
            SourceUnavailable: It cannot go on now.
        """
        clock = self._context.clock
        for position in self._positions.values():
            position.stirred = self._settled.set
        async with asyncio.TaskGroup() as group:

            def begin(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
                return start(clock, group, self._until_it_fails(work), name=name)

            reading = []
            for reader in self.readers:
                reads = partial(self._reads, reader, listening)
                reading.append(begin(reader.run(begins.get(reader.partition), reads), "read"))
            telling = [begin(self._settle(), "settle")]
            if self._stay is not None:
                telling.append(begin(self._share(listening), "stay"))
            try:
                await self._over.wait()
                over()
                for task in reading:
                    task.cancel()
                if not self._failures and (self._offsets is None or self._offsets.are_ours):
                    await self._all_settled()
            finally:
                for task in (*reading, *telling):
                    task.cancel()
        if self._failures:
            raise self._failures[0]
        await self._commit()

    async def _until_it_fails(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self._failures.append(error)
            self._over.set()  # who waits for it holds time from now on
            self._quiet.set()

    def _reads(self, reader: PartitionReader, listening: Callable[[str], None], connection: KafkaConnection) -> None:
        self._begun.add(reader)
        if len(self._begun) < len(self.readers) or self._over.is_set:
            return
        first = not self._ready.is_set
        self._settled.set()  # a group that has committed nothing begins here, whatever comes next
        self._ready.set()
        if self._stay is None or not first:
            listening(connection.peer)

    async def _share(self, listening: Callable[[str], None]) -> None:
        """
        Stay in the group once its offsets say where each of our partitions begins, whoever reads it then.
        """
        assert self._stay is not None
        if self.readers:
            await self._ready.wait()
            await self._commit()
        listening(self._cluster.peer)
        await self._stay(self._over.set)

    async def _settle(self) -> None:
        """
        Hand on again what was refused, and commit what was accepted.
        """
        while True:
            await self._settled.wait()
            self._settled.clear()
            for position in self._positions.values():
                while position.again:
                    if position.hand_on(*position.again[0], self._context):
                        position.again.popleft()
                    else:
                        await self._context.room()
            if not self._in_flight():
                self._quiet.set()
            await self._commit()

    async def _commit(self) -> None:
        if self._offsets is not None and not await self._offsets.commit(self._positions) and self._stay is not None:
            self._over.set()

    async def _all_settled(self) -> None:
        """
        Wait until every watcher has accepted what is in flight, within a limit.
        """
        self._quiet.clear()
        if self._in_flight():
            limit_s = min(self._context.limits.stop_s, _SETTLE_S_MAX)
            alarm = self._context.clock.alarm(limit_s, self._quiet.set)
            try:
                await self._quiet.wait()
            finally:
                alarm.cancel()

    def _in_flight(self) -> int:
        return sum(position.in_flight for position in self._positions.values())
