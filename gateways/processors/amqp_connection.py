"""
AmqpConnection: one connection to one AMQP server, through the address book, until it or its channel is lost.

The client library never connects anew by itself: a lost connection ends the configuration's run, and the gateway makes
a new one after a backoff.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from pika import ConnectionParameters, PlainCredentials, exceptions
from pika.channel import Channel

from gateways.errors import SourceUnavailable
from gateways.processor import Context
from gateways.processors.amqp_client import AmqpClient, cause_of
from gateways.processors.amqp_options import AmqpOptions
from gateways.processors.credential_files import tls_context
from gateways.processors.servers import Server, first_opened

_NOBODY = "guest"
"""Name and password of who names nobody."""
_HEARTBEAT_S = 60
"""A server that has vanished without a word is noticed after about as long, in real time."""
_NOT_FOUND = 404


async def connect(options: AmqpOptions, context: Context, lost: Callable[[], None]) -> AmqpConnection:
    """
    Connect to the first of the servers that takes us.

    Args:
        options: Which servers, and as whom.
        context: The configuration's.
        lost: Called once when the connection that is returned is lost; its `failure` says why.

    Raises:
        SourceUnavailable: None does; says why of each.
    """
    connections = (AmqpConnection(server, context, lost) for server in options.servers)
    return await first_opened(connections, lambda connection: connection.open(options))


class AmqpConnection:
    """
    One connection.
    """

    def __init__(self, server: Server, context: Context, lost: Callable[[], None]) -> None:
        self.peer = server.peer
        self.cause = ""
        """Why the connection is lost; empty while it is not."""
        self._server = server
        self._context = context
        self._lost = lost
        self._client: AmqpClient | None = None
        self._broken_by: Exception | None = None
        self._closing = False
        self._opened = asyncio.get_running_loop().create_future()
        self._over = asyncio.get_running_loop().create_future()

    @property
    def failure(self) -> Exception:
        """
        What a run that lost this connection ends with.
        """
        if self._broken_by is not None:
            return self._broken_by
        return SourceUnavailable(f"{self.peer}: {self.cause}")

    async def open(self, options: AmqpOptions) -> None:
        """
        Connect within the limit.

        Raises:
            SourceUnavailable: It cannot be had now.
        """
        limit_s = self._context.limits.connect_s
        host, port = self._context.addresses.dial(self._server.host, self._server.port)
        encryption = tls_context(options.tls) if self._server.tls else None
        parameters = self._parameters(options)
        try:
            opening = self._open(host, port, parameters, encryption, options.tls.server_name)
            await self._context.clock.limit(limit_s, opening, peer=self.peer)
        except TimeoutError:
            self.abort()
            raise SourceUnavailable(f"{self.peer}: no answer within {limit_s:g} s") from None
        except (OSError, exceptions.AMQPError) as error:
            self.abort()
            raise SourceUnavailable(f"{self.peer}: {cause_of(error)}") from error
        except BaseException:
            self.abort()
            raise

    async def channel(self) -> Channel:
        """
        A new channel. Where the server closes it, the connection counts as lost.

        Raises:
            SourceUnavailable: The connection is lost.
        """
        channel = await self._new_channel(self._channel_closed)
        channel.add_on_cancel_callback(lambda _: self.give_up(cause_of(exceptions.ConsumerCancelled())))
        return channel

    async def has_queue(self, name: str) -> bool:
        """
        Whether there is a queue *name*. Asked on a channel of its own, which the server closes where there is none.

        Raises:
            SourceUnavailable: It may not be used, or the connection is lost.
        """
        closed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def on_closed(_: Channel, error: Exception) -> None:
            if not closed.done():
                closed.set_result(error)

        channel = await self._new_channel(on_closed)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        channel.queue_declare(name, passive=True, callback=partial(_resolve, answer))
        either: set[asyncio.Future[Any]] = {answer, closed, self._over}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            channel.close()
            return True
        if not closed.done():
            raise self.failure
        error = closed.result()
        if isinstance(error, exceptions.ChannelClosedByBroker) and error.reply_code == _NOT_FOUND:
            return False
        raise self.failure if self.cause else SourceUnavailable(f"{self.peer}: {cause_of(error)}")

    async def call(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """
        Say *method* of a channel and return the server's answer.

        Raises:
            SourceUnavailable: The channel or the connection is lost; says why.
        """
        if self.cause:
            raise self.failure
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            method(*arguments, callback=partial(_resolve, answer), **options)
        except exceptions.AMQPError as error:
            raise (self.failure if self.cause else SourceUnavailable(f"{self.peer}: {cause_of(error)}")) from error
        return await self._until(answer)

    def give_up(self, cause: str) -> None:
        """
        Regard the connection as lost, for *cause*.
        """
        if not self.cause:
            self.cause = cause
            _resolve(self._over)
            if not self._closing:
                self._lost()

    async def close(self) -> None:
        """
        Leave the server; drops the connection where that takes too long.
        """
        self._closing = True
        client = self._client
        if client is not None and client.connection.is_open and not self._over.done():
            client.connection.close()
            limit_s = self._context.limits.connect_s
            # One that does not say goodbye is dropped below.
            with suppress(TimeoutError):
                await self._context.clock.limit(limit_s, asyncio.wait({self._over}), peer=self.peer)
        self.abort()

    def abort(self) -> None:
        """
        Drop the connection at once, without a word.
        """
        self._closing = True
        self.give_up("the connection was dropped")
        if self._client is not None:
            self._client.abort()

    def _parameters(self, options: AmqpOptions) -> ConnectionParameters:
        username, password = (_NOBODY if given is None else given for given in options.auth.read())
        return ConnectionParameters(
            host=self._server.host,
            port=self._server.port,
            virtual_host=options.vhost,
            credentials=PlainCredentials(username, password, erase_on_connect=True),
            heartbeat=_HEARTBEAT_S,
            client_properties={"connection_name": f"{self._context.gateway}/{self._context.configuration}"},
        )

    async def _open(
        self, host: str, port: int, parameters: ConnectionParameters, encryption: ssl.SSLContext | None, name: str
    ) -> None:
        loop = asyncio.get_running_loop()

        def make() -> AmqpClient:
            client = AmqpClient(parameters, opened=partial(_resolve, self._opened), over=self._ended)
            self._client = client
            return client

        shown = (name or self._server.host) if encryption is not None else None
        await loop.create_connection(make, host, port, ssl=encryption, server_hostname=shown)
        await self._until(self._opened)

    async def _new_channel(self, closed: Callable[[Channel, Exception], None]) -> Channel:
        assert self._client is not None
        if self.cause:
            raise self.failure
        opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        channel = self._client.connection.channel(on_open_callback=partial(_resolve, opened))
        channel.add_on_close_callback(closed)
        await self._until(opened)
        return channel

    async def _until(self, answer: asyncio.Future[Any]) -> Any:
        either: set[asyncio.Future[Any]] = {answer, self._over}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise self.failure
        return answer.result()

    def _channel_closed(self, _: Channel, error: Exception) -> None:
        if isinstance(error, exceptions.ChannelClosedByBroker):
            self.give_up(cause_of(error))

    def _ended(self, error: Exception) -> None:
        if isinstance(error, _OwnFault):
            self._broken_by = error.__cause__ if isinstance(error.__cause__, Exception) else error
        self.give_up(cause_of(error))


class _OwnFault(Exception):
    """
    Taking a message failed, which is our own fault and not the server's.
    """


def taking(take: Callable[..., None]) -> Callable[..., None]:
    """
    *take*, whose failures are told from those of the connection that calls it.
    """

    def taken(*arguments: Any) -> None:
        try:
            take(*arguments)
        except Exception as error:
            raise _OwnFault(f"{type(error).__name__}: {error}") from error

    return taken


def _resolve(future: asyncio.Future[Any], result: Any = None) -> None:
    if not future.done():
        future.set_result(result)
