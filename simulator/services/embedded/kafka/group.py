"""
Group: one consumer group, from the first member that joins to the last that leaves or is not heard of any more.

Sessions and rebalances end in scenario time, so that a story tells when a member is missed.

Source: Apache Kafka, KIP-62, KIP-345, KIP-394 and the protocol guide's "Group Membership API".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import uuid4

from simulator.services.embedded.kafka.errors import (
    FENCED_INSTANCE_ID,
    ILLEGAL_GENERATION,
    INCONSISTENT_GROUP_PROTOCOL,
    MEMBER_ID_REQUIRED,
    NONE,
    NOT_COORDINATOR,
    REBALANCE_IN_PROGRESS,
    UNKNOWN_MEMBER_ID,
    Refused,
)

EMPTY, PREPARING, COMPLETING, STABLE = "Empty", "PreparingRebalance", "CompletingRebalance", "Stable"

Later = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls back in so many seconds; what it returns is called to cancel that."""
Stall = Callable[[], Callable[[], None]]
"""Says that somebody's work waits for scenario time until what it returns is called."""


def in_real_time(seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
    """
    A Later that takes the machine's time.
    """
    return asyncio.get_running_loop().call_later(seconds, callback).cancel


def _nothing() -> None:
    pass


class Waiting:
    """
    An answer that is given when others have done their part. Who asked waits for scenario time until it is known.
    """

    __slots__ = ("_answer", "_release")

    def __init__(self) -> None:
        self._answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._release = _nothing

    @property
    def is_open(self) -> bool:
        """
        Whether it is not known yet.
        """
        return not self._answer.done()

    def tell(self, error: int) -> None:
        """
        The answer is *error*, unless it is known already.
        """
        if self.is_open:
            self._release()
            self._answer.set_result(error)

    async def answer(self, stall: Stall) -> int:
        """
        The answer, once it is known.
        """
        if self.is_open:
            self._release = stall()
        try:
            return await self._answer
        finally:
            self._release()


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
    stall: Stall = lambda: _nothing
    """Its work waits for scenario time."""
    later: Later = in_real_time
    """Ends its session, and the rebalance that it asks for."""
    joining: Waiting | None = None
    """Told the error code when the group has a new generation."""
    syncing: Waiting | None = None
    forget_timer: Callable[[], None] = _nothing

    def metadata(self, protocol: str) -> bytes:
        """
        What it says of itself under *protocol*.
        """
        return dict(self.protocols).get(protocol, b"")


class Joined(NamedTuple):
    """
    What became of a member that wanted to join.
    """

    member: str
    error: int
    leader: str = ""
    """Who leads, as this member is to be told."""


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
    _cancel_deadline: Callable[[], None] = _nothing

    async def join(self, member: Member, protocol_type: str, *, must_ask: bool) -> Joined:
        """
        Let *member* join, or join again, and wait for the next generation.

        Args:
            member: With an empty id where it has none yet.
            protocol_type: What kind of group it takes it for.
            must_ask: Whether a newcomer is first told its id and has to come again.

        Returns:
            Its id, and an error code.
        """
        named = self._named(member.instance)
        if named is not None and member.id not in ("", named.id):
            return Joined(member.id, FENCED_INSTANCE_ID)
        if not member.id:
            member.id = f"{member.client or 'member'}-{uuid4()}"
            if must_ask and member.instance is None:
                self._promised.add(member.id)
                return Joined(member.id, MEMBER_ID_REQUIRED)
        elif member.id in self._promised:
            self._promised.discard(member.id)
        elif member.id not in self.members:
            return Joined(member.id, UNKNOWN_MEMBER_ID)
        if not self._fits(member, protocol_type):
            return Joined(member.id, INCONSISTENT_GROUP_PROTOCOL)
        self.protocol_type = protocol_type
        leader = self.leader
        known = self.members.get(member.id)
        if known is None and named is not None:
            if self._took_the_place_of(named, member):
                return Joined(member.id, NONE, leader)
        elif known is not None and known.protocols == member.protocols and self._need_not_rejoin(known):
            self._touch(known)
            return Joined(member.id, NONE, leader)
        if known is not None:
            member.assignment = known.assignment
            _forget(known, REBALANCE_IN_PROGRESS)
        self.members[member.id] = member
        joining = member.joining = Waiting()
        self._prepare(member.later)
        error = await joining.answer(member.stall)
        return Joined(member.id, error, self.leader)

    async def sync(
        self, member_id: str, generation: int, assignments: Mapping[str, bytes], *, instance: str | None = None
    ) -> bytes:
        """
        Take the leader's *assignments*, and give the member its own once they are known.

        Raises:
            Refused: It is no member, or a rebalance has begun.
        """
        member = self.checked(member_id, generation, instance)
        if self.state == PREPARING:
            raise Refused(REBALANCE_IN_PROGRESS)
        if self.state == COMPLETING and member_id == self.leader:
            for each in self.members.values():
                each.assignment = assignments.get(each.id, b"")
            self.state = STABLE
            for each in self.members.values():
                _tell(each.syncing, NONE)
        if self.state != STABLE:
            member.syncing = Waiting()
            error = await member.syncing.answer(member.stall)
            if error:
                raise Refused(error)
        return member.assignment

    def heartbeat(self, member_id: str, generation: int, instance: str | None = None) -> None:
        """
        Note that a member lives.

        Raises:
            Refused: It is none, or has to join again.
        """
        self.checked(member_id, generation, instance)
        if self.state == PREPARING:
            raise Refused(REBALANCE_IN_PROGRESS)

    def checked(self, member_id: str, generation: int, instance: str | None = None) -> Member:
        """
        The member of that id and generation, which is thereby known to live.

        Raises:
            Refused: There is none, or another process has taken the place of that instance.
        """
        named = self._named(instance)
        if named is not None and named.id != member_id:
            raise Refused(FENCED_INSTANCE_ID)
        member = self.members.get(member_id)
        if member is None:
            raise Refused(UNKNOWN_MEMBER_ID)
        self._touch(member)
        if generation != self.generation:
            raise Refused(ILLEGAL_GENERATION)
        return member

    def leave(self, member_id: str, instance: str | None = None) -> None:
        """
        Take a member out, by its id or by its instance.

        Raises:
            Refused: It is none, or another process has taken the place of that instance.
        """
        named = self._named(instance)
        if named is not None and member_id not in ("", named.id):
            raise Refused(FENCED_INSTANCE_ID)
        member_id = named.id if named is not None else member_id
        self._promised.discard(member_id)
        member = self.members.pop(member_id, None)
        if member is None:
            raise Refused(UNKNOWN_MEMBER_ID)
        _forget(member, UNKNOWN_MEMBER_ID)
        if self.members:
            self._prepare(member.later)
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

    def move(self) -> None:
        """
        Another broker coordinates the group from now on: who waits for this one is told so. Members stay.
        """
        for member in self.members.values():
            for waiting in (member.joining, member.syncing):
                _tell(waiting, NOT_COORDINATOR)

    def _named(self, instance: str | None) -> Member | None:
        """
        The static member of that name.
        """
        if instance is None:
            return None
        return next((each for each in self.members.values() if each.instance == instance), None)

    def _took_the_place_of(self, named: Member, member: Member) -> bool:
        """
        Let *member* be the instance that *named* was, which hears that it is fenced.

        Returns:
            Whether that is all: a stable group whose member says the same of itself goes on as it is.
        """
        del self.members[named.id]
        _forget(named, FENCED_INSTANCE_ID)
        member.assignment = named.assignment
        if self.leader == named.id:
            self.leader = member.id
        if self.state != STABLE or named.protocols != member.protocols:
            return False
        self.members[member.id] = member
        self._touch(member)
        return True

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

    def _prepare(self, later: Later) -> None:
        if self.state != PREPARING:
            self.state = PREPARING
            for member in self.members.values():
                _tell(member.syncing, REBALANCE_IN_PROGRESS)
            longest_s = max(member.rebalance_s for member in self.members.values())
            self._cancel_deadline = later(longest_s, self._complete)
        if all(_waits(member.joining) for member in self.members.values()):
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

    def _touch(self, member: Member) -> None:
        member.forget_timer()
        member.forget_timer = member.later(member.session_s, lambda: self._expire(member))

    def _expire(self, member: Member) -> None:
        """
        A member was not heard of for its session: it is out, unless it waits for our own answer.
        """
        if _waits(member.joining):
            self._touch(member)
        elif self.members.get(member.id) is member:
            self.leave(member.id)


def _waits(waiting: Waiting | None) -> bool:
    return waiting is not None and waiting.is_open


def _tell(waiting: Waiting | None, error: int) -> None:
    if waiting is not None:
        waiting.tell(error)


def _forget(member: Member, error: int) -> None:
    member.forget_timer()
    _tell(member.joining, error)
    _tell(member.syncing, error)
