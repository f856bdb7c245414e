"""
Broker: the exchanges, queues and bindings of one virtual host; knows nothing of connections and bytes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pamqp.commands import Basic

from simulator.services.embedded.amqp.failure import (
    ACCESS_REFUSED,
    COMMAND_INVALID,
    NOT_FOUND,
    NOT_IMPLEMENTED,
    PRECONDITION_FAILED,
    RESOURCE_LOCKED,
    Failure,
)
from simulator.services.embedded.amqp.queue import Held, Later, Message, Queue
from simulator.services.embedded.amqp.routing import MATCHES, Binding

_PREDEFINED = {
    "": "direct",
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
}
_RESERVED = "amq."
_NOT_KNOWN_HERE = ("x-expires", "x-max-priority", "x-single-active-consumer", "x-max-length-bytes", "x-overflow")
"""Arguments of queues that would be a promise."""
_NUMBERS = ("x-message-ttl", "x-max-length")


@dataclass(slots=True)
class Exchange:
    """
    One exchange.
    """

    name: str
    type: str
    durable: bool = True
    auto_delete: bool = False
    internal: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    bindings: list[Binding] = field(default_factory=list)


class Kept(NamedTuple):
    """
    What one broker can hand over to the next.
    """

    exchanges: list[Exchange]
    queues: list[tuple[str, bool, Mapping[str, Any], list[tuple[Message, bool]]]]
    """Name, whether it goes with its last consumer, arguments, and messages with whether each was delivered before."""


class Broker:
    """
    One virtual host.

    Args:
        vhost: Its name, for messages.
        later: For times to live.
    """

    def __init__(self, vhost: str, later: Later) -> None:
        self.vhost = vhost
        self.exchanges = {name: Exchange(name, type_) for name, type_ in _PREDEFINED.items()}
        self.queues: dict[str, Queue] = {}
        self._later = later

    # Exchanges.

    def exchange(self, name: str) -> Exchange:
        """
        The exchange *name*.

        Raises:
            Failure: 404, there is none.
        """
        if name not in self.exchanges:
            raise Failure(NOT_FOUND, f"no exchange '{name}' in vhost '{self.vhost}'")
        return self.exchanges[name]

    def declare_exchange(self, wanted: Exchange) -> None:
        """
        Have an exchange like *wanted*.

        Raises:
            Failure: 406, there is one that differs; 403, the name is reserved; 503, no such type.
        """
        if wanted.type not in MATCHES:
            raise Failure(COMMAND_INVALID, f"unknown exchange type '{wanted.type}'")
        found = self.exchanges.get(wanted.name)
        if found is None:
            if wanted.name.startswith(_RESERVED):
                raise Failure(ACCESS_REFUSED, f"exchange name '{wanted.name}' contains reserved prefix 'amq.*'")
            self.exchanges[wanted.name] = wanted
            return
        if not wanted.name:
            raise Failure(ACCESS_REFUSED, "operation not permitted on the default exchange")
        for name in ("type", "durable", "auto_delete", "internal"):
            self._check_same("exchange", wanted.name, name, getattr(wanted, name), getattr(found, name))
        self._check_same(
            "exchange",
            wanted.name,
            "alternate-exchange",
            wanted.arguments.get("alternate-exchange"),
            found.arguments.get("alternate-exchange"),
        )

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        """
        Delete the exchange *name*, which need not be there, and every binding of it.

        Raises:
            Failure: 406, it is in use; 403, it is predefined.
        """
        if name in _PREDEFINED:
            raise Failure(ACCESS_REFUSED, f"operation not permitted on exchange '{name or '(default)'}'")
        found = self.exchanges.get(name)
        if found is None:
            return
        if if_unused and found.bindings:
            raise Failure(PRECONDITION_FAILED, f"exchange '{name}' in vhost '{self.vhost}' in use")
        del self.exchanges[name]
        self._unbind_all(name, of_exchange=True)

    def _check_same(self, kind: str, owner: str, argument: str, received: Any, current: Any) -> None:
        if received != current:
            shown = [f"'{str(each).lower() if isinstance(each, bool) else each}'" for each in (received, current)]
            where = f"for {kind} '{owner}' in vhost '{self.vhost}'"
            problem = f"inequivalent arg '{argument}' {where}: received {shown[0]} but current is {shown[1]}"
            raise Failure(PRECONDITION_FAILED, problem)

    # Queues.

    def queue(self, name: str, owner: object) -> Queue:
        """
        The queue *name*, for the connection *owner*.

        Raises:
            Failure: 404, there is none; 405, it is another connection's own.
        """
        found = self.queues.get(name)
        if found is None:
            raise Failure(NOT_FOUND, f"no queue '{name}' in vhost '{self.vhost}'")
        if found.owner is not None and found.owner is not owner:
            problem = f"cannot obtain exclusive access to locked queue '{name}' in vhost '{self.vhost}'"
            raise Failure(RESOURCE_LOCKED, problem)
        return found

    def declare_queue(
        self, name: str, *, durable: bool, owner: object | None, auto_delete: bool, arguments: Mapping[str, Any]
    ) -> Queue:
        """
        Have a queue like this; without a *name* it gets one.

        Raises:
            Failure: 406, there is one that differs, or an argument is malformed; 403, the name is reserved.
        """
        if name in self.queues:
            found = self.queues[name]
            self._check_same("queue", name, "durable", durable, found.durable)
            self._check_same("queue", name, "exclusive", owner is not None, found.owner is not None)
            self._check_same("queue", name, "auto_delete", auto_delete, found.auto_delete)
            for argument in sorted({*arguments, *found.arguments}):
                self._check_same("queue", name, argument, arguments.get(argument), found.arguments.get(argument))
            return found
        if name.startswith(_RESERVED):
            raise Failure(ACCESS_REFUSED, f"queue name '{name}' contains reserved prefix 'amq.*'")
        _check_arguments(arguments)
        name = name or f"amq.gen-{secrets.token_urlsafe(16)}"
        found = self.queues[name] = Queue(
            name,
            durable=durable,
            owner=owner,
            auto_delete=auto_delete,
            arguments=arguments,
            later=self._later,
            dead_letter=self._dead_letter,
        )
        return found

    def delete_queue(self, queue: Queue, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """
        Delete *queue* with its bindings and messages; its consumers are told.

        Raises:
            Failure: 406, it is in use, or not empty.
        """
        if if_unused and queue.consumers:
            raise Failure(PRECONDITION_FAILED, f"queue '{queue.name}' in vhost '{self.vhost}' in use")
        if if_empty and len(queue):
            raise Failure(PRECONDITION_FAILED, f"queue '{queue.name}' in vhost '{self.vhost}' not empty")
        if self.queues.get(queue.name) is queue:
            del self.queues[queue.name]
            self._unbind_all(queue.name, of_exchange=False)
        for consumer in tuple(queue.consumers):
            consumer.queue_deleted()
        queue.consumers.clear()
        return queue.purge()

    # Bindings.

    def bind(self, source: str, binding: Binding) -> None:
        """
        Have the exchange *source* hand on to *binding*'s destination.

        Raises:
            Failure: 404, there is no such exchange; 403, it is the default one.
        """
        exchange = self._bindable(source, binding)
        if binding not in exchange.bindings:
            exchange.bindings.append(binding)

    def unbind(self, source: str, binding: Binding) -> None:
        """
        End that; it need not be bound.

        Raises:
            Failure: As `bind`.
        """
        exchange = self._bindable(source, binding)
        if binding in exchange.bindings:
            exchange.bindings.remove(binding)
            self._delete_unused(exchange)

    def bindings_to(self, queue: str) -> Iterator[tuple[str, Binding]]:
        """
        Each binding to *queue*, with the name of its exchange.
        """
        for exchange in self.exchanges.values():
            for binding in exchange.bindings:
                if binding.destination == queue and not binding.to_exchange:
                    yield exchange.name, binding

    def _bindable(self, source: str, binding: Binding) -> Exchange:
        exchange = self.exchange(source)
        if not source or (binding.to_exchange and not binding.destination):
            raise Failure(ACCESS_REFUSED, "operation not permitted on the default exchange")
        if binding.to_exchange:
            self.exchange(binding.destination)
        return exchange

    def _unbind_all(self, destination: str, *, of_exchange: bool) -> None:
        for exchange in tuple(self.exchanges.values()):
            left = [b for b in exchange.bindings if (b.destination, b.to_exchange) != (destination, of_exchange)]
            if len(left) < len(exchange.bindings):
                exchange.bindings = left
                self._delete_unused(exchange)

    def _delete_unused(self, exchange: Exchange) -> None:
        if exchange.auto_delete and not exchange.bindings and self.exchanges.get(exchange.name) is exchange:
            self.delete_exchange(exchange.name)

    # Messages.

    def publish(self, message: Message) -> bool:
        """
        Put *message* into every queue that it is routed to, once.

        Returns:
            Whether there was any.

        Raises:
            Failure: 404, there is no such exchange; 403, it is internal; 406, its expiration is no number.
        """
        exchange = self.exchange(message.exchange)
        if exchange.internal:
            problem = f"cannot publish to internal exchange '{exchange.name}' in vhost '{self.vhost}'"
            raise Failure(ACCESS_REFUSED, problem)
        expiration = message.properties.expiration
        if expiration and not (expiration.isascii() and expiration.isdigit()):
            raise Failure(PRECONDITION_FAILED, f"invalid expiration '{expiration[:40]}'")
        found = self._routed(exchange, message)
        for name in found:
            self.queues[name].put(message)
        return bool(found)

    def forget_transient(self) -> None:
        """
        What a restart leaves: durable exchanges and queues with the bindings among them, and persistent messages.
        """
        for queue in tuple(self.queues.values()):
            if queue.durable and queue.owner is None:
                queue.keep_persistent()
            else:
                self.delete_queue(queue)
        for exchange in tuple(self.exchanges.values()):
            if not exchange.durable:
                self.exchanges.pop(exchange.name, None)
                self._unbind_all(exchange.name, of_exchange=True)

    def kept(self) -> Kept:
        """
        The same, for a broker in another process.
        """
        queues = [
            (each.name, each.auto_delete, each.arguments, each.durable_messages())
            for each in self.queues.values()
            if each.durable and each.owner is None
        ]
        return Kept([each for each in self.exchanges.values() if each.durable], queues)

    def take_up(self, kept: Kept) -> None:
        """
        Have what another broker kept, beside what there is.
        """
        self.exchanges.update((each.name, each) for each in kept.exchanges)
        for name, auto_delete, arguments, messages in kept.queues:
            queue = self.declare_queue(name, durable=True, owner=None, auto_delete=auto_delete, arguments=arguments)
            for message, redelivered in messages:
                queue.bring_back(message, redelivered)
        for exchange in self.exchanges.values():
            there = (self.queues, self.exchanges)
            exchange.bindings = [each for each in exchange.bindings if each.destination in there[each.to_exchange]]

    def _routed(self, exchange: Exchange, message: Message) -> dict[str, None]:
        """
        Names of the queues, each once.
        """
        found: dict[str, None] = {}
        seen: set[str] = set()
        todo = [exchange]
        while todo:
            current = todo.pop()
            if current.name in seen:
                continue
            seen.add(current.name)
            if not current.name:
                if message.routing_key in self.queues:
                    found[message.routing_key] = None
                continue
            matches, hit = MATCHES[current.type], False
            for binding in current.bindings:
                if matches(binding, message.routing_key, message.headers):
                    hit = True
                    if not binding.to_exchange:
                        found[binding.destination] = None
                    else:
                        todo.append(self.exchanges[binding.destination])
            alternate = current.arguments.get("alternate-exchange")
            if not hit and alternate in self.exchanges:
                todo.append(self.exchanges[alternate])
        return found

    def _dead_letter(self, queue: Queue, held: Held, reason: str) -> None:
        """
        Where *queue* says where dead messages go, publish it there with the story of its deaths.

        A message that dies again and again without anybody's will is dropped once it comes full circle.
        """
        exchange = self.exchanges.get(queue.arguments.get("x-dead-letter-exchange", "\0"))
        if exchange is None:
            return
        message = held.message
        deaths = _deaths(message, queue, reason)
        headers = {**message.headers, "x-death": deaths}
        for name, value in (("queue", queue.name), ("reason", reason), ("exchange", message.exchange)):
            headers.setdefault(f"x-first-death-{name}", value)
        own: dict[str, Any] = dict(message.properties)
        properties = Basic.Properties(**{**own, "headers": headers, "expiration": None})
        key = queue.arguments.get("x-dead-letter-routing-key", message.routing_key)
        dead = Message.made(exchange.name, key, properties, message.body)
        died_of_itself = all(death["reason"] != "rejected" for death in deaths)
        been_at = {death["queue"] for death in deaths}
        for name in self._routed(exchange, dead):
            if not (died_of_itself and name in been_at):
                self.queues[name].put(dead)


def _deaths(message: Message, queue: Queue, reason: str) -> list[dict[str, Any]]:
    """
    The deaths of *message*, the latest first; one entry for each queue and reason, with a count.
    """
    told: list[dict[str, Any]] = [dict(death) for death in message.headers.get("x-death") or ()]
    this = next((death for death in told if (death["queue"], death["reason"]) == (queue.name, reason)), None)
    if this is None:
        this = {"count": 0, "reason": reason, "queue": queue.name, "exchange": message.exchange}
        this["routing-keys"] = [message.routing_key]
    else:
        told.remove(this)
    this["count"] += 1
    if message.properties.expiration:
        this["original-expiration"] = message.properties.expiration
    return [this, *told]


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    for name in _NOT_KNOWN_HERE:
        if name in arguments:
            raise Failure(NOT_IMPLEMENTED, f"queue argument '{name}' is not supported here")
    if arguments.get("x-queue-type", "classic") != "classic":
        raise Failure(NOT_IMPLEMENTED, f"queue type '{arguments['x-queue-type']}' is not supported here")
    for name in _NUMBERS:
        value = arguments.get(name, 0)
        if type(value) is not int or value < 0:
            raise Failure(PRECONDITION_FAILED, f"invalid arg '{name}': a number, zero or more, not '{value}'")
    if "x-dead-letter-routing-key" in arguments and "x-dead-letter-exchange" not in arguments:
        raise Failure(PRECONDITION_FAILED, "invalid arg 'x-dead-letter-routing-key': there is no dead letter exchange")
