"""
MqttConnection: one connection to one MQTT server, through the address book, until it is lost.

There is no reconnect in here: a lost connection ends the configuration's run, and the gateway makes a new one after a
backoff.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import Any, Protocol, TypeVar

from paho.mqtt.client import MQTTMessage

from gateways.clock import end
from gateways.errors import SourceUnavailable
from gateways.processor import Context
from gateways.processors.credential_files import tls_context
from gateways.processors.mqtt_client import KEEPALIVE_S, MqttClient, said_by
from gateways.processors.mqtt_options import MqttOptions

T = TypeVar("T")

_PING_LIMIT_S = 10.0
"""A server that has not answered a ping by then has vanished without a word."""


class User(Protocol):
    """
    Whoever wants a connection.
    """

    def connected(self, resumed: bool) -> None:
        """The server took us; *resumed*: it had kept the session. Before any message."""

    def take(self, message: MQTTMessage) -> None:
        """A message was read; must not wait."""

    def lost(self) -> None:
        """Once, when a connection is lost that was not closed on purpose."""


class MqttConnection:
    """
    One connection.
    """

    def __init__(self, options: MqttOptions, client_id: str, context: Context, user: User) -> None:
        self.peer = options.server.peer
        self.cause = ""
        """Why the connection is lost; empty while it is not."""
        self._options = options
        self._context = context
        self._user = user
        self._client = MqttClient(client_id, options, take=user.take, lost=self._fail)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda client, data, number, reasons, properties: self._answer(number, reasons)
        self._client.on_unsubscribe = lambda client, data, number, reasons, properties: self._answer(number, reasons)
        self._answers: dict[int | None, asyncio.Future[Any]] = {}
        self._broken_by: Exception | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing = False
        self._paused = False
        self._pinging: asyncio.Task[None] | None = None

    @property
    def failure(self) -> Exception:
        """
        What a run that lost this connection ends with.
        """
        return self._broken_by or SourceUnavailable(f"{self.peer}: {self.cause}")

    async def open(self) -> None:
        """
        Connect within the limit.

        Raises:
            SourceUnavailable: It cannot be had now.
        """
        limit_s = self._context.limits.connect_s
        username, password = self._options.auth.read()
        if username is not None:
            self._client.username_pw_set(username, password)
        encryption = tls_context(self._options.tls) if self._options.server.tls else None
        try:
            await self._context.clock.limit(limit_s, self._connect(encryption), peer=self.peer)
        except TimeoutError:
            self.abort()
            raise SourceUnavailable(f"{self.peer}: no answer within {limit_s:g} s") from None
        except (OSError, ValueError) as error:
            self.abort()
            raise SourceUnavailable(f"{self.peer}: {_cause_of(error)}") from error
        except BaseException:
            self.abort()
            raise
        self._pinging = asyncio.create_task(self._keep_alive(), name=f"ping {self.peer}")
        self._context.clock.awake(self._pinging)

    async def subscribe(self, topic: str, qos: int) -> None:
        """
        Return once the server has confirmed the subscription. The caller limits it.

        Raises:
            SourceUnavailable: It refuses, grants less than was asked for, or the connection is lost.
        """
        reasons = await self._ask(self._client.subscribe(topic, qos)[1])
        granted = reasons[0]
        if granted.is_failure:
            why = f": {said_by(granted, None)}" if self._options.version == 5 else ""
            raise SourceUnavailable(f"{self.peer}: the server refuses the subscription to {topic}{why}")
        if granted.value < qos:
            raise SourceUnavailable(f"{self.peer}: the server grants no more than qos {granted.value} for {topic}")

    async def unsubscribe(self, topic: str) -> None:
        """
        End the subscription; what the server sent before it knew is still taken. The caller limits it.

        Raises:
            SourceUnavailable: The connection is lost.
        """
        await self._ask(self._client.unsubscribe(topic)[1])

    async def round_trip(self) -> None:
        """
        Return once the server has answered a ping: what it had sent before is taken. The caller limits it.

        Raises:
            SourceUnavailable: The connection is lost.
        """
        await self._until(self._client.ping())

    def acknowledge(self, number: int, qos: int) -> None:
        """
        Tell the server that the message *number* was dispatched.
        """
        if not self.cause:
            self._client.acknowledge(number, qos)

    def pause(self, paused: bool) -> None:
        """
        Leave messages with the server, or take them again.
        """
        if paused is not self._paused:
            self._paused = paused
            self._client.wire.read(not paused)

    async def close(self) -> None:
        """
        Leave the server and end every task; drops the connection where that takes too long.
        """
        self._closing = True
        await self._stop_pinging()
        if self.cause or not self._opened.done():
            self.abort()
            return
        self._client.disconnect()
        closed, limit_s = self._client.wire.closed, self._context.limits.connect_s
        try:
            await self._context.clock.limit(limit_s, asyncio.wait({closed}), peer=self.peer)
        except TimeoutError:
            pass  # it did not let us go in peace; it is dropped below
        finally:
            self.abort()

    def abort(self) -> None:
        """
        Drop the connection at once, without a word.
        """
        self._closing = True
        if self._pinging is not None:
            self._pinging.cancel()
        self._client.wire.abort()
        self._fail("the connection was dropped")

    async def _connect(self, encryption: ssl.SSLContext | None) -> None:
        server, tls = self._options.server, self._options.tls
        host, port = self._context.addresses.dial(server.host, server.port)
        name = (tls.server_name or server.host) if encryption is not None else None
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self._client.wire, host, port, ssl=encryption, server_hostname=name)
        self._client.greet()
        await self._until(self._opened)

    async def _keep_alive(self) -> None:
        """
        Show the server, and ourselves, that the other side is still there.
        """
        clock = self._context.clock
        while True:
            await clock.sleep(KEEPALIVE_S / 2)
            if self._paused:
                self._client.ping()  # it need not take us for gone; its answer waits behind messages
                continue
            try:
                await clock.limit(_PING_LIMIT_S, self.round_trip(), peer=self.peer)
            except TimeoutError:
                self._fail(f"no answer to a ping within {_PING_LIMIT_S:g} s")
                self._client.wire.abort()
                return
            except SourceUnavailable:
                return

    async def _stop_pinging(self) -> None:
        pinging, self._pinging = self._pinging, None
        if pinging is not None:
            await end(self._context.clock, pinging)

    async def _ask(self, number: int | None) -> Any:
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            return await self._until(answer)
        finally:
            self._answers.pop(number, None)

    async def _until(self, future: asyncio.Future[T]) -> T:
        """
        Await something that the server will say.
        """
        either: set[asyncio.Future[Any]] = {future, self._over}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            raise self.failure
        return future.result()

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._fail(f"the server refuses the connection: {said_by(reason, properties)}")
            return
        self._user.connected(flags.session_present)
        if not self._opened.done():
            self._opened.set_result(None)

    def _answer(self, number: int, reasons: Any) -> None:
        answer = self._answers.get(number)
        if answer is not None and not answer.done():
            answer.set_result(reasons)

    def _fail(self, cause: str, error: Exception | None = None) -> None:
        if self.cause:
            return
        self.cause = cause if error is None or not isinstance(error, OSError) else _cause_of(error)
        if error is not None and not isinstance(error, OSError):
            self._broken_by = error
        if not self._closing:
            self._user.lost()
        if not self._over.done():
            self._over.set_result(None)


def _cause_of(error: Exception) -> str:
    """
    What went wrong, in a sentence without the library's decoration.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, OSError):
        known = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return (known or str(error) or "the server closed the connection").lower()
    return f"{type(error).__name__}: {error}"
