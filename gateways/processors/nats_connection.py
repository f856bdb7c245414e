"""
NatsConnection: one connection to one NATS server, through the address book, until it is lost.

The client library's own reconnect is off: a lost connection ends the configuration's run, and the gateway makes a new
one after a backoff.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from nats import errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from gateways.errors import ConfigurationError, SourceUnavailable
from gateways.processors.credential_files import tls_context
from gateways.processors.nats_client import NatsClient, Take, cause_of
from gateways.processors.nats_credentials import Credentials, read_credentials
from gateways.processors.nats_options import NatsOptions
from gateways.processors.servers import Client, Server, first_opened

T = TypeVar("T")

_NEVER_S = 86_400 * 365
"""For limits of the library that ours replaces."""
_PING_INTERVAL_S = 60
"""A peer that has vanished without a word is noticed after two or three of these, in real time."""
_AT_FAULT = ("invalid subject", "maximum control line exceeded")
"""What a server says where only another text can help."""


class PublishDenied(SourceUnavailable):
    """
    The server does not let us publish to that subject; whatever it was, it is nowhere.
    """


async def connect(options: NatsOptions, context: Client, lost: Callable[[], None]) -> NatsConnection:
    """
    Connect to the first of the servers that takes us.

    Args:
        options: Which servers, and as whom.
        context: The configuration's.
        lost: Called once when the connection that is returned is lost; its `failure` says why.

    Raises:
        SourceUnavailable: None does; says why of each.
        ConfigurationError: The text is at fault.
    """
    credentials = read_credentials(options.auth)
    encryption = tls_context(options.tls) if any(server.tls for server in options.servers) else None
    connections = (NatsConnection(server, options, context, lost) for server in options.servers)
    return await first_opened(connections, lambda connection: connection.open(credentials, encryption))


class NatsConnection:
    """
    One connection.
    """

    def __init__(self, server: Server, options: NatsOptions, context: Client, lost: Callable[[], None]) -> None:
        self.peer = server.peer
        self.cause = ""
        """Why the connection is lost; empty while it is not."""
        self._lost = lost
        self._server = server
        self._server_name = options.tls.server_name or server.host
        self._context = context
        self._client = NatsClient(must_encrypt=server.tls, broken=self._broken)
        self._opening = True
        self._closing = False
        self._tolerated = ""
        self._delivering: dict[asyncio.Future[Any], str] = {}
        """What is set once the server has refused to take a message, to its subject in lower case."""
        self._broken_by: Exception | None = None
        self._subscription: Subscription | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking: set[asyncio.Task[Any]] = set()

    @property
    def failure(self) -> Exception:
        """
        What a run that lost this connection ends with.
        """
        if self._broken_by is not None:
            return self._broken_by
        wrong_text = any(phrase in self.cause for phrase in _AT_FAULT)
        return (ConfigurationError if wrong_text else SourceUnavailable)(f"{self.peer}: {self.cause}")

    async def open(self, credentials: Credentials, encryption: ssl.SSLContext | None) -> None:
        """
        Connect within the limit.

        Raises:
            SourceUnavailable: It cannot be had now.
        """
        limit_s = self._context.limits.connect_s
        host, port = self._context.addresses.dial(self._server.host, self._server.port)
        opening = asyncio.ensure_future(self._connect(host, port, credentials, encryption))
        try:
            await self._context.clock.limit(limit_s, asyncio.wait({opening}), peer=self.peer)
            opening.result()
        except TimeoutError:
            await self._drop(opening)
            raise SourceUnavailable(f"{self.peer}: no answer within {limit_s:g} s") from None
        except Exception as error:
            await self._drop(opening)
            raise SourceUnavailable(f"{self.peer}: {cause_of(error)}") from error
        except BaseException:
            await self._drop(opening)
            raise

    async def subscribe(self, subject: str, queue: str, take: Take) -> None:
        """
        Subscribe. *take* is called for each message in the turn in which it is read.

        Raises:
            SourceUnavailable, ConfigurationError: The connection is lost.
        """
        try:
            self._subscription = await self._client.subscribe(subject, queue=queue)
        except errors.Error as error:
            raise self._lost_by(error) from error
        self._client.takers[self._subscription._id] = take

    async def unsubscribe(self) -> None:
        """
        End the subscription, where there is one; what the server sent before it knew is still taken.

        Raises:
            SourceUnavailable, ConfigurationError: The connection is lost.
        """
        subscription, self._subscription = self._subscription, None
        if subscription is None:
            return
        try:
            await subscription.unsubscribe()
        except errors.Error as error:
            raise self._lost_by(error) from error
        await self.round_trip()

    async def round_trip(self) -> None:
        """
        Return once the server has answered: it knows all that was said before, and all that it sent before is taken.

        Raises:
            SourceUnavailable, ConfigurationError: The connection is lost.
        """
        await self._answered(self._client.flush(_NEVER_S))
        if self.cause:
            raise self.failure

    async def request(self, subject: str, data: bytes) -> bytes:
        """
        Ask whoever serves *subject*; returns the answer's data.

        Raises:
            SourceUnavailable, ConfigurationError: Nobody serves it, or the connection is lost.
        """
        try:
            return await self._answered(self._ask(subject, data))
        except errors.NoRespondersError:
            raise SourceUnavailable(f"{self.peer}: nobody serves {subject}") from None

    async def request_where_allowed(self, subject: str, data: bytes) -> bytes:
        """
        As `request`, but where nobody serves *subject*, or the account may not ask, the answer is empty.
        """
        self._tolerated = f'"{subject.lower()}"'
        asking = self._start(self._ask(subject, data))
        try:
            await self.round_trip()
            return await self.until(asking) if self._tolerated else b""
        except errors.NoRespondersError:
            return b""
        finally:
            self._tolerated = ""

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """
        Say something; it is on its way when this returns.

        Raises:
            SourceUnavailable, ConfigurationError: The connection is lost.
        """
        try:
            await self._client.publish(subject, data, reply)
        except errors.Error as error:
            raise self._lost_by(error) from error

    @property
    def bytes_max(self) -> int:
        """
        How large a message may be, its headers included.
        """
        return int(self._client.max_payload)

    async def deliver(self, subject: str, data: bytes, headers: Mapping[str, str], *, stored: bool) -> bytes:
        """
        Publish, and return once the server has it; with *stored*, what the stream answers that stores it.

        Raises:
            PublishDenied: Nobody has it.
            SourceUnavailable, ConfigurationError: The connection is lost; the server may have it.
        """
        denied: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._delivering[denied] = subject.lower()
        publishing = self._request(subject, data, headers) if stored else self._publish(subject, data, headers)
        delivering: asyncio.Future[bytes] = self._start(publishing)
        either: set[asyncio.Future[Any]] = {delivering, denied, self._over}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._delivering[denied]
        if denied.done():
            raise PublishDenied(f"{self.peer}: we may not publish to {subject}")
        if not delivering.done():
            raise self.failure
        try:
            return delivering.result()
        except errors.NoRespondersError:
            raise PublishDenied(f"{self.peer}: no stream takes {subject}") from None
        except errors.Error as error:
            raise self._lost_by(error) from error

    async def until(self, future: asyncio.Future[T]) -> T:
        """
        Await something that the server will say.

        Raises:
            SourceUnavailable, ConfigurationError: The connection is lost.
        """
        either: set[asyncio.Future[Any]] = {future, self._over}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            raise self.failure
        return future.result()

    def give_up(self, cause: str) -> None:
        """
        Regard the connection as lost, for *cause*.
        """
        self._fail(cause)

    def new_inbox(self) -> str:
        """
        A subject for answers to us alone.
        """
        return self._client.new_inbox()

    async def close(self) -> None:
        """
        Leave the server and end every task; drops the connection where that takes too long.
        """
        self._closing = True
        leaving = asyncio.ensure_future(self._client.close())
        try:
            await self._context.clock.limit(self._context.limits.connect_s, asyncio.wait({leaving}), peer=self.peer)
        except TimeoutError:
            pass  # it did not say goodbye; it is dropped below
        finally:
            await self._drop(leaving)

    def abort(self) -> None:
        """
        Drop the connection at once, without a word.
        """
        self._closing = True
        self._client.abort()
        self._fail("the connection was dropped")

    async def _connect(self, host: str, port: int, credentials: Credentials, encryption: ssl.SSLContext | None) -> None:
        client = self._client
        await client.connect(
            f"nats://[{host}]:{port}" if ":" in host else f"nats://{host}:{port}",
            name=f"{self._context.gateway}/{self._context.configuration}",
            error_cb=self._on_error,
            disconnected_cb=_on_nothing,
            closed_cb=self._on_closed,
            reconnected_cb=_on_nothing,
            discovered_server_cb=_on_nothing,
            lame_duck_mode_cb=_on_nothing,
            allow_reconnect=False,
            connect_timeout=_NEVER_S,
            ping_interval=_PING_INTERVAL_S,
            tls=encryption,
            tls_hostname=self._server_name,
            **credentials,
        )
        if not client.is_connected:
            raise errors.Error("nats: connection closed before it was open")
        client.connected()
        self._opening = False
        for task in client.own_tasks():
            task.add_done_callback(lambda _: self._gone())

    async def _drop(self, *more: asyncio.Task[None]) -> None:
        """
        Drop the connection and end every task.

        The library may swallow a cancellation (asyncio.wait_for does, before Python 3.12, when what it waits for is
        done in the same turn), so it is repeated.
        """
        self.abort()
        tasks = {*more, *self._asking, *self._client.own_tasks()}
        while pending := [task for task in tasks if not task.done()]:
            for task in pending:
                task.cancel()
            await self._context.clock.sleep(0)
            self._client.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, subject: str, data: bytes) -> bytes:
        return await self._request(subject, data, None)

    async def _request(self, subject: str, data: bytes, headers: Mapping[str, str] | None) -> bytes:
        given = dict(headers) if headers else None
        answer: Msg = await self._client.request(subject, data, timeout=_NEVER_S, headers=given)
        return answer.data

    async def _publish(self, subject: str, data: bytes, headers: Mapping[str, str]) -> bytes:
        await self._client.publish(subject, data, headers=dict(headers))
        await self._client.flush(_NEVER_S)
        return b""

    async def _answered(self, io: Coroutine[Any, Any, T]) -> T:
        """
        Await *io*, which the library would wait for even when the connection is gone.
        """
        try:
            return await self.until(self._start(io))
        except errors.NoRespondersError:
            raise
        except errors.Error as error:
            raise self._lost_by(error) from error

    def _start(self, io: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """
        Start *io* apart from its caller: the library breaks when the answer to a cancelled question comes.
        """
        asking = asyncio.ensure_future(io)
        self._asking.add(asking)
        asking.add_done_callback(self._asked)
        return asking

    def _asked(self, asking: asyncio.Task[Any]) -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()

    def _lost_by(self, error: Exception) -> Exception:
        """
        The failure that *error* is, which may be that of a connection lost before.
        """
        return self.failure if self.cause else SourceUnavailable(f"{self.peer}: {cause_of(error)}")

    async def _on_error(self, error: Exception) -> None:
        if self._opening:
            raise error  # else the library tries again by itself, and again
        if self._tolerated and self._tolerated in str(error).lower():
            self._tolerated = ""
            return
        denied = [each for each, subject in self._delivering.items() if f'"{subject}"' in str(error).lower()]
        for each in denied:
            if not each.done():
                each.set_result(None)
        if denied:
            return
        self._fail(cause_of(error))

    async def _on_closed(self) -> None:
        self._gone()

    def _gone(self) -> None:
        error = self._client.last_error
        self._fail(cause_of(error) if error is not None else "the connection was closed")

    def _broken(self, error: Exception) -> None:
        """
        Taking a message failed, which is our own fault.
        """
        self._broken_by = error
        self._fail(f"{type(error).__name__}: {error}")

    def _fail(self, cause: str) -> None:
        if not self.cause:
            self.cause = cause
            if not self._closing:
                self._lost()
            if not self._over.done():
                self._over.set_result(None)


async def _on_nothing() -> None:
    """
    The library logs, with a traceback, what nobody listens to.
    """
