"""
Deliveries: what was delivered on one channel and is not settled, by the tags that the client knows it by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from simulator.services.embedded.amqp.failure import PRECONDITION_FAILED, Failure
from simulator.services.embedded.amqp.queue import Held, Queue


class Taker(Protocol):
    """
    A consumer, as its messages see it.
    """

    unsettled: int


class _Delivery(NamedTuple):
    queue: Queue
    held: Held
    consumer: Taker | None
    """None for a message that was asked for one by one."""


class Deliveries:
    """
    Those of one channel.

    Args:
        settled: Told when there is room for more: every queue that may have something to hand on.
    """

    def __init__(self, settled: Callable[[Mapping[int, Queue]], None]) -> None:
        self._settled = settled
        self._tags = 0
        self._open: dict[int, _Delivery] = {}

    def __len__(self) -> int:
        """
        Messages delivered and not settled.
        """
        return len(self._open)

    def add(self, queue: Queue, held: Held, consumer: Taker | None, *, no_ack: bool) -> int:
        """
        *held* is about to be delivered; returns its tag. With *no_ack* it is settled by that.
        """
        self._tags += 1
        if no_ack:
            queue.settle(held)
            return self._tags
        queue.unsettled[held.number] = held
        self._open[self._tags] = _Delivery(queue, held, consumer)
        if consumer is not None:
            consumer.unsettled += 1
        return self._tags

    def acknowledge(self, tag: int, *, multiple: bool) -> None:
        """
        The client has dealt with one, or with all up to *tag*, which may be 0 for all there are.

        Raises:
            Failure: 406, there is no such tag.
        """
        taken = [self._take(each) for each in self._tags_of(tag, multiple)]
        for delivery in taken:
            delivery.queue.settle(delivery.held)
        self._settled({id(delivery.queue): delivery.queue for delivery in taken})

    def give_back(self, tag: int, *, multiple: bool, requeue: bool) -> None:
        """
        The client does not want them: they go back to their places, or die.

        Raises:
            Failure: 406, there is no such tag.
        """
        tags = self._tags_of(tag, multiple)
        if requeue:
            self._put_back(tags)
            return
        taken = [self._take(each) for each in tags]
        for delivery in taken:
            delivery.queue.reject(delivery.held)
        self._settled({id(delivery.queue): delivery.queue for delivery in taken})

    def put_all_back(self) -> None:
        """
        Everything goes back to its place.
        """
        self._put_back(tuple(self._open))

    def _put_back(self, tags: tuple[int, ...]) -> None:
        taken = [self._take(tag) for tag in reversed(tags)]
        for delivery in taken:
            delivery.queue.put_back(delivery.held)
        self._settled({id(delivery.queue): delivery.queue for delivery in taken})

    def _tags_of(self, tag: int, multiple: bool) -> tuple[int, ...]:
        found = tuple(each for each in self._open if not tag or each <= tag) if multiple else (tag,)
        if tag and (not found or (not multiple and tag not in self._open)):
            raise Failure(PRECONDITION_FAILED, f"unknown delivery tag {tag}")
        if not tag and not multiple:
            raise Failure(PRECONDITION_FAILED, "unknown delivery tag 0")
        return found

    def _take(self, tag: int) -> _Delivery:
        delivery = self._open.pop(tag)
        if delivery.consumer is not None:
            delivery.consumer.unsettled -= 1
        return delivery
