"""
Connection: the protocol core of one connection; handshake, channels, and how both end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pamqp import commands
from pamqp.base import Frame as Method

from simulator.services.embedded.amqp import wire
from simulator.services.embedded.amqp.broker import Broker
from simulator.services.embedded.amqp.channel import Channel
from simulator.services.embedded.amqp.failure import (
    ACCESS_REFUSED,
    CHANNEL_ERROR,
    COMMAND_INVALID,
    CONNECTION_FORCED,
    FRAME_ERROR,
    INTERNAL_ERROR,
    NOT_ALLOWED,
    PRECONDITION_FAILED,
    UNEXPECTED_FRAME,
    Failure,
)

_log = logging.getLogger("simulator")

CHANNEL_MAX = 2_047
HEARTBEAT_S = 60
_CAPABILITIES = (
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "authentication_failure_close",
    "per_consumer_qos",
)


class Rules(Protocol):
    """
    The server, as its connections see it.
    """

    version: str
    loses_acknowledgements: bool

    @property
    def vhosts(self) -> Mapping[str, Broker]:
        """The virtual hosts, by name."""

    def knows(self, user: str, password: str) -> bool:
        """Whether that is a user's password."""


class Wire(Protocol):
    """
    The socket, as a connection sees it.
    """

    writable: bool

    def write(self, data: bytes) -> None:
        """Send."""

    def close(self) -> None:
        """Close it once everything is sent."""

    def beat(self, seconds: int) -> None:
        """Send heartbeats, and end the connection of a client that sends nothing; 0 for never."""


class Connection:
    """
    One client.

    Args:
        rules: The server.
        socket: Where the client is.
    """

    def __init__(self, rules: Rules, socket: Wire) -> None:
        self.frame_max = wire.FRAME_MAX
        self._rules = rules
        self._socket = socket
        self._reader = wire.FrameReader()
        self._greeting = bytearray()
        self._greeted = False
        self._expects: tuple[type[Method], ...] = (commands.Connection.StartOk,)
        self._may_close_politely = False
        self._broker: Broker | None = None
        self._channels: dict[int, Channel] = {}
        self._closing_channels: set[int] = set()
        self._closing = False
        self._over = False

    # What channels see; see channel.Line.

    @property
    def writable(self) -> bool:
        """See channel.Line."""
        return self._socket.writable

    @property
    def loses_acknowledgements(self) -> bool:
        """See channel.Line."""
        return self._rules.loses_acknowledgements

    def write(self, data: bytes) -> None:
        """See channel.Line."""
        if not self._over:
            self._socket.write(data)

    # What the listener says.

    def received(self, data: bytes) -> None:
        """
        The client sent *data*.
        """
        if not self._greeted:
            data = self._greet(data)
        if not data or self._over:
            return
        try:
            for channel, content in self._reader.feed(data):
                if self._over:
                    return
                self._take(channel, content)
        except Failure as failure:
            self._fail(failure, 0, None)
        except Exception as error:
            _log.exception("the AMQP server failed")
            self._fail(Failure(INTERNAL_ERROR, f"{type(error).__name__}: {error}"), 0, None)

    def lost(self) -> None:
        """
        The client is gone: what it had and did not acknowledge goes back, and its own queues go with it.
        """
        self._over = True
        for channel in tuple(self._channels.values()):
            channel.close()
        self._channels.clear()
        if self._broker is not None:
            for queue in tuple(self._broker.queues.values()):
                if queue.owner is self:
                    self._broker.delete_queue(queue)

    def pump(self) -> None:
        """
        The client reads again.
        """
        for channel in tuple(self._channels.values()):
            channel.pump()

    def shut_down(self) -> None:
        """
        Tell the client that the server ends.
        """
        if self._broker is not None and not self._closing:
            self._say(commands.Connection.Close(CONNECTION_FORCED, "CONNECTION_FORCED - the server shuts down", 0, 0))
        self._end()

    def time_out_channels(self) -> None:
        """
        Close each channel with unacknowledged messages, as for a consumer that takes too long; they come again.
        """
        for number, channel in tuple(self._channels.items()):
            if channel.unsettled:
                problem = f"delivery acknowledgement on channel {number} timed out"
                self._close_channel(number, Failure(PRECONDITION_FAILED, problem), None)

    # The protocol.

    def _greet(self, data: bytes) -> bytes:
        """
        The protocol header, which comes before any frame; returns what follows it.
        """
        self._greeting += data
        wanted = wire.PROTOCOL_HEADER
        if self._greeting[: len(wanted)] != wanted[: len(self._greeting)]:
            self.write(wanted)
            self._end()
            return b""
        if len(self._greeting) < len(wanted):
            return b""
        self._greeted = True
        properties: dict[str, Any] = {
            "product": "gatesim",
            "version": self._rules.version,
            "capabilities": dict.fromkeys(_CAPABILITIES, True),
        }
        self._say(commands.Connection.Start(0, 9, properties, "PLAIN", "en_US"))
        return bytes(self._greeting[len(wanted) :])

    def _take(self, number: int, content: wire.Content) -> None:
        if content is None:
            if number:
                raise Failure(FRAME_ERROR, "heartbeat on a channel")
            return
        if not number:
            if not isinstance(content, Method):
                raise Failure(UNEXPECTED_FRAME, "content on channel 0")
            self._on_method(content)
            return
        if self._closing:
            return
        method = content if isinstance(content, Method) else None
        try:
            self._on_channel(number, content)
        except Failure as failure:
            self._fail(failure, number, method)

    def _on_method(self, method: Method) -> None:
        if isinstance(method, commands.Connection.Close):
            self._say(commands.Connection.CloseOk())
            self._end()
        elif isinstance(method, commands.Connection.CloseOk):
            self._end()
        elif self._closing:
            return
        elif isinstance(method, self._expects):
            _ON_CONNECTION[type(method)](self, method)
        else:
            self._fail(Failure(COMMAND_INVALID, f"unexpected {method.name}"), 0, method)

    def _start_ok(self, method: Any) -> None:
        if method.mechanism != "PLAIN":
            raise Failure(COMMAND_INVALID, f"unknown authentication mechanism '{method.mechanism}'")
        answer = method.response.encode() if isinstance(method.response, str) else bytes(method.response)
        _, _, names = answer.partition(b"\0")
        user, _, password = names.partition(b"\0")
        if not self._rules.knows(user.decode(errors="replace"), password.decode(errors="replace")):
            problem = "Login was refused using authentication mechanism PLAIN."
            raise Failure(ACCESS_REFUSED, problem, closes_connection=True)
        self._expects = (commands.Connection.TuneOk,)
        self._say(commands.Connection.Tune(CHANNEL_MAX, wire.FRAME_MAX, HEARTBEAT_S))

    def _tune_ok(self, method: Any) -> None:
        if method.frame_max and not wire.FRAME_MIN <= method.frame_max <= wire.FRAME_MAX:
            raise Failure(NOT_ALLOWED, f"frame_max={method.frame_max} is not within {wire.FRAME_MIN}..{wire.FRAME_MAX}")
        if method.frame_max:
            self.frame_max = self._reader.frame_max = method.frame_max
        self._socket.beat(method.heartbeat)
        self._expects = (commands.Connection.Open,)

    def _open(self, method: Any) -> None:
        broker = self._rules.vhosts.get(method.virtual_host)
        if broker is None:
            raise Failure(NOT_ALLOWED, f"vhost {method.virtual_host} not found")
        self._broker = broker
        self._expects = ()
        self._say(commands.Connection.OpenOk())

    def _on_channel(self, number: int, content: wire.Content) -> None:
        if self._broker is None:
            raise Failure(CHANNEL_ERROR, f"channel {number} before the connection is open")
        if number in self._closing_channels:
            self._on_closing_channel(number, content)
            return
        channel = self._channels.get(number)
        if channel is None:
            self._open_channel(number, content, self._broker)
        elif isinstance(content, wire.HeaderFrame):
            channel.on_header(content)
        elif isinstance(content, bytes):
            channel.on_body(content)
        elif isinstance(content, commands.Channel.Close):
            del self._channels[number]
            channel.close()
            self._say(commands.Channel.CloseOk(), number)
        elif content is not None:
            channel.on_method(content)

    def _on_closing_channel(self, number: int, content: wire.Content) -> None:
        """
        What the client said before it knew is passed over.
        """
        if isinstance(content, commands.Channel.Close):
            self._say(commands.Channel.CloseOk(), number)
        if isinstance(content, commands.Channel.Close | commands.Channel.CloseOk):
            self._closing_channels.discard(number)

    def _open_channel(self, number: int, content: wire.Content, broker: Broker) -> None:
        if not isinstance(content, commands.Channel.Open):
            raise Failure(CHANNEL_ERROR, f"expected 'channel.open' on channel {number}")
        if number > CHANNEL_MAX:
            raise Failure(CHANNEL_ERROR, f"channel number {number} is more than {CHANNEL_MAX}")
        self._channels[number] = Channel(number, broker, self)
        self._say(commands.Channel.OpenOk(), number)

    # Endings.

    def _fail(self, failure: Failure, number: int, method: Method | None) -> None:
        if number in self._channels and not failure.closes_connection:
            self._close_channel(number, failure, method)
            return
        self._closing = True
        self._say(commands.Connection.Close(failure.code, failure.text, *_ids(method)))
        # The channels end now; the socket is closed once the client has agreed, or by its heartbeat.
        for channel in tuple(self._channels.values()):
            channel.close()
        self._channels.clear()
        if failure.code == FRAME_ERROR or self._broker is None:
            self._end()

    def _close_channel(self, number: int, failure: Failure, method: Method | None) -> None:
        self._say(commands.Channel.Close(failure.code, failure.text, *_ids(method)), number)
        self._closing_channels.add(number)
        self._channels.pop(number).close()

    def _say(self, method: Method, channel: int = 0) -> None:
        self.write(wire.method_bytes(method, channel))

    def _end(self) -> None:
        self._over = True
        self._socket.close()


def _ids(method: Method | None) -> tuple[int, int]:
    """
    Class and method, of what was said wrongly.
    """
    return (method.index >> 16, method.index & 0xFFFF) if method is not None else (0, 0)


_ON_CONNECTION: dict[type[Method], Callable[[Connection, Any], None]] = {
    commands.Connection.StartOk: Connection._start_ok,
    commands.Connection.TuneOk: Connection._tune_ok,
    commands.Connection.Open: Connection._open,
}
