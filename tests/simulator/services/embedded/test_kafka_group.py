"""
The embedded cluster's groups: static members, coordinators that move, and the protocol's own words for what is refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from simulator.services.embedded.kafka.cluster import Caller, Cluster
from simulator.services.embedded.kafka.errors import (
    FENCED_INSTANCE_ID,
    FETCH_SESSION_ID_NOT_FOUND,
    INVALID_FETCH_SESSION_EPOCH,
    NONE,
    NOT_COORDINATOR,
    REBALANCE_IN_PROGRESS,
    UNKNOWN_MEMBER_ID,
    Refused,
)
from simulator.services.embedded.kafka.group import STABLE, Group, Member
from simulator.services.embedded.kafka.library import consumer
from simulator.services.embedded.kafka.log_requests import fetch
from tests.simulator.services.embedded.kafka_clients import running


class Time:
    """
    Scenario time that passes when the test says so.
    """

    def __init__(self) -> None:
        self.due: dict[object, tuple[float, Callable[[], None]]] = {}
        self.stalled = 0

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        key = object()
        self.due[key] = (seconds, callback)
        return lambda: void(self.due.pop(key, None))

    def stall(self) -> Callable[[], None]:
        self.stalled += 1
        released = False

        def release() -> None:
            nonlocal released
            self.stalled -= not released
            released = True

        return release

    def ring(self) -> None:
        """
        All that is due comes now.
        """
        due, self.due = self.due, {}
        for _, callback in due.values():
            callback()


def void(_: Any) -> None:
    pass


def member(time: Time, instance: str | None = None, *, id: str = "") -> Member:
    protocols = [("range", b"m")]
    return Member(id, "client", "/here", instance, protocols, 10.0, 60.0, stall=time.stall, later=time.later)


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await story()

    asyncio.run(limited())


async def alone(group: Group, first: Member) -> str:
    """
    *first* has joined, leads, and has told itself its share.
    """
    joined = await group.join(first, "consumer", must_ask=False)
    await group.sync(joined.member, group.generation, {joined.member: b"all"})
    assert group.state == STABLE
    return joined.member


def test_a_second_process_takes_the_place_of_a_static_member_which_is_fenced() -> None:
    async def story() -> None:
        clock = Time()
        group = Group("g")
        first = await alone(group, member(clock, "desk"))
        generation = group.generation
        second = await group.join(member(clock, "desk"), "consumer", must_ask=True)
        assert (second.error, second.leader, group.generation) == (NONE, first, generation)
        assert await group.sync(second.member, generation, {}) == b"all"
        for use in (
            lambda: group.heartbeat(first, generation, "desk"),
            lambda: group.checked(first, generation, "desk"),
            lambda: group.leave(first, "desk"),
        ):
            with pytest.raises(Refused) as fenced:
                use()
            assert fenced.value.code == FENCED_INSTANCE_ID
        again = await group.join(member(clock, "desk", id=first), "consumer", must_ask=False)
        assert again.error == FENCED_INSTANCE_ID
        group.heartbeat(second.member, generation, "desk")

    play(story)


def test_a_static_member_that_was_waiting_is_told_that_it_is_fenced() -> None:
    async def story() -> None:
        clock = Time()
        group = Group("g")
        await alone(group, member(clock))
        waiting = asyncio.create_task(group.join(member(clock, "desk"), "consumer", must_ask=False))
        await asyncio.sleep(0)
        assert clock.stalled == 1
        newer = asyncio.create_task(group.join(member(clock, "desk"), "consumer", must_ask=False))
        assert (await waiting).error == FENCED_INSTANCE_ID
        newer.cancel()
        await asyncio.gather(newer, return_exceptions=True)
        assert clock.stalled == 0

    play(story)


def test_who_waits_for_others_waits_for_scenario_time_until_they_have_joined() -> None:
    async def story() -> None:
        clock = Time()
        group = Group("g")
        first = await alone(group, member(clock))
        second = asyncio.create_task(group.join(member(clock), "consumer", must_ask=False))
        await asyncio.sleep(0)
        assert clock.stalled == 1
        with pytest.raises(Refused) as told:
            group.heartbeat(first, group.generation)
        assert told.value.code == REBALANCE_IN_PROGRESS
        joined = await group.join(member(clock, id=first), "consumer", must_ask=False)
        assert (joined.error, clock.stalled, (await second).error) == (NONE, 0, NONE)

    play(story)


def test_a_member_that_is_not_heard_of_is_missed_in_scenario_time() -> None:
    async def story() -> None:
        clock = Time()
        group = Group("g")
        first = await alone(group, member(clock))
        clock.ring()
        with pytest.raises(Refused) as unknown:
            group.heartbeat(first, group.generation)
        assert unknown.value.code == UNKNOWN_MEMBER_ID

    play(story)


def test_when_the_coordinator_moves_members_stay_and_who_waits_is_told() -> None:
    async def story() -> None:
        clock = Time()
        cluster = Cluster(later=clock.later)
        cluster.lead_with([1, 2])
        group = cluster.group("g")
        first = await alone(group, member(clock))
        waiting = asyncio.create_task(group.join(member(clock), "consumer", must_ask=False))
        await asyncio.sleep(0)
        assert (cluster.coordination_error(1), cluster.coordination_error(2)) == (NONE, NOT_COORDINATOR)
        cluster.move_leaders()
        assert (cluster.coordination_error(1), cluster.coordination_error(2)) == (NOT_COORDINATOR, NONE)
        assert (await waiting).error == NOT_COORDINATOR
        assert first in group.members

    play(story)


def test_a_fetch_session_is_never_made_and_never_gone_on_with() -> None:
    async def answered(session: int, epoch: int) -> tuple[int, int]:
        request = consumer.FetchRequest(version=7, session_id=session, session_epoch=epoch, max_wait_ms=0)
        request.API_VERSION, request.min_bytes, request.max_bytes, request.topics = 7, 0, 100, []
        answer = await fetch(Cluster(), request, Caller(1, "/here"), NONE)
        return answer.error_code, answer.session_id

    async def story() -> None:
        assert await answered(0, -1) == await answered(0, 0) == (NONE, 0)
        assert await answered(0, 3) == (INVALID_FETCH_SESSION_EPOCH, 0)
        assert await answered(9, 3) == (FETCH_SESSION_ID_NOT_FOUND, 0)

    play(story)


def test_librdkafka_is_fenced_by_its_own_instance_and_follows_its_coordinator() -> None:
    from confluent_kafka import Consumer, KafkaError, KafkaException

    with running({"foo": 2}, brokers=2) as (servers, cluster):
        options = {"bootstrap.servers": servers, "group.id": "g", "group.instance.id": "desk", "log_level": 0}

        def assigned(consumer: Any) -> bool:
            deadline = time.monotonic() + 10
            while not consumer.assignment() and time.monotonic() < deadline:
                consumer.poll(0.05)
            return bool(consumer.assignment())

        first = Consumer(options)
        first.subscribe(["foo"])
        assert assigned(first)
        cluster.move_leaders()
        second = Consumer(options)
        second.subscribe(["foo"])
        assert assigned(second)
        fenced = None
        deadline = time.monotonic() + 15
        while fenced is None and time.monotonic() < deadline:
            try:
                message = first.poll(0.1)
            except KafkaException as error:
                fenced = error.args[0]
            else:
                fenced = message.error() if message is not None else None
        assert fenced is not None
        assert fenced.code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL)
        first.close()
        second.close()
