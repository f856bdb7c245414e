"""
How the store's client reaches the store: through the address book, and over sockets that can be cut from outside.

The client library blocks; whoever cuts its sockets ends whatever it waits for.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse
from urllib3.util.wait import wait_for_read

from gateways.addresses import Endpoint

SILENCE_S = 30.0
"""Real time after which a store that says nothing, not even that it is alive, counts as gone."""
LINE_BYTES_MAX = 16 * 1024 * 1024
"""Of one notification."""
_PIECE = 65_536


class StreamEnded(Exception):
    """
    The notification stream is over; the text says why.
    """


class _Watched:
    """
    What a socket is given so that another thread can tell whether its reader has read all that there is.
    """

    waiting = False
    """Its reader has handed on all that it read, and waits for more; told before it looks, untold before it reads."""
    about_to_wait: Callable[[], None] | None = None

    def recv_into(self, buffer: Any, *more: Any) -> int:
        """See socket.socket."""
        connection: Any = self
        if not (isinstance(self, ssl.SSLSocket) and self.pending()):
            self.waiting = True
            if self.about_to_wait is not None:
                self.about_to_wait()
            if not wait_for_read(connection, connection.gettimeout()):
                raise TimeoutError(f"no sign of life for {SILENCE_S:g} s")
            self.waiting = False
        count: int = super().recv_into(buffer, *more)  # type: ignore[misc]  # of the class beside this one
        return count


class WatchedSocket(_Watched, socket.socket):
    """
    A plain connection.
    """


class _WatchedTls(_Watched, ssl.SSLSocket):
    """
    An encrypted one.
    """


def watched(encryption: ssl.SSLContext) -> ssl.SSLContext:
    """
    *encryption*, whose sockets are watched from now on.
    """
    encryption.sslsocket_class = _WatchedTls
    return encryption


def has_read_all(connection: _Watched) -> bool:
    """
    Whether everything that has come to this machine over *connection* was handed on by its reader.

    The order matters: whoever waits after nothing was there has handed on what was there before.
    """
    try:
        return not wait_for_read(cast(socket.socket, connection), 0) and connection.waiting
    except (OSError, ValueError):  # closed meanwhile: its reader is about to end
        return False


class Wire:
    """
    Makes connections to one endpoint, and cuts them.

    Args:
        endpoint: Where the store really is.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._cut = False

    def connect(self) -> socket.socket:
        """
        A new connection. Runs in any thread.

        Raises:
            OSError: It cannot be had, or the wire is cut.
        """
        made = socket.create_connection(self._endpoint, SILENCE_S)
        connection = WatchedSocket(fileno=made.detach())
        connection.settimeout(SILENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.watch(connection)
        return connection

    def watch(self, connection: socket.socket) -> None:
        """
        Cut *connection* too when the wire is cut.
        """
        with self._lock:
            self._sockets.add(connection)
            cut = self._cut
        if cut:
            connection.close()
            raise ConnectionAbortedError("the connection was dropped")

    def cut(self) -> None:
        """
        End every connection at once; whoever waits for one of them is woken. Runs in any thread.
        """
        with self._lock:
            self._cut = True
            sockets = tuple(self._sockets)
        for connection in sockets:
            with suppress(OSError):
                # That of SSLSocket would take its state from under whoever reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """
        Give every socket back, once nobody reads any more.
        """
        self.cut()
        for connection in tuple(self._sockets):
            connection.close()


class Pool(PoolManager):
    """
    The client library's connections: over one wire, without retries of their own.

    Args:
        wire: Makes the connections.
        encryption: For https; its verification is of the name in the text.
        announced: Called in the reading thread once the store has said that it will send notifications, with the
            connection over which they come.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        encryption: ssl.SSLContext | None,
        announced: Callable[[Any], None],
    ) -> None:
        kind: dict[str, Any] = {"ssl_context": encryption} if encryption is not None else {}
        super().__init__(2, maxsize=3, timeout=Timeout(SILENCE_S), retries=Retry(0, redirect=False), **kind)
        self._announced = announced
        self._streams = 0
        self.pool_classes_by_scheme = {"http": _plain_over(wire), "https": _encrypted_over(wire)}

    def urlopen(  # type: ignore[override]  # the signature is PoolManager's
        self, method: str, url: str, redirect: bool = True, **more: Any
    ) -> BaseHTTPResponse:
        """See urllib3.PoolManager. An answer that is not read at once is a notification stream."""
        answer: BaseHTTPResponse = super().urlopen(method, url, redirect=False, **more)
        if more.get("preload_content", True) or answer.status != 200:
            return answer
        self._streams += 1
        if self._streams > 1:
            answer.close()
            raise StreamEnded("the store sent something that is no notification")
        if "xml" in answer.headers.get("content-type", ""):
            answer.close()
            raise StreamEnded(
                "the store does not know ListenBucketNotification, an extension of MinIO: it sent a list of the bucket"
            )
        connection: Any = answer.connection
        self._announced(connection.sock)
        return NotificationStream(answer)  # type: ignore[return-value]  # as much of one as is used


class NotificationStream:
    """
    The lines of a notification stream, as the client library asks for them. Unlike the library's own answers it ends
    with an exception, because that would ask again at once and for ever.
    """

    def __init__(self, answer: BaseHTTPResponse) -> None:
        self._answer = answer
        self._lines: list[bytes] = []
        self._rest = b""
        self.closed = False

    @property
    def status(self) -> int:
        """Of the answer."""
        return self._answer.status

    def readline(self) -> bytes:
        """
        The next line that is not blank.

        Raises:
            StreamEnded: There will be none.
        """
        while not self._lines:
            piece = self._answer.read1(_PIECE)
            if not piece:
                raise StreamEnded("the store ended the stream of notifications")
            self._take(piece)
        return self._lines.pop()

    def close(self) -> None:
        """
        Leave the stream.
        """
        self.closed = True
        self._answer.close()

    def release_conn(self) -> None:
        """
        A connection whose answer was not read to its end is of no use to anybody.
        """

    def _take(self, piece: bytes) -> None:
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest.lstrip()
        if len(self._rest) > LINE_BYTES_MAX:
            raise StreamEnded(f"the store sent a line of more than {LINE_BYTES_MAX} bytes")
        self._lines = [line for line in reversed(lines) if line.strip()]


def _plain_over(wire: Wire) -> type[HTTPConnectionPool]:
    class Connection(HTTPConnection):
        """A connection over the wire."""

        def _new_conn(self) -> socket.socket:
            return wire.connect()

    class Plain(HTTPConnectionPool):
        """Its connections."""

        ConnectionCls = Connection

    return Plain


def _encrypted_over(wire: Wire) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        """An encrypted connection over the wire."""

        def _new_conn(self) -> socket.socket:
            return wire.connect()

        def connect(self) -> None:
            """See urllib3. The encrypted socket takes the plain one's place."""
            super().connect()
            wire.watch(self.sock)

    class Encrypted(HTTPSConnectionPool):
        """Its connections."""

        ConnectionCls = Connection

    return Encrypted
