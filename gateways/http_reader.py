"""
RequestReader: the bytes of one client to requests, by httptools; bounded and calm whatever the bytes are.

What it refuses, it says once, with the status that fits; after that nothing more can be read from this client.
Source: RFC 9110, RFC 9112.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import httptools

from gateways.http_request import Answerer, Request

HEAD_BYTES_MAX = 16 * 1024
SLICE = 4 * 1024
"""So much is parsed at once outside bodies, so that a flood of tiny requests is no flood of objects."""
_CHUNK_FRAMING = 24
"""Bytes around the data of one chunk: a size of 16 digits, two line ends, and some to spare."""
_TARGET_FRAMING = 14
"""Bytes of a request line besides method and target."""


class Refusal(NamedTuple):
    """
    Why a client is not listened to any longer.
    """

    status: int
    reason: str


class _Stop(Exception):
    """
    Ends parsing from within a callback, once the refusal is noted.
    """


class RequestReader:
    """
    Reads requests, one after another.

    Args:
        answerer: Given to each request.
        body_bytes_max: A longer body is refused: at its head where that tells, else while it comes.
    """

    __slots__ = (
        "_answerer", "_body", "_body_bytes_max", "_body_left", "_chunked", "_chunks", "_fed", "_fresh", "_headers",
        "_keep_alive", "_parser", "_repeated", "_replayed", "_size", "_target", "complete", "head_done",
        "owes_continue", "partial", "refusal",
    )  # fmt: skip

    _headers: dict[bytes, bytes]
    _body: bytes | bytearray
    _body_left: int
    """Of the length that the head states."""
    _repeated: int
    """Bytes of the head that joining repeated headers saved."""
    _fed: int
    """Bytes since the head began; then, since it was complete. The first piece is not counted."""
    _fresh: bool
    """Whether that first piece is being parsed."""

    def __init__(self, answerer: Answerer, body_bytes_max: int) -> None:
        self.complete: deque[Request] = deque()
        """Requests to be served, in order; whoever serves them takes them out."""
        self.partial = False
        """Whether a request has begun and is not complete."""
        self.head_done = False
        """Whether the head of that request is complete."""
        self.owes_continue = False
        """Whether the client waits for `100 Continue` before it sends the body."""
        self.refusal: Refusal | None = None
        """To be answered after everything in `complete`; nothing may be fed any more."""
        self._answerer = answerer
        self._body_bytes_max = body_bytes_max
        self._parser = httptools.HttpRequestParser(self)
        self._replayed: Request | None = None
        self.on_message_begin()
        self.partial = False

    def feed(self, data: bytes, start: int) -> int:
        """
        Parse a piece of *data* from *start* on.

        Returns:
            Where the next piece starts; after each, what is complete should be served.
        """
        end = start + max(SLICE, self._body_left)
        piece = data if not start and end >= len(data) else memoryview(data)[start:end]
        self._parse(piece)
        if self.partial and self.refusal is None:
            if self._fresh:
                self._fresh = False
            else:
                self._fed += len(piece)
                self._check_growth()
        return end

    def end(self) -> None:
        """
        The client sends no more: a request that is not complete never will be.
        """
        if self.partial and self.refusal is None:
            self.refusal = Refusal(400, "the request ends too early")

    def _parse(self, piece: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._replay(bytes(piece[upgrade.args[0] :]))
        except httptools.HttpParserCallbackError:
            if self.refusal is None:  # not one of ours: a mistake in here
                raise
        except httptools.HttpParserError as error:
            self.refusal = Refusal(400, str(error))

    def _check_growth(self) -> None:
        """
        A head that never ends, chunk extensions, and trailers are bounded too. A first piece is not counted.
        """
        if not self.head_done:
            if self._fed > HEAD_BYTES_MAX:
                self.refusal = Refusal(431, f"the head is longer than {HEAD_BYTES_MAX} bytes")
        elif self._chunked and self._fed - self._size > HEAD_BYTES_MAX + self._chunks * _CHUNK_FRAMING:
            self.refusal = Refusal(400, "the body has too much around its chunks")

    def _refuse(self, status: int, reason: str) -> _Stop:
        self.refusal = Refusal(status, reason)
        return _Stop()

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        self.partial = True
        self._fresh = True
        self.head_done = False
        self.owes_continue = False
        self._target = b""
        self._headers = {}
        self._repeated = 0
        self._body = b""
        self._size = 0
        self._body_left = 0
        self._chunked = False
        self._chunks = 0
        self._fed = 0

    def on_url(self, piece: bytes) -> None:
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_done:  # a trailer: nobody may set a header behind the body
            return
        name, headers = name.lower(), self._headers
        if name in headers:
            self._repeated += len(name) + 2
            headers[name] += b", " + value
        else:
            headers[name] = value

    def on_headers_complete(self) -> None:
        headers = self._headers
        if self._fed > HEAD_BYTES_MAX - 2 * SLICE:
            self._check_head()
        self._keep_alive = self._parser.should_keep_alive()
        if not self._keep_alive:
            self._check_version()
        length = headers.get(b"content-length")
        if length is not None:
            self._body_left = int(length)
            if self._body_left > self._body_bytes_max:
                raise self._too_long()
        if b"transfer-encoding" in headers:
            self._check_coding()
        if b"expect" in headers:
            self._check_expectation()
        self.head_done = True
        self._fed = 0

    def on_chunk_header(self) -> None:
        self._chunks += 1

    def on_body(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._body_bytes_max:
            raise self._too_long()
        if self._chunked:
            self._body += piece
        elif self._body:
            self._body = bytearray(self._body)
            self._body += piece
        else:
            self._body = piece
        if self._body_left:
            self._body_left -= len(piece)

    def on_message_complete(self) -> None:
        parser = self._parser
        request, self._replayed = self._replayed, None
        if request is not None:
            request.body = bytes(self._body)
        else:
            method = parser.get_method().decode()
            request = Request(self._answerer, method, self._target, self._headers, bytes(self._body))
            request.keep_alive = self._keep_alive
            if parser.should_upgrade():
                self._replayed = request
                return
        self.partial = False
        self._body = b""
        self.complete.append(request)

    # What a head says that is more than headers.

    def _too_long(self) -> _Stop:
        self._body_left = 0
        return self._refuse(413, f"the body is longer than {self._body_bytes_max} bytes")

    def _check_head(self) -> None:
        fields = sum(len(name) + len(value) + 4 for name, value in self._headers.items())
        if fields + self._repeated + len(self._target) + _TARGET_FRAMING > HEAD_BYTES_MAX:
            raise self._refuse(431, f"the head is longer than {HEAD_BYTES_MAX} bytes")

    def _check_version(self) -> None:
        version = self._parser.get_http_version()
        if version == "0.9":
            raise self._refuse(400, "the request line names no HTTP version")
        if version not in ("1.0", "1.1"):
            raise self._refuse(505, f"HTTP/{version} is not spoken here, HTTP/1.1 is")

    def _check_coding(self) -> None:
        """
        Source: RFC 9112, section 6.1: an unknown coding is 501; HTTP/1.0 has none.
        """
        if self._headers[b"transfer-encoding"].strip().lower() != b"chunked":
            raise self._refuse(501, "the only transfer coding understood is chunked")
        if self._parser.get_http_version() != "1.1":
            raise self._refuse(400, "HTTP/1.0 has no transfer codings")
        self._chunked = True
        self._body = bytearray()

    def _check_expectation(self) -> None:
        """
        Source: RFC 9110, section 10.1.1: the expectation of an HTTP/1.0 client is ignored.
        """
        if self._parser.get_http_version() != "1.1":
            return
        if self._headers[b"expect"].strip().lower() != b"100-continue":
            raise self._refuse(417, "the only expectation understood is 100-continue")
        self.owes_continue = bool(self._body_left or self._chunked)

    def _replay(self, rest: bytes) -> None:
        """
        Read on as if the client had not asked for another protocol.

        httptools takes what follows such a head for that protocol, so the body is read behind a head of ours.
        Source: RFC 9110, section 7.8: a server may ignore Upgrade.
        """
        request = self._replayed
        assert request is not None
        if request.method == "CONNECT":
            request.keep_alive = False
        framing = b"".join(
            b"%b: %b\r\n" % (name, request.headers[name])
            for name in (b"content-length", b"transfer-encoding")
            if name in request.headers and request.method != "CONNECT"
        )
        owes_continue = self.owes_continue
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")
        self.owes_continue = owes_continue and self.partial
        if rest and self.refusal is None:
            self._parse(rest)
