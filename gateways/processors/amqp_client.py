"""
AmqpClient: the client library's connection on our event loop, over a socket of ours, and its errors in plain words.

pika's asyncio adapter is made to be given a transport; ours is asyncio's own. So there is no thread, what is delivered
is handed on in the turn in which it is read, and the socket can be dropped at once.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import struct
from collections.abc import Callable
from typing import Any, cast

from pika import exceptions
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.connection import ConnectionParameters

from gateways.errors import GatewayError

_NO_AMQP = (
    exceptions.IncompatibleProtocolError,
    exceptions.ProtocolSyntaxError,
    exceptions.ProtocolVersionMismatch,
    exceptions.InvalidFieldTypeException,
    exceptions.UnsupportedAMQPFieldException,
    # What its codec raises where bytes are not as they should be.
    LookupError,
    TypeError,
    struct.error,
)


class AmqpClient(asyncio.Protocol):
    """
    One socket with the library's connection on it; to each it is what the other side is.

    It calls methods of the library that are meant for its own adapters; tests/gateways/processors/test_amqp.py notices
    when a new version of pika no longer has them.

    Args:
        parameters: Who logs in, and where.
        opened: Called when the connection is open.
        over: Called once with the cause when it is closed, or cannot be opened.
    """

    def __init__(
        self, parameters: ConnectionParameters, *, opened: Callable[[], None], over: Callable[[Exception], None]
    ) -> None:
        self._transport: asyncio.Transport | None = None
        self._failure: Exception | None = None
        self._over = over
        self.connection = AsyncioConnection(
            parameters,
            on_open_callback=lambda _: opened(),
            on_open_error_callback=self._ended,
            on_close_callback=self._ended,
            custom_ioloop=asyncio.get_running_loop(),
            internal_connection_workflow=False,
        )

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self.connection._proto_connection_made(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            self.connection._proto_data_received(data)
        except Exception as error:
            self._failure = self._failure or error
            self.abort()

    def eof_received(self) -> bool:
        """See asyncio.Protocol."""
        return bool(self.connection._proto_eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        self._failure = self._failure or exc
        connection = self.connection
        if exc is None and connection._error is None and not connection._got_eof:
            exc = exceptions.StreamLostError("the connection was dropped")
        connection._proto_connection_lost(exc)

    # What the library calls.

    def abort(self) -> None:
        """
        Drop the socket.
        """
        if self._transport is not None:
            self._transport.abort()

    def get_protocol(self) -> Any:
        """See pika.adapters.utils.nbio_interface.AbstractStreamTransport."""
        return self

    def write(self, data: bytes) -> None:
        """See pika.adapters.utils.nbio_interface.AbstractStreamTransport."""
        if self._transport is not None:
            self._transport.write(data)

    def _ended(self, _: object, error: BaseException) -> None:
        self._over(self._failure or cast("Exception", error))


def cause_of(error: Exception) -> str:
    """
    What went wrong, in a sentence without the library's decoration.
    """
    if isinstance(error, GatewayError):
        return str(error)
    for kinds, told in _TOLD:
        if isinstance(error, kinds):
            return told(error)
    if isinstance(error, OSError):
        known = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return (known or str(error)).lower()
    return f"{type(error).__name__}: {error}"


def _told_in(error: Exception, else_: str) -> str:
    """
    What the server said, which the library keeps as a text of its own making: `ConnectionClosedByBroker: (403) 'A'`.
    """
    _, marker, rest = str(error).partition("ConnectionClosedByBroker: (")
    code, _, text = rest.partition(") ")
    return f"{else_}: {code} {text.strip(chr(39) + chr(34))}" if marker and code.isdigit() else else_


_TOLD: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (ssl.SSLCertVerificationError, lambda error: f"TLS: {error.verify_message}"),
    (ssl.SSLError, lambda error: f"TLS: {error.reason or error}"),
    (exceptions.ConnectionClosedByBroker, lambda error: f"{error.reply_code} {error.reply_text}"),
    (exceptions.ChannelClosedByBroker, lambda error: f"{error.reply_code} {error.reply_text}"),
    (_NO_AMQP, lambda error: "no AMQP 0-9-1 server answers there"),
    (exceptions.ProbableAuthenticationError, lambda e: _told_in(e, "the server refuses user name or password")),
    (exceptions.ProbableAccessDeniedError, lambda error: _told_in(error, "the server refuses the virtual host")),
    (exceptions.AuthenticationError, lambda error: "the server does not take a user name and password"),
    (exceptions.AMQPHeartbeatTimeout, lambda error: "the server has fallen silent"),
    (exceptions.StreamLostError, lambda error: "the server closed the connection"),
    (exceptions.ConsumerCancelled, lambda error: "the server ended the consumer: its queue is gone"),
)
"""Each kind of error, and how it is told; the first that fits."""
