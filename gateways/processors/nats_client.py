"""
NatsClient: the client library's client, with what it does differently for us, and its errors in plain words.

Three things of nats-py are replaced. It dies silently of a subject that is no UTF-8. It queues messages for a task, so
that an answer to PING does not tell that they were handed on: here each message is handed on while it is read, before
anything that the server sent after it. And its PING overtakes a SUB that it has yet to write.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import Any

from nats import errors
from nats.aio.client import PING_PROTO, Client

from gateways.errors import GatewayError

_NO_NATS = ("empty response", "json parse error", "protocol error", "unknown protocol")

Take = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Takes subject, reply subject, data and raw headers of a message; must neither block nor wait."""


class NatsClient(Client):
    """
    The library's client, which hands on each message while it reads it.

    It overrides methods that are not documented; tests/gateways/processors/test_nats.py notices when a new
    version of nats-py no longer calls them.
    """

    def __init__(self, *, must_encrypt: bool, broken: Callable[[Exception], None]) -> None:
        super().__init__()
        self.takers: dict[int, Take] = {}
        self._must_encrypt = must_encrypt
        self._broken = broken

    def own_tasks(self) -> set[asyncio.Task[Any]]:
        """
        The tasks that live as long as the connection does.
        """
        tasks = (self._reading_task, self._ping_interval_task, self._flusher_task)
        return {task for task in tasks if task is not None}

    def abort(self) -> None:
        """
        Drop the socket.
        """
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    def connected(self) -> None:
        """
        To be called once it is: keeps asyncio from warning, each time a server ends a TLS connection, that a stream
        cannot stay half open there. The library does not tell the stream that it is over TLS.
        """
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None and writer.get_extra_info("sslcontext") is not None:
            writer.transport.get_protocol()._over_ssl = True

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        take = self.takers.get(sid)
        if take is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        try:
            take(subject, reply, data, headers)
        except Exception as error:
            self._broken(error)

    async def _send_ping(self, future: asyncio.Future[Any] | None = None) -> None:
        """
        Say PING after all that was said before; the library's own overtakes what it has yet to write, such as a SUB.
        """
        self._pongs.append(future if future is not None else asyncio.get_running_loop().create_future())
        await self._send_command(PING_PROTO)
        await self._flush_pending()

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """
        Called before the credentials are sent, which must not happen in the clear where the text asks for TLS.
        """
        if initial_connection and self._must_encrypt:
            if not info.get("tls_required") and not info.get("tls_available"):
                raise errors.Error("nats: the text asks for TLS and the server has none")
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)


def cause_of(error: Exception) -> str:
    """
    What went wrong, in a sentence without the library's decoration.
    """
    if isinstance(error, GatewayError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, errors.UnexpectedEOF | EOFError):
        return "the server closed the connection"
    if isinstance(error, OSError):
        known = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return (known or str(error)).lower()
    text = str(error).removeprefix("nats:").strip().strip("'")
    if isinstance(error, ValueError | AttributeError) or any(phrase in text.lower() for phrase in _NO_NATS):
        return "no NATS server answers there"
    if isinstance(error, errors.Error):
        return text.lower() if text.istitle() else text
    return f"{type(error).__name__}: {text}"
