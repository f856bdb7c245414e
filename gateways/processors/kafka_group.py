"""
GroupMember: one member of a consumer group: it joins, is given partitions, says that it lives, and leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gateways.errors import SourceUnavailable
from gateways.processor import Context
from gateways.processors import kafka_assignment
from gateways.processors.kafka_cluster import KafkaCluster, said
from gateways.processors.kafka_connection import KafkaConnection
from gateways.processors.kafka_library import consumer
from gateways.processors.kafka_options import KafkaBroker, KafkaOptions

COORDINATOR_MOVED = frozenset({14, 15, 16})
"""It is loading, not available, or another one: it is looked for anew."""
MEMBERSHIP_LOST = frozenset({22, 25, 82})
"""Another generation, not a member, or fenced: others may read by now what was ours."""
REBALANCE_IN_PROGRESS = 27
HEARTBEAT_S = 3.0
SESSION_S = 30.0
"""So long the others wait for a member that is not heard of; longer than a graceful stop takes."""
REBALANCE_S = 60.0
"""So long they wait for one that is still settling what it has in flight."""
_ANSWER_S = REBALANCE_S + 10.0
_INCONSISTENT_PROTOCOL = 23
_MEMBER_ID_REQUIRED = 79
_NO_GENERATION = -1
_TRIES = 10
"""At one joining: each but the first follows an answer that asks for it."""


class Membership:
    """
    Who a configuration is in its group. It outlives a lost connection, so that the coordinator knows it again.
    """

    def __init__(self) -> None:
        self.id = ""
        self.generation = _NO_GENERATION

    @property
    def is_member(self) -> bool:
        """
        Whether it was given a share, and has not heard since that it is no member.
        """
        return self.generation != _NO_GENERATION

    def forget(self) -> None:
        """
        It is a member no more.
        """
        self.id, self.generation = "", _NO_GENERATION


class Assigned(NamedTuple):
    """
    What a member is given.
    """

    partitions: tuple[int, ...]
    continued: bool
    """Nobody else has had, since this member last was given partitions, those that it still has."""


class GroupMember:
    """
    One member, over a connection of its own: a broker answers in order, and a join late.
    """

    def __init__(self, cluster: KafkaCluster, options: KafkaOptions, context: Context, membership: Membership) -> None:
        self.membership = membership
        self._cluster = cluster
        self._options = options
        self._context = context
        self._connection: KafkaConnection | None = None
        self._shared_out: dict[str, list[int]] = {}
        """Topic to its partitions, as this member has shared them out; empty where it does not lead."""

    async def join(self, sent: Callable[[], None]) -> Assigned:
        """
        Join, or join again, and wait for the others.

        Args:
            sent: Called when the others are about to be waited for.

        Raises:
            SourceUnavailable: It cannot join now.
        """
        before = (self.membership.id, self.membership.generation)
        answer_code = 0
        for _ in range(_TRIES):
            connection = await self._coordinator()
            joined = await self._ask_to_join(connection, sent)
            answer_code = joined.error_code
            if not answer_code:
                answer_code, told = await self._take_share(connection, joined)
                if not answer_code:
                    return self._assigned(connection, before, told)
            self._heed(answer_code, joined)
        raise SourceUnavailable(
            f"{self._cluster.peer}: group {self._options.group} cannot be joined: {said(answer_code)}"
        )

    async def heartbeat(self) -> bool:
        """
        Say that it lives.

        Returns:
            False where it has to join again.

        Raises:
            SourceUnavailable: It cannot be said, or the coordinator answers with an error.
        """
        connection = await self._coordinator()
        answer = await connection.within_limit(
            connection.ask(
                "Heartbeat",
                group_id=self._options.group,
                generation_id=self.membership.generation,
                member_id=self.membership.id,
            )
        )
        code = int(answer.error_code)
        if code in COORDINATOR_MOVED:
            self._disconnect()
        elif code in MEMBERSHIP_LOST:
            self.membership.forget()
            return False
        elif code and code != REBALANCE_IN_PROGRESS:
            raise SourceUnavailable(f"{connection.peer}: group {self._options.group}: {said(code)}")
        return code != REBALANCE_IN_PROGRESS

    async def has_more_to_share(self) -> bool:
        """
        Whether the topics have other partitions than when this member, as the leader, shared them out.

        Raises:
            SourceUnavailable: Nobody can tell.
        """
        before = self._shared_out
        return bool(before) and await self._cluster.partitions(list(before)) != before

    async def leave(self) -> None:
        """
        Leave, so that nobody waits for this member.

        Raises:
            SourceUnavailable: It cannot be said.
        """
        if self.membership.id:
            # Not over its own connection, where a join may wait to be answered.
            connection = await self._cluster.connection(await self._cluster.coordinator())
            leaving = connection.ask("LeaveGroup", group_id=self._options.group, member_id=self.membership.id)
            await connection.within_limit(leaving)
            self.membership.forget()

    async def _coordinator(self) -> KafkaConnection:
        if self._connection is None:
            broker: KafkaBroker = await self._cluster.coordinator()
            self._connection = await self._cluster.fresh_connection(broker)
        return self._connection

    def _disconnect(self) -> None:
        """
        Look for the coordinator anew before it is asked again.
        """
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _ask_to_join(self, connection: KafkaConnection, sent: Callable[[], None]) -> Any:
        request = consumer.JoinGroupRequest
        metadata = kafka_assignment.subscription(self._options.topic)
        if self.membership.id:
            sent()
        return await connection.ask_and_wait(
            "JoinGroup",
            _ANSWER_S,
            group_id=self._options.group,
            session_timeout_ms=round(SESSION_S * 1000),
            rebalance_timeout_ms=round(REBALANCE_S * 1000),
            member_id=self.membership.id,
            group_instance_id=None,
            protocol_type=kafka_assignment.PROTOCOL_TYPE,
            protocols=[request.JoinGroupRequestProtocol(name=kafka_assignment.RANGE, metadata=metadata)],
        )

    async def _take_share(self, connection: KafkaConnection, joined: Any) -> tuple[int, bytes]:
        """
        Tell everybody's share, where this member leads, and take its own.

        Returns:
            An error code, and what it was told.
        """
        self.membership.id, self.membership.generation = joined.member_id, joined.generation_id
        assignments = []
        self._shared_out = {}
        if joined.leader == joined.member_id:
            members = kafka_assignment.subscribers(joined.members)
            topics = sorted({topic for each in members for topic in each.topics})
            partitions = self._shared_out = await self._cluster.partitions(topics)
            shares = kafka_assignment.shared_out(members, partitions)
            assignments = [
                consumer.SyncGroupRequest.SyncGroupRequestAssignment(
                    member_id=member, assignment=kafka_assignment.assignment(share)
                )
                for member, share in shares.items()
            ]
        answer = await connection.ask_and_wait(
            "SyncGroup",
            _ANSWER_S,
            group_id=self._options.group,
            generation_id=self.membership.generation,
            member_id=self.membership.id,
            group_instance_id=None,
            assignments=assignments,
        )
        return answer.error_code, bytes(answer.assignment or b"")

    def _assigned(self, connection: KafkaConnection, before: tuple[str, int], told: bytes) -> Assigned:
        member, generation = before
        follows = self.membership.generation - generation in (0, 1)
        continued = bool(member) and generation != _NO_GENERATION and member == self.membership.id and follows
        try:
            return Assigned(kafka_assignment.assigned(told, self._options.topic), continued)
        except ValueError as error:
            raise SourceUnavailable(f"{connection.peer}: what the leader of the group says: {error}") from error

    def _heed(self, code: int, joined: Any) -> None:
        """
        Do what an error asks for before joining is tried again.

        Raises:
            SourceUnavailable: Trying again at once would not help.
        """
        if code == _MEMBER_ID_REQUIRED:
            self.membership.id = joined.member_id
        elif code in COORDINATOR_MOVED:
            self._disconnect()
        elif code in MEMBERSHIP_LOST:
            self.membership.forget()
        elif code == _INCONSISTENT_PROTOCOL:
            group = self._options.group
            raise SourceUnavailable(
                f"{self._cluster.peer}: the members of group {group} do not know the range assignor"
            )
        elif code != REBALANCE_IN_PROGRESS:
            raise SourceUnavailable(f"{self._cluster.peer}: group {self._options.group} cannot be joined: {said(code)}")
