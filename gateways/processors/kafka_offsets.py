"""
GroupOffsets: what a group has committed of a topic, and what it commits next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateways.errors import SourceUnavailable
from gateways.processors.kafka_cluster import KafkaCluster, said
from gateways.processors.kafka_group import COORDINATOR_MOVED, MEMBERSHIP_LOST, REBALANCE_IN_PROGRESS, Membership
from gateways.processors.kafka_options import KafkaBroker, KafkaOptions
from gateways.processors.kafka_position import Position


class GroupOffsets:
    """
    For one run.

    Args:
        cluster: Who is asked.
        options: Name the group.
        membership: In whose name it is committed, where a group shares partitions out.
    """

    def __init__(self, cluster: KafkaCluster, options: KafkaOptions, membership: Membership) -> None:
        self._cluster = cluster
        self._options = options
        self._shared_out = options.partition is None
        self._membership = membership
        self._coordinator: KafkaBroker | None = None
        self._committed: dict[int, int] = {}

    async def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        """
        Where the group left off, of those partitions of which it has committed something.

        Raises:
            SourceUnavailable: The coordinator cannot tell.
        """
        self._coordinator = await self._cluster.coordinator()
        found = await self._cluster.committed(partitions, self._coordinator)
        self._committed.update(found)
        return found

    @property
    def are_ours(self) -> bool:
        """
        Whether anything can be committed: not by a member that the group goes on without.
        """
        return not self._shared_out or self._membership.is_member

    def forget(self, partition: int) -> None:
        """
        Somebody else commits for *partition* from now on.
        """
        self._committed.pop(partition, None)

    async def commit(self, positions: Mapping[int, Position]) -> bool:
        """
        Commit what is settled and not committed yet.

        Returns:
            False where the group is being shared out anew, or goes on without us: then nothing was committed.

        Raises:
            SourceUnavailable: The coordinator does not take it.
        """
        settled = {partition: position.settled for partition, position in positions.items()}
        offsets = {
            number: offset
            for number, offset in settled.items()
            if offset is not None and offset != self._committed.get(number)
        }
        if not offsets or self._coordinator is None:
            return True
        if not self.are_ours:
            return False
        code = await self._commit(offsets, self._coordinator)
        if code in COORDINATOR_MOVED:
            self._coordinator = await self._cluster.coordinator()
            code = await self._commit(offsets, self._coordinator)
        if self._shared_out and (code == REBALANCE_IN_PROGRESS or code in MEMBERSHIP_LOST):
            if code in MEMBERSHIP_LOST:
                self._membership.forget()
            return False
        if code:
            raise SourceUnavailable(
                f"{self._coordinator.peer}: the commit of group {self._options.group}: {said(code)}"
            )
        self._committed.update(offsets)
        return True

    async def _commit(self, offsets: Mapping[int, int], coordinator: KafkaBroker) -> int:
        if not self._shared_out:
            return await self._cluster.commit(offsets, coordinator)
        membership = self._membership
        return await self._cluster.commit(offsets, coordinator, member=membership.id, generation=membership.generation)
