"""
Group: one consumer group, from the first member that joins to the last that leaves or is not heard of any more.

Real time rules it: sessions and rebalances are a broker's own affair.

Source: Apache Kafka, KIP-62, KIP-394 and the protocol guide's "Group Membership API".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import uuid4

from simulator.services.embedded.kafka.errors import (
    ILLEGAL_GENERATION,
    INCONSISTENT_GROUP_PROTOCOL,
    MEMBER_ID_REQUIRED,
    NONE,
    REBALANCE_IN_PROGRESS,
    UNKNOWN_MEMBER_ID,
    Refused,
)

EMPTY, PREPARING, COMPLETING, STABLE = "Empty", "PreparingRebalance", "CompletingRebalance", "Stable"
_FIRST_DELAY_S = 0.02
"""So long the first member waits for others, which saves a second rebalance."""


@dataclass(eq=False, slots=True)
class Member:
    """
    One member.
    """

    id: str
    client: str
    host: str
    instance: str | None
    protocols: Sequence[tuple[str, bytes]]
    session_s: float
    rebalance_s: float
    assignment: bytes = b""
    joining: asyncio.Future[int] | None = None
    """Told the error code when the group has a new generation."""
    syncing: asyncio.Future[int] | None = None
    timer: asyncio.TimerHandle | None = None

    def metadata(self, protocol: str) -> bytes:
        """
        What it says of itself under *protocol*.
        """
        return dict(self.protocols).get(protocol, b"")


class Committed(NamedTuple):
    """
    An offset that a group has committed.
    """

    offset: int
    leader_epoch: int
    metadata: str


@dataclass(slots=True)
class Group:
    """
    One group.
    """

    id: str
    state: str = EMPTY
    generation: int = 0
    protocol_type: str = ""
    protocol: str = ""
    leader: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    offsets: dict[tuple[str, int], Committed] = field(default_factory=dict)
    """Topic and partition to what was committed."""
    _promised: set[str] = field(default_factory=set)
    """Member ids that were handed out and not used yet."""
    _deadline: asyncio.TimerHandle | None = None
    _is_first: bool = False

    async def join(self, member: Member, protocol_type: str, *, must_ask: bool) -> tuple[str, int]:
        """
        Let *member* join, or join again, and wait for the next generation.

        Args:
            member: With an empty id where it has none yet.
            protocol_type: What kind of group it takes it for.
            must_ask: Whether a newcomer is first told its id and has to come again.

        Returns:
            Its id, and an error code.
        """
        if not member.id:
            member.id = f"{member.client or 'member'}-{uuid4()}"
            if must_ask:
                self._promised.add(member.id)
                return member.id, MEMBER_ID_REQUIRED
        elif member.id in self._promised:
            self._promised.discard(member.id)
        elif member.id not in self.members:
            return member.id, UNKNOWN_MEMBER_ID
        if not self._fits(member, protocol_type):
            return member.id, INCONSISTENT_GROUP_PROTOCOL
        self.protocol_type = protocol_type
        known = self.members.get(member.id)
        if known is not None and known.protocols == member.protocols and self._need_not_rejoin(known):
            self._touch(known)
            return member.id, NONE
        if known is not None:
            member.assignment = known.assignment
            _forget(known, REBALANCE_IN_PROGRESS)
        self.members[member.id] = member
        joining = member.joining = asyncio.get_running_loop().create_future()
        self._prepare()
        return member.id, await joining

    async def sync(self, member_id: str, generation: int, assignments: Mapping[str, bytes]) -> bytes:
        """
        Take the leader's *assignments*, and give the member its own once they are known.

        Raises:
            Refused: It is no member, or a rebalance has begun.
        """
        member = self.checked(member_id, generation)
        if self.state == PREPARING:
            raise Refused(REBALANCE_IN_PROGRESS)
        if self.state == COMPLETING and member_id == self.leader:
            for each in self.members.values():
                each.assignment = assignments.get(each.id, b"")
            self.state = STABLE
            for each in self.members.values():
                _tell(each.syncing, NONE)
        if self.state != STABLE:
            member.syncing = asyncio.get_running_loop().create_future()
            error = await member.syncing
            if error:
                raise Refused(error)
        return member.assignment

    def heartbeat(self, member_id: str, generation: int) -> None:
        """
        Note that a member lives.

        Raises:
            Refused: It is none, or has to join again.
        """
        self.checked(member_id, generation)
        if self.state == PREPARING:
            raise Refused(REBALANCE_IN_PROGRESS)

    def checked(self, member_id: str, generation: int) -> Member:
        """
        The member of that id and generation, which is thereby known to live.

        Raises:
            Refused: There is none.
        """
        member = self.members.get(member_id)
        if member is None:
            raise Refused(UNKNOWN_MEMBER_ID)
        self._touch(member)
        if generation != self.generation:
            raise Refused(ILLEGAL_GENERATION)
        return member

    def leave(self, member_id: str) -> None:
        """
        Take a member out.

        Raises:
            Refused: It is none.
        """
        self._promised.discard(member_id)
        member = self.members.pop(member_id, None)
        if member is None:
            raise Refused(UNKNOWN_MEMBER_ID)
        _forget(member, UNKNOWN_MEMBER_ID)
        if self.members:
            self._prepare()
        else:
            self._become_empty()

    def disband(self) -> None:
        """
        Forget every member, as a broker that stops does. Offsets stay.
        """
        members, self.members = list(self.members.values()), {}
        for member in members:
            _forget(member, UNKNOWN_MEMBER_ID)
        self._become_empty()

    def _fits(self, member: Member, protocol_type: str) -> bool:
        others = [each for each in self.members.values() if each.id != member.id]
        if not protocol_type or not member.protocols:
            return False
        shared = {name for name, _ in member.protocols}
        for other in others:
            shared &= {name for name, _ in other.protocols}
        return bool(shared) and (not others or protocol_type == self.protocol_type)

    def _need_not_rejoin(self, member: Member) -> bool:
        """
        Whether a member that joins again simply missed an answer. A leader that does so wants a rebalance.
        """
        return self.state == COMPLETING or (self.state == STABLE and member.id != self.leader)

    def _prepare(self) -> None:
        if self.state != PREPARING:
            self._is_first = self.state == EMPTY
            self.state = PREPARING
            for member in self.members.values():
                _tell(member.syncing, REBALANCE_IN_PROGRESS)
            delay = _FIRST_DELAY_S if self._is_first else max(member.rebalance_s for member in self.members.values())
            self._deadline = asyncio.get_running_loop().call_later(delay, self._complete)
        if not self._is_first and all(_waits(member.joining) for member in self.members.values()):
            self._complete()

    def _complete(self) -> None:
        """
        Begin a generation with those who have joined.
        """
        self._cancel_deadline()
        for member in [each for each in self.members.values() if not _waits(each.joining)]:
            del self.members[member.id]
            _forget(member, UNKNOWN_MEMBER_ID)
        if not self.members:
            self._become_empty()
            return
        self.generation += 1
        self.state = COMPLETING
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        everybody = [dict(member.protocols) for member in self.members.values()]
        self.protocol = next(
            name for name, _ in self.members[self.leader].protocols if all(name in each for each in everybody)
        )
        for member in self.members.values():
            member.assignment = b""
            self._touch(member)
            _tell(member.joining, NONE)

    def _become_empty(self) -> None:
        self._cancel_deadline()
        self.state, self.leader, self.protocol = EMPTY, "", ""
        self.generation += 1

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _touch(self, member: Member) -> None:
        if member.timer is not None:
            member.timer.cancel()
        member.timer = asyncio.get_running_loop().call_later(member.session_s, self._expire, member)

    def _expire(self, member: Member) -> None:
        """
        A member was not heard of for its session: it is out, unless it waits for our own answer.
        """
        if _waits(member.joining):
            self._touch(member)
        elif self.members.get(member.id) is member:
            self.leave(member.id)


def _waits(future: asyncio.Future[int] | None) -> bool:
    return future is not None and not future.done()


def _tell(future: asyncio.Future[int] | None, error: int) -> None:
    if future is not None and not future.done():
        future.set_result(error)


def _forget(member: Member, error: int) -> None:
    if member.timer is not None:
        member.timer.cancel()
    _tell(member.joining, error)
    _tell(member.syncing, error)
