"""
RabbitMqLine: the simulator's own connection to a virtual host of a RabbitMQ, straight to it and never through a relay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from simulator.services.service import Published

if TYPE_CHECKING:
    from pika import BasicProperties
    from pika.adapters.asyncio_connection import AsyncioConnection
    from pika.channel import Channel

_LOOPBACK = "127.0.0.1"
_LIMIT_S = 10.0
"""Real time in which the server, which runs on this machine, answers anything."""
_NO_ROUTE = "NO_ROUTE - no queue takes it, and it was mandatory"


class LineBroken(Exception):
    """
    The server closed the connection or the channel, and says why.
    """


class Posting(NamedTuple):
    """
    One message and where it goes.
    """

    exchange: str
    routing_key: str
    properties: BasicProperties
    body: bytes
    mandatory: bool


class RabbitMqLine:
    """
    One connection with one channel, on which the server confirms.
    """

    def __init__(self) -> None:
        self.broken = ""
        self._loop = asyncio.get_running_loop()
        self._connection: AsyncioConnection
        self._channel: Channel
        self._waiting: set[asyncio.Future[Any]] = set()
        self._published = 0
        self._unconfirmed: dict[int, None] = {}
        self._refused = ""
        self._all_confirmed: asyncio.Future[Any] | None = None
        self._closed = asyncio.Event()

    @classmethod
    async def to(cls, port: int, user: str, password: str, vhost: str) -> RabbitMqLine:
        """
        Connect.

        Raises:
            LineBroken: The server does not let us in.
            TimeoutError: It does not answer.
        """
        from pika import ConnectionParameters, PlainCredentials  # noqa: PLC0415 - only where it is used
        from pika.adapters.asyncio_connection import AsyncioConnection  # noqa: PLC0415 - the same

        line = cls()
        opened = line._promise()
        line._connection = AsyncioConnection(
            ConnectionParameters(
                _LOOPBACK, port, vhost, PlainCredentials(user, password), heartbeat=0, socket_timeout=_LIMIT_S
            ),
            on_open_callback=partial(_keep, opened),
            on_open_error_callback=lambda connection, error: line._lost(error),
            on_close_callback=lambda connection, error: line._lost(error),
            custom_ioloop=line._loop,
        )
        try:
            async with asyncio.timeout(_LIMIT_S):
                await opened
                await line._open_channel()
        except BaseException:
            line._hang_up()
            raise
        return line

    @property
    def channel(self) -> Channel:
        """
        For its methods, to be called by `call`.
        """
        return self._channel

    async def call(self, method: Callable[..., Any], *values: Any, **named: Any) -> Any:
        """
        What the server answers to a *method* of the channel.

        Raises:
            LineBroken: It closes the channel instead.
            TimeoutError: It does not answer.
        """
        if self.broken:
            raise LineBroken(self.broken)
        answer = self._promise()
        method(*values, callback=partial(_keep, answer), **named)
        async with asyncio.timeout(_LIMIT_S):
            return await answer

    async def publish(self, postings: Sequence[Posting]) -> Published:
        """
        Publish in order; returns once the server has confirmed all of it.
        """
        self._refused = ""
        try:
            if self.broken:
                raise LineBroken(self.broken)
            for each in postings:
                self._published += 1
                self._unconfirmed[self._published] = None
                self._channel.basic_publish(
                    each.exchange, each.routing_key, each.body, each.properties, mandatory=each.mandatory
                )
            self._all_confirmed = self._promise()
            self._check_confirmed()
            async with asyncio.timeout(_LIMIT_S):
                await self._all_confirmed
        except LineBroken as error:
            return Published(False, str(error))
        except TimeoutError:
            return Published(False, f"RabbitMQ confirms nothing within {_LIMIT_S:g} s")
        return Published(not self._refused, self._refused)

    async def close(self) -> None:
        """
        Leave the server, which may be dead.
        """
        self._hang_up()
        try:
            async with asyncio.timeout(_LIMIT_S):
                await self._closed.wait()
        except TimeoutError:
            return  # it hangs, and whoever ends it ends this connection too

    async def _open_channel(self) -> None:
        opened = self._promise()
        self._channel = self._connection.channel(on_open_callback=partial(_keep, opened))
        self._channel.add_on_close_callback(lambda channel, error: self._break(error))
        self._channel.add_on_return_callback(lambda *returned: self._refuse(_NO_ROUTE))
        await opened
        await self.call(self._channel.confirm_delivery, ack_nack_callback=self._told)

    def _hang_up(self) -> None:
        if not (self._connection.is_closed or self._connection.is_closing):
            self._connection.close()

    def _promise(self) -> asyncio.Future[Any]:
        made = self._loop.create_future()
        self._waiting.add(made)
        made.add_done_callback(self._waiting.discard)
        return made

    def _told(self, frame: Any) -> None:
        """
        The server confirms, or refuses, up to a number.
        """
        number, several = frame.method.delivery_tag, frame.method.multiple
        if frame.method.NAME == "Basic.Nack":
            self._refuse("RabbitMQ refuses it")
        if several:
            while self._unconfirmed and (first := next(iter(self._unconfirmed))) <= number:
                del self._unconfirmed[first]
        else:
            self._unconfirmed.pop(number, None)
        self._check_confirmed()

    def _check_confirmed(self) -> None:
        if not self._unconfirmed and self._all_confirmed is not None and not self._all_confirmed.done():
            self._all_confirmed.set_result(None)

    def _refuse(self, cause: str) -> None:
        self._refused = self._refused or cause

    def _lost(self, error: BaseException) -> None:
        self._break(error)
        self._closed.set()

    def _break(self, error: BaseException) -> None:
        self.broken = self.broken or str(getattr(error, "reply_text", "")) or str(error) or type(error).__name__
        for each in tuple(self._waiting):
            if not each.done():
                each.set_exception(LineBroken(self.broken))
                each.exception()  # where nobody waits for it any more, that is no mistake


def _keep(promise: asyncio.Future[Any], answer: Any) -> None:
    if not promise.done():
        promise.set_result(answer)
