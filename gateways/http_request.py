"""
Request: one HTTP request as a handler sees it, and the bytes of its answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote_to_bytes

from gateways.clock import SocketAddress

TEXT = "text/plain; charset=utf-8"
Headers = tuple[tuple[str, str], ...]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_ORIGIN = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*")


class Answerer(Protocol):
    """
    Who carries answers back to the client.
    """

    @property
    def sender(self) -> SocketAddress:
        """The client's socket."""

    def answer(self, request: Request, status: int, body: bytes, headers: Headers, content_type: str) -> None:
        """Write the answer; nothing happens when *request* has one or the client is gone."""


class Request:
    """
    One complete request, to be answered once, now or later.
    """

    __slots__ = ("_answerer", "body", "headers", "keep_alive", "method", "on_gone", "target")

    def __init__(
        self, answerer: Answerer, method: str, target: bytes, headers: dict[bytes, bytes], body: bytes
    ) -> None:
        self._answerer = answerer
        self.method = method
        self.target = target
        """As the request line has it."""
        self.headers = headers
        """Names in lower case; the values of a repeated header are joined by a comma."""
        self.body = body
        self.keep_alive = True
        """Whether the client lets the connection be used again."""
        self.on_gone: Callable[[], None] | None = None
        """Called when the client is known to have left before the answer."""

    @property
    def sender(self) -> SocketAddress:
        """
        The client's socket.
        """
        return self._answerer.sender

    @property
    def raw_path(self) -> str:
        """
        The target without origin and query, escapes as they came.
        """
        target = self.target
        if target[:1] != b"/" and (origin := _ORIGIN.match(target)) is not None:
            target = target[origin.end() :]
            target = target if target[:1] == b"/" else b"/" + target
        if b"?" in target or b"#" in target:
            target = re.split(rb"[?#]", target, maxsplit=1)[0]
        return target.decode("latin-1")

    @property
    def path(self) -> str:
        """
        `raw_path` with its escapes decoded; bytes that are no UTF-8 become U+FFFD.
        """
        raw = self.raw_path
        return unquote_to_bytes(raw).decode(errors="replace") if "%" in raw else raw

    def header(self, name: bytes) -> str:
        """
        The value of the header *name* (lower case), trimmed; empty where it is absent.
        """
        value = self.headers.get(name)
        return value.decode("latin-1").strip() if value is not None else ""

    def respond(self, status: int, body: bytes = b"", headers: Headers = (), content_type: str = TEXT) -> None:
        """
        Answer. Nothing happens when it was answered before or the client is gone.
        """
        self._answerer.answer(self, status, body, headers, content_type)


@lru_cache(maxsize=256)
def answer_head(status: int, length: int, headers: Headers, content_type: str, connection: str) -> bytes:
    """
    Status line and header fields of an answer.

    Args:
        status: Its number.
        length: Of the body, in bytes.
        headers: Further fields.
        content_type: Of the body.
        connection: Value of the field `Connection`; empty for none.
    """
    fields = [("Content-Type", content_type), ("Content-Length", str(length)), *headers]
    if connection:
        fields.append(("Connection", connection))
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
