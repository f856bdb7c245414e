"""
What a session remembers of its messages, and for how long.
"""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

from gateways.limits import Limits
from gateways.processors.mqtt_session import Link, MqttSession
from gateways.source_event import SourceEvent
from tests.gateways.processors.surroundings import ACCEPTED, FakeContext

REMEMBERED = 100
EVENT = SourceEvent(b"{}", datetime(2018, 10, 7, tzinfo=UTC), "foo")


class Story:
    """
    A session whose messages are accepted at once.
    """

    def __init__(self) -> None:
        self.context = FakeContext(limits=Limits(remembered=REMEMBERED))
        self.acknowledged: list[int] = []
        self.session = MqttSession(lasting=True)
        link = Link(lambda number, qos: self.acknowledged.append(number), lambda event: True)
        self.session.begin(link, resumed=False)

    def receive(self, number: int, *, duplicate: bool = False) -> SourceEvent | None:
        event = self.session.receive(self.context, EVENT, number, qos=1, duplicate=duplicate)
        if event is not None:
            assert event.settle is not None
            event.settle(ACCEPTED)
        return event


def test_an_accepted_message_that_comes_again_is_only_acknowledged() -> None:
    story = Story()
    story.receive(1)
    assert story.receive(1, duplicate=True) is None
    assert story.acknowledged == [1, 1]


def test_an_accepted_message_is_forgotten_after_as_many_others_as_may_be_remembered() -> None:
    story = Story()
    for number in range(1, REMEMBERED + 2):
        story.receive(number)
    assert story.receive(1, duplicate=True) is not None
    assert story.receive(REMEMBERED, duplicate=True) is None


def test_a_number_that_is_used_again_is_remembered_for_its_latest_message() -> None:
    story = Story()
    story.receive(1)
    for number in range(2, REMEMBERED + 1):
        story.receive(number)
    story.receive(1)
    story.receive(2)  # the first message with number 1 is forgotten with this
    assert story.receive(1, duplicate=True) is None


def test_memory_does_not_grow_with_the_messages_that_were_accepted() -> None:
    story = Story()

    def held_after(last: int, *, since: int) -> int:
        for number in range(since, last + 1):
            story.receive(number)
        story.acknowledged.clear()
        story.context.events.clear()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early = held_after(30 * REMEMBERED, since=1)
        assert held_after(300 * REMEMBERED, since=30 * REMEMBERED + 1) < 1.5 * early
    finally:
        tracemalloc.stop()
