"""
What the protocol core is asked and answers; plain data, whatever carries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from simulator.services.embedded.s3.errors import S3Error


class S3Request(NamedTuple):
    """
    One request, as it came over the wire.
    """

    method: str
    path: str
    """Escaped, without the query."""
    query: tuple[tuple[str, str], ...]
    """Decoded, in its order."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    sender: str = ""
    """The client's host."""

    @property
    def bucket(self) -> str:
        """
        The bucket that the path names; empty for none.
        """
        return unquote(self.path).lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        """
        The object that the path names; empty for none.
        """
        return unquote(self.path).lstrip("/").partition("/")[2]

    def parameter(self, name: str, default: str = "") -> str:
        """
        The first value of *name* in the query.
        """
        return next((value for key, value in self.query if key == name), default)

    def has(self, name: str) -> bool:
        """
        Whether the query names *name*.
        """
        return any(key == name for key, _ in self.query)

    def whole_number(self, name: str, default: int, most: int) -> int:
        """
        The number *name* of the query, at most *most*.

        Raises:
            S3Error: It is none.
        """
        text = self.parameter(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit()) or len(text) > 10:
            raise S3Error("InvalidArgument", f"{name} is not a whole number")
        return min(int(text), most)


class Answer(NamedTuple):
    """
    One answer.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def request_of(method: str, target: str, headers: Mapping[str, str], body: bytes = b"", sender: str = "") -> S3Request:
    """
    The request that *target*, path and query as they stand in an HTTP request, means.
    """
    path, _, query = target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=1000)
    return S3Request(method, path, tuple(pairs), headers, body, sender)
