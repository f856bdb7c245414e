"""
Share: the partitions that a group gives us, taken and given up so that nothing is lost: commits are ours or nobody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from gateways.clock import Wakeup, start
from gateways.errors import SourceUnavailable
from gateways.processor import Context
from gateways.processors.kafka_cluster import KafkaCluster
from gateways.processors.kafka_group import HEARTBEAT_S, GroupMember, Membership
from gateways.processors.kafka_offsets import GroupOffsets
from gateways.processors.kafka_options import KafkaOptions
from gateways.processors.kafka_position import Position

_BEATS_PER_LOOK = 100
"""Every five minutes, as Kafka's own clients do, the leader looks whether a topic has got more partitions."""


class Share:
    """
    For one run.

    Args:
        cluster: Who is asked.
        positions: Of our partitions; those that are given to others are taken out of it.
        membership: Who we are in the group.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        options: KafkaOptions,
        context: Context,
        positions: dict[int, Position],
        membership: Membership,
    ) -> None:
        self._cluster = cluster
        self._options = options
        self._context = context
        self._positions = positions
        self._membership = membership
        self._member = GroupMember(cluster, options, context, membership)
        self._is_known = False

    async def take(self, offsets: GroupOffsets) -> tuple[int, ...]:
        """
        Join the group, and keep what we had of what it gives us; where others may have had it meanwhile, nothing.

        Returns:
            Our partitions; each has a position.

        Raises:
            SourceUnavailable: There is no such topic, or the group cannot be joined now.
        """
        await self._cluster.leaders()
        sent = Wakeup(self._context.clock)
        failure: SourceUnavailable | None = None
        async with asyncio.TaskGroup() as group:
            telling = start(self._context.clock, group, self._tell_that_it_waits(sent, offsets), name="tell")
            try:
                given = await self._member.join(sent.set)
            except SourceUnavailable as error:
                failure = error  # not as a group of one
            finally:
                telling.cancel()
        if failure is not None:
            raise failure
        assigned, continued = given
        for partition in tuple(self._positions):
            if not continued or partition not in assigned:
                self._give_up(partition, offsets)
        for partition in assigned:
            self._positions.setdefault(partition, Position())
        return assigned

    async def stay(self, shared_anew: Callable[[], None]) -> None:
        """
        Say again and again that we live.

        Args:
            shared_anew: Called each time that we hear that the partitions are shared out anew.

        Raises:
            SourceUnavailable: It cannot be said.
        """
        for beat in count(1):
            if not await self._stands() or (beat % _BEATS_PER_LOOK == 0 and await self._member.has_more_to_share()):
                shared_anew()
            await self._context.clock.sleep(HEARTBEAT_S)

    async def leave(self) -> None:
        """
        Leave the group, so that others take over at once.

        Raises:
            SourceUnavailable: It cannot be said.
        """
        await self._member.leave()

    def tell_share(self, peer: str) -> None:
        """
        Say which partitions we have; *peer* is where the group was asked.
        """
        self._is_known = True
        topic, group = self._options.topic, self._options.group
        if self._positions:
            places = ", ".join(f"{topic}/{partition}" for partition in sorted(self._positions))
            self._context.running(f"reading {places} in group {group} at {peer}")
        else:
            self._context.running(f"waiting: other members of group {group} read every partition of {topic}")

    async def _stands(self) -> bool:
        return self._membership.is_member and await self._member.heartbeat()

    async def _tell_that_it_waits(self, sent: Wakeup, offsets: GroupOffsets) -> None:
        """
        While the others are waited for we count as running, if the group's offsets say where each partition goes on:
        then nothing is lost that is published from now on, whoever reads it.
        """
        await sent.wait()
        try:
            # In this order: a member that commits only after this answer knows by then that we want to join.
            partitions = await self._cluster.leaders()
            committed = await offsets.committed(tuple(partitions))
        except SourceUnavailable:
            return  # joining fails for the same reason, and says so
        if self._is_known or len(committed) == len(partitions):
            self._is_known = True
            self._context.running(f"waiting for partitions of {self._options.topic} in group {self._options.group}")

    def _give_up(self, partition: int, offsets: GroupOffsets) -> None:
        position = self._positions.pop(partition)
        position.stirred = _nothing
        offsets.forget(partition)
        if position.in_flight:
            self._context.log.warning(
                "%s/%d is not ours any more; %d messages in flight come again to whoever reads it",
                *(self._options.topic, partition, position.in_flight),
            )


def _nothing() -> None:
    pass
