"""
Queue: messages in order, and the consumers that they are handed to in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from pamqp.commands import Basic
from pamqp.header import ContentHeader

Later = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls back in so many seconds of scenario time; gives the way to cancel."""
PERSISTENT = 2


class Message(NamedTuple):
    """
    What was published, once.
    """

    exchange: str
    routing_key: str
    properties: Basic.Properties
    body: bytes
    header: bytes
    """The content header as it goes over the wire; a publisher's own bytes, so that nothing is lost by decoding."""

    @classmethod
    def made(cls, exchange: str, routing_key: str, properties: Basic.Properties, body: bytes) -> Message:
        """
        A message of our own.
        """
        return cls(exchange, routing_key, properties, body, ContentHeader(0, len(body), properties).marshal())

    @property
    def place(self) -> tuple[str, str]:
        """
        Exchange and routing key.
        """
        return self.exchange, self.routing_key

    @property
    def headers(self) -> Mapping[str, Any]:
        """
        Its headers; empty where it has none.
        """
        return self.properties.headers or {}


class Held:
    """
    A message in one queue.
    """

    __slots__ = ("cancel_expiry", "expired", "message", "number", "redelivered")

    def __init__(self, message: Message, number: int) -> None:
        self.message = message
        self.number = number
        """Its place in the order of the queue."""
        self.redelivered = False
        self.expired = False
        self.cancel_expiry: Callable[[], None] | None = None


class Consumer(Protocol):
    """
    Whoever takes messages, as a queue sees it.
    """

    tag: str
    exclusive: bool

    @property
    def has_room(self) -> bool:
        """Whether it takes one more message now."""

    def deliver(self, held: Held) -> None:
        """Take a message."""

    def queue_deleted(self) -> None:
        """The queue is gone."""


class Queue:
    """
    One queue.

    Args:
        name: As clients call it.
        durable: Whether it survives a restart.
        owner: The connection whose own it is; None for everybody's.
        auto_delete: Whether it goes with its last consumer.
        arguments: As declared.
        later: For times to live.
        dead_letter: Told of a message that leaves undelivered, and why.
    """

    def __init__(
        self,
        name: str,
        *,
        durable: bool,
        owner: object | None,
        auto_delete: bool,
        arguments: Mapping[str, Any],
        later: Later,
        dead_letter: Callable[[Queue, Held, str], None],
    ) -> None:
        self.name = name
        self.durable = durable
        self.owner = owner
        self.auto_delete = auto_delete
        self.arguments = arguments
        self.consumers: deque[Consumer] = deque()
        self.unsettled: dict[int, Held] = {}
        self._later = later
        self._dead_letter = dead_letter
        self._ready: deque[Held] = deque()
        self._numbers = 0

    def __len__(self) -> int:
        """
        Messages that wait for a consumer.
        """
        return len(self._ready)

    def put(self, message: Message) -> None:
        """
        Add *message* at the end, and hand on what can be.
        """
        self._numbers += 1
        held = Held(message, self._numbers)
        self._ready.append(held)
        self._set_expiry(held)
        longest = self.arguments.get("x-max-length")
        if longest is not None and not self._has_taker():
            while len(self._ready) > longest:
                self._drop(self._ready.popleft(), "maxlen")
        self.pump()

    def pump(self) -> None:
        """
        Hand messages to consumers, one after another, for as long as one has room.
        """
        self._drop_expired()
        while self._ready:
            consumer = self._taker()
            if consumer is None:
                return
            held = self._ready.popleft()
            consumer.deliver(held)
            self._drop_expired()

    def pop(self) -> Held | None:
        """
        The first message, for whoever asks for one; None where there is none.
        """
        self._drop_expired()
        return self._ready.popleft() if self._ready else None

    def put_back(self, held: Held) -> None:
        """
        Take a message back, into its old place. `pump` is the caller's.
        """
        self.unsettled.pop(held.number, None)
        held.redelivered = True
        place = next((at for at, other in enumerate(self._ready) if other.number > held.number), len(self._ready))
        self._ready.insert(place, held)

    def settle(self, held: Held) -> None:
        """
        A message is acknowledged.
        """
        self.unsettled.pop(held.number, None)
        self._forget_expiry(held)

    def reject(self, held: Held) -> None:
        """
        A consumer does not want a message, and it is not to come again.
        """
        self.unsettled.pop(held.number, None)
        self._drop(held, "rejected")

    def purge(self) -> int:
        """
        Forget the messages that wait; returns how many there were.
        """
        count = len(self._ready)
        for held in self._ready:
            self._forget_expiry(held)
        self._ready.clear()
        return count

    def keep_persistent(self) -> None:
        """
        Forget messages that do not survive a restart.
        """
        gone = [held for held in self._ready if held.message.properties.delivery_mode != PERSISTENT]
        for held in gone:
            self._forget_expiry(held)
        self._ready = deque(held for held in self._ready if held.message.properties.delivery_mode == PERSISTENT)

    def durable_messages(self) -> list[tuple[Message, bool]]:
        """
        The persistent messages that are not acknowledged, in order, each with whether it was delivered before.
        """
        there = sorted((*self._ready, *self.unsettled.values()), key=lambda held: held.number)
        return [
            (held.message, held.redelivered or held.number in self.unsettled)
            for held in there
            if held.message.properties.delivery_mode == PERSISTENT
        ]

    def bring_back(self, message: Message, redelivered: bool) -> None:
        """
        Have a message of a former life; it lives as long as a new one. There are no consumers yet.
        """
        self.put(message)
        if self._ready and self._ready[-1].message is message:
            self._ready[-1].redelivered = redelivered

    def waiting(self) -> Iterator[Message]:
        """
        The messages that wait, in order.
        """
        return (held.message for held in self._ready)

    def _has_taker(self) -> bool:
        return any(consumer.has_room for consumer in self.consumers)

    def _taker(self) -> Consumer | None:
        """
        The next consumer in turn that has room.
        """
        for _ in range(len(self.consumers)):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.has_room:
                return consumer
        return None

    def _set_expiry(self, held: Held) -> None:
        lives_ms = [
            int(each)
            for each in (held.message.properties.expiration, self.arguments.get("x-message-ttl"))
            if each not in (None, "")
        ]
        if not lives_ms:
            return

        def expire() -> None:
            held.expired = True
            held.cancel_expiry = None
            self._drop_expired()

        if min(lives_ms) <= 0:
            held.expired = not self._has_taker()
        else:
            held.cancel_expiry = self._later(min(lives_ms) / 1000, expire)

    def _drop_expired(self) -> None:
        """
        Messages leave at the head alone: one that expires behind another stays until that one is gone.
        """
        while self._ready and self._ready[0].expired:
            self._drop(self._ready.popleft(), "expired")

    def _drop(self, held: Held, reason: str) -> None:
        self._forget_expiry(held)
        self._dead_letter(self, held, reason)

    def _forget_expiry(self, held: Held) -> None:
        if held.cancel_expiry is not None:
            held.cancel_expiry()
            held.cancel_expiry = None
