"""
Channel: the protocol core of one channel; what a client says on it, done to the broker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pamqp.base import Frame as Method
from pamqp.commands import Basic, Confirm, Exchange, Queue
from pamqp.commands import Channel as ChannelMethods

from simulator.services.embedded.amqp import wire
from simulator.services.embedded.amqp.broker import Broker
from simulator.services.embedded.amqp.broker import Exchange as ExchangeModel
from simulator.services.embedded.amqp.deliveries import Deliveries
from simulator.services.embedded.amqp.failure import (
    ACCESS_REFUSED,
    COMMAND_INVALID,
    NOT_ALLOWED,
    NOT_IMPLEMENTED,
    UNEXPECTED_FRAME,
    Failure,
)
from simulator.services.embedded.amqp.queue import Held, Message
from simulator.services.embedded.amqp.queue import Queue as QueueModel
from simulator.services.embedded.amqp.routing import Binding


class Line(Protocol):
    """
    The connection, as its channels see it.
    """

    frame_max: int

    @property
    def writable(self) -> bool:
        """Whether the client reads as fast as we write."""

    @property
    def loses_acknowledgements(self) -> bool:
        """Whether what consumers acknowledge is not to be heard."""

    def write(self, data: bytes) -> None:
        """Send."""


class _Consumer:
    """
    One consumer; see queue.Consumer.
    """

    def __init__(self, channel: Channel, tag: str, queue: QueueModel, *, no_ack: bool, exclusive: bool) -> None:
        self.tag = tag
        self.queue = queue
        self.no_ack = no_ack
        self.exclusive = exclusive
        self.unsettled = 0
        self._prefetch = channel.prefetch
        self._channel = channel

    @property
    def has_room(self) -> bool:
        """See queue.Consumer."""
        channel = self._channel
        if not channel.takes_deliveries:
            return False
        return self.no_ack or (not 0 < self._prefetch <= self.unsettled and channel.has_room)

    def deliver(self, held: Held) -> None:
        """See queue.Consumer."""
        self._channel.deliver(self, held)

    def queue_deleted(self) -> None:
        """See queue.Consumer."""
        self._channel.queue_deleted(self)


class _Publishing:
    """
    A message of which not all has come.
    """

    def __init__(self, method: Basic.Publish) -> None:
        self.method = method
        self.header: wire.HeaderFrame | None = None
        self.body = bytearray()


class Channel:
    """
    One channel.

    Args:
        number: Its number.
        broker: The virtual host of the connection.
        line: The connection.
    """

    def __init__(self, number: int, broker: Broker, line: Line) -> None:
        self.prefetch = 0
        """Of consumers to come; 0 for no bound."""
        self._number = number
        self._broker = broker
        self._line = line
        self._flowing = True
        self._prefetch_of_all = 0
        self._consumers: dict[str, _Consumer] = {}
        self._deliveries = Deliveries(self._pump_after)
        self._consumer_names = 0
        self._confirming = False
        self._published = 0
        self._publishing: _Publishing | None = None
        self._last_queue = ""

    # What queues and consumers see.

    @property
    def takes_deliveries(self) -> bool:
        """
        Whether anything may be delivered at present.
        """
        return self._flowing and self._line.writable

    @property
    def has_room(self) -> bool:
        """
        Whether the bound for all consumers together leaves room.
        """
        return not 0 < self._prefetch_of_all <= len(self._deliveries)

    @property
    def unsettled(self) -> int:
        """
        Messages delivered and not acknowledged.
        """
        return len(self._deliveries)

    def deliver(self, consumer: _Consumer, held: Held) -> None:
        """
        Send *held* to the client.
        """
        message, tag = held.message, self._deliveries.add(consumer.queue, held, consumer, no_ack=consumer.no_ack)
        head = wire.deliver_bytes(self._number, consumer.tag, tag, held.redelivered, message.place)
        self._line.write(head + self._content(message))

    def queue_deleted(self, consumer: _Consumer) -> None:
        """
        Tell the client that there is nothing left to consume.
        """
        self._consumers.pop(consumer.tag, None)
        self._say(Basic.Cancel(consumer.tag, True))

    def pump(self) -> None:
        """
        The client can take more.
        """
        for queue in {id(consumer.queue): consumer.queue for consumer in self._consumers.values()}.values():
            queue.pump()

    def close(self) -> None:
        """
        End every consumer and put back what is not acknowledged.
        """
        for tag in tuple(self._consumers):
            self._end_consumer(tag)
        self._deliveries.put_all_back()

    # What the client says.

    def on_method(self, method: Method) -> None:
        """
        Do what *method* says.

        Raises:
            Failure: It must not be said, or not now.
        """
        if self._publishing is not None:
            raise Failure(UNEXPECTED_FRAME, f"expected content, got {method.name}")
        handler = _HANDLERS.get(type(method))
        if handler is None:
            raise Failure(NOT_IMPLEMENTED, f"{method.name} is not supported here")
        handler(self, method)

    def on_header(self, header: wire.HeaderFrame) -> None:
        """
        The content header of what is being published.
        """
        publishing = self._publishing
        if publishing is None or publishing.header is not None:
            raise Failure(UNEXPECTED_FRAME, "content header without a publish")
        publishing.header = header
        self._publish_complete()

    def on_body(self, body: bytes) -> None:
        """
        A piece of the body of what is being published.
        """
        publishing = self._publishing
        if publishing is None or publishing.header is None:
            raise Failure(UNEXPECTED_FRAME, "content body without a header")
        publishing.body += body
        self._publish_complete()

    # Publishing.

    def _publish(self, method: Any) -> None:
        if method.immediate:
            raise Failure(NOT_IMPLEMENTED, "immediate=true")
        self._publishing = _Publishing(method)

    def _publish_complete(self) -> None:
        publishing = self._publishing
        assert publishing is not None
        assert publishing.header is not None
        method, header = publishing.method, publishing.header
        missing = header.decoded.body_size - len(publishing.body)
        if missing > 0:
            return
        if missing < 0:
            raise Failure(UNEXPECTED_FRAME, "the body is longer than its header says")
        self._publishing = None
        body = bytes(publishing.body)
        message = Message(method.exchange, method.routing_key, header.decoded.properties, body, header.raw)
        self._published += 1
        number = self._published
        routed = self._broker.publish(message)
        if not routed and method.mandatory:
            returned = wire.return_bytes(self._number, message.exchange, message.routing_key)
            self._line.write(returned + self._content(message))
        if self._confirming:
            self._line.write(wire.ack_bytes(self._number, number))

    def _confirm_select(self, method: Any) -> None:
        self._confirming = True
        self._published = 0
        self._answer(method, Confirm.SelectOk())

    # Exchanges.

    def _exchange_declare(self, method: Any) -> None:
        if method.passive:
            self._broker.exchange(method.exchange)
        else:
            self._broker.declare_exchange(
                ExchangeModel(
                    method.exchange,
                    method.exchange_type,
                    durable=method.durable,
                    auto_delete=method.auto_delete,
                    internal=method.internal,
                    arguments=method.arguments or {},
                )
            )
        self._answer(method, Exchange.DeclareOk())

    def _exchange_delete(self, method: Any) -> None:
        self._broker.delete_exchange(method.exchange, if_unused=method.if_unused)
        self._answer(method, Exchange.DeleteOk())

    def _exchange_bind(self, method: Any) -> None:
        self._broker.bind(method.source, _exchange_binding(method))
        self._answer(method, Exchange.BindOk())

    def _exchange_unbind(self, method: Any) -> None:
        self._broker.unbind(method.source, _exchange_binding(method))
        self._answer(method, Exchange.UnbindOk())

    # Queues.

    def _queue_declare(self, method: Any) -> None:
        known = method.queue in self._broker.queues
        if method.passive or known:
            queue = self._queue(method.queue)
        if not method.passive:
            queue = self._broker.declare_queue(
                method.queue,
                durable=method.durable,
                owner=self._line if method.exclusive else None,
                auto_delete=method.auto_delete,
                arguments=method.arguments or {},
            )
        self._last_queue = queue.name
        if not method.nowait:
            self._line.write(wire.declare_ok_bytes(self._number, queue.name, len(queue), len(queue.consumers)))

    def _queue_bind(self, method: Any) -> None:
        self._broker.bind(method.exchange, self._queue_binding(method))
        self._answer(method, Queue.BindOk())

    def _queue_unbind(self, method: Any) -> None:
        self._broker.unbind(method.exchange, self._queue_binding(method))
        self._say(Queue.UnbindOk())

    def _queue_purge(self, method: Any) -> None:
        self._answer(method, Queue.PurgeOk(self._queue(method.queue).purge()))

    def _queue_delete(self, method: Any) -> None:
        count = 0
        if (method.queue or self._last_queue) in self._broker.queues:
            queue = self._queue(method.queue)
            count = self._broker.delete_queue(queue, if_unused=method.if_unused, if_empty=method.if_empty)
        self._answer(method, Queue.DeleteOk(count))

    def _queue(self, name: str) -> QueueModel:
        """
        A queue by its name; without one, that which was declared last on this channel.
        """
        return self._broker.queue(name or self._last_queue, self._line)

    def _queue_binding(self, method: Any) -> Binding:
        return Binding(self._queue(method.queue).name, False, method.routing_key, method.arguments or {})

    # Consuming.

    def _qos(self, method: Any) -> None:
        if method.prefetch_size:
            raise Failure(NOT_IMPLEMENTED, f"prefetch_size!=0 ({method.prefetch_size})")
        if method.global_:
            self._prefetch_of_all = method.prefetch_count
        else:
            self.prefetch = method.prefetch_count
        self._say(Basic.QosOk())
        self.pump()

    def _consume(self, method: Any) -> None:
        queue = self._queue(method.queue)
        if queue.consumers and (method.exclusive or any(consumer.exclusive for consumer in queue.consumers)):
            raise Failure(ACCESS_REFUSED, f"queue '{queue.name}' in vhost '{self._broker.vhost}' in exclusive use")
        tag = method.consumer_tag or self._new_consumer_tag()
        if tag in self._consumers:
            raise Failure(NOT_ALLOWED, f"attempt to reuse consumer tag '{tag}'")
        consumer = _Consumer(self, tag, queue, no_ack=method.no_ack, exclusive=method.exclusive)
        self._consumers[tag] = consumer
        self._answer(method, Basic.ConsumeOk(tag))
        queue.consumers.append(consumer)
        queue.pump()

    def _new_consumer_tag(self) -> str:
        self._consumer_names += 1
        return f"amq.ctag-{self._number}-{self._consumer_names}"

    def _cancel(self, method: Any) -> None:
        self._end_consumer(method.consumer_tag)
        self._answer(method, Basic.CancelOk(method.consumer_tag))

    def _end_consumer(self, tag: str) -> None:
        consumer = self._consumers.pop(tag, None)
        if consumer is None:
            return
        queue = consumer.queue
        if consumer in queue.consumers:
            queue.consumers.remove(consumer)
        if queue.auto_delete and not queue.consumers:
            self._broker.delete_queue(queue)

    def _get(self, method: Any) -> None:
        queue = self._queue(method.queue)
        held = queue.pop()
        if held is None:
            self._say(Basic.GetEmpty())
            return
        message, tag = held.message, self._deliveries.add(queue, held, None, no_ack=method.no_ack)
        head = wire.get_ok_bytes(self._number, tag, held.redelivered, message.place, len(queue))
        self._line.write(head + self._content(message))

    # Acknowledging.

    def _ack(self, method: Any) -> None:
        if not self._line.loses_acknowledgements:
            self._deliveries.acknowledge(method.delivery_tag, multiple=method.multiple)

    def _nack(self, method: Any) -> None:
        multiple = getattr(method, "multiple", False)
        self._deliveries.give_back(method.delivery_tag, multiple=multiple, requeue=method.requeue)

    def _recover(self, method: Any) -> None:
        if not method.requeue:
            raise Failure(NOT_IMPLEMENTED, "requeue=false")
        if isinstance(method, Basic.Recover):
            self._say(Basic.RecoverOk())
        self._deliveries.put_all_back()

    def _pump_after(self, queues: Mapping[int, QueueModel]) -> None:
        """
        Messages came back, or consumers have room again.
        """
        for queue in queues.values():
            queue.pump()
        if self._prefetch_of_all:
            self.pump()

    # The channel itself.

    def _flow(self, method: Any) -> None:
        self._flowing = method.active
        self._say(ChannelMethods.FlowOk(method.active))
        self.pump()

    def _open_again(self, method: Any) -> None:
        raise Failure(COMMAND_INVALID, "second 'channel.open' seen")

    def _content(self, message: Message) -> bytes:
        return wire.content_bytes(self._number, message.header, message.body, self._line.frame_max)

    def _answer(self, method: Any, answer: Method) -> None:
        if not method.nowait:
            self._say(answer)

    def _say(self, method: Method) -> None:
        self._line.write(wire.method_bytes(method, self._number))


def _exchange_binding(method: Any) -> Binding:
    return Binding(method.destination, True, method.routing_key, method.arguments or {})


_HANDLERS: dict[type[Method], Callable[[Channel, Any], None]] = {
    Basic.Ack: Channel._ack,
    Basic.Cancel: Channel._cancel,
    Basic.Consume: Channel._consume,
    Basic.Get: Channel._get,
    Basic.Nack: Channel._nack,
    Basic.Publish: Channel._publish,
    Basic.Qos: Channel._qos,
    Basic.Recover: Channel._recover,
    Basic.RecoverAsync: Channel._recover,
    Basic.Reject: Channel._nack,
    ChannelMethods.Flow: Channel._flow,
    ChannelMethods.Open: Channel._open_again,
    Confirm.Select: Channel._confirm_select,
    Exchange.Bind: Channel._exchange_bind,
    Exchange.Declare: Channel._exchange_declare,
    Exchange.Delete: Channel._exchange_delete,
    Exchange.Unbind: Channel._exchange_unbind,
    Queue.Bind: Channel._queue_bind,
    Queue.Declare: Channel._queue_declare,
    Queue.Delete: Channel._queue_delete,
    Queue.Purge: Channel._queue_purge,
    Queue.Unbind: Channel._queue_unbind,
}
