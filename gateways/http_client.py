"""
ClientConnection: one connection to a watcher, with one request at a time on it; what came of it as an Attempt.

Answers are parsed by httptools. Of an answer the status counts; its body is read and thrown away.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import ssl
from collections.abc import Callable
from typing import cast

import httptools

from gateways.clock import SocketAddress
from gateways.source_event import Certainty
from gateways.watcher import ACCEPTED, Attempt

BODY_BYTES_MAX = 1024 * 1024
"""Of an answer; the connection of a longer one is dropped."""
_HEAD_BYTES_MAX = 64 * 1024
_EXCERPT = 200


class ClientConnection(asyncio.Protocol):
    """
    One connection.

    Args:
        made: Called when it is.
        lost: Called when it is no more.
    """

    __slots__ = (
        "_answer", "_complete", "_excerpt", "_extra", "_fed", "_keep_alive", "_loop", "_lost", "_made", "_parser",
        "_poll", "_size", "_status", "_transport", "idle_since", "is_open", "last", "local",
    )  # fmt: skip

    _transport: asyncio.Transport
    _loop: asyncio.AbstractEventLoop
    _status: int
    """Of the final answer; 0 until its head is complete."""
    _complete: bool
    _excerpt: bytes

    def __init__(self, made: Callable[[ClientConnection], None], lost: Callable[[ClientConnection], None]) -> None:
        self.local: SocketAddress = ("", 0)
        self.idle_since = 0.0
        self.is_open = False
        """Whether another request may follow on it."""
        self.last = False
        """Whether the request that is under way is the last."""
        self._made = made
        self._lost = lost
        self._parser = httptools.HttpResponseParser(self)
        self._poll: select.poll | None = None
        self._answer: asyncio.Future[Attempt] | None = None
        self._begin_anew()

    def ask(self, request: bytes) -> asyncio.Future[Attempt]:
        """
        Write *request*; the future tells what came of it.
        """
        self._begin_anew()
        answer = self._answer = self._loop.create_future()
        self._transport.write(request)
        return answer

    def too_late(self, seconds: float) -> None:
        """
        The limit of the answer passed: what has come of it counts.
        """
        self._settle(f"no answer within {seconds:g} s")
        self.abort()

    def is_quiet(self) -> bool:
        """
        Whether nothing came since the last answer, not even the end of the connection that the loop has yet to see.
        """
        return self.is_open and (self._poll is None or not self._poll.poll(0))

    def close(self) -> None:
        """
        Close it, which must be idle.
        """
        self.is_open = False
        self._transport.close()

    def abort(self) -> None:
        """
        Drop it.
        """
        self.is_open = False
        self._transport.abort()

    # What follows is called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self.local = tuple(transport.get_extra_info("sockname")[:2])
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLPRI)
        self.is_open = True
        self._made(self)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody asked
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserUpgrade, httptools.HttpParserError):
            self._settle("the answer is no HTTP/1.1")
            self.abort()
            return
        if self._complete:
            self._keep_or_close()
            self._settle("")
        else:
            self._check_size(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        how = "closed" if exc is None else "reset" if isinstance(exc, ConnectionResetError) else "broken"
        self._settle(f"the connection was {how} before an answer")
        self._lost(self)

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        self._extra = self._complete

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if not self._complete and (status >= 200 or status == 101):
            self._status = status

    def on_body(self, piece: bytes) -> None:
        self._size += len(piece)
        if len(self._excerpt) < _EXCERPT * 4:
            self._excerpt += piece[: _EXCERPT * 4]

    def on_message_complete(self) -> None:
        if self._status and not self._complete:  # else it is an interim answer
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()

    # The answer.

    def _begin_anew(self) -> None:
        self._status = 0
        self._complete = False
        self._extra = False
        self._keep_alive = False
        self._size = 0
        self._fed = 0
        self._excerpt = b""

    def _keep_or_close(self) -> None:
        """
        It may be used again only where both sides are done with the request.
        """
        unsent = self._transport.get_write_buffer_size()
        if not self._keep_alive or self._extra or unsent:
            self.is_open = False
            (self._transport.abort if unsent else self._transport.close)()

    def _check_size(self, size: int) -> None:
        if self._status:
            if self._size > BODY_BYTES_MAX:
                self._settle("")
                self.abort()
            return
        self._fed += size
        if self._fed > _HEAD_BYTES_MAX:
            self._settle("the answer's head does not end")
            self.abort()

    def _settle(self, otherwise: str) -> None:
        """
        Tell what came of the request; without a status, that is uncertain for the cause *otherwise*.
        """
        answer, self._answer = self._answer, None
        if answer is None or answer.done():
            return
        status = self._status
        if 200 <= status < 300:
            answer.set_result(ACCEPTED)
        elif status:
            answer.set_result(Attempt(Certainty.REFUSED, f"answered {status}{_excerpt(self._excerpt)}"))
        else:
            answer.set_result(Attempt(Certainty.UNCERTAIN, otherwise))


def _excerpt(body: bytes) -> str:
    """
    The beginning of *body* for people: one line, printable characters only.
    """
    text = "".join(c if c.isprintable() else " " for c in body.decode("utf-8", "ignore"))
    line = " ".join(text.split())[:_EXCERPT]
    return f": {line}" if line else ""


def why_not_connected(error: Exception, host: str) -> str:
    """
    Why a connection to *host* did not come about, in a few words.
    """
    match error:
        case ssl.SSLCertVerificationError():
            return f"TLS: {error.verify_message or error}"
        case ssl.SSLError():
            return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
        case socket.gaierror():
            return f"{host} cannot be resolved: {error.strerror}"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
    return str(error)
