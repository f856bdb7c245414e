"""
What a MinIO sends to those who listen, taken out of its chunks and line by line; pure.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from simulator.services.embedded.s3.notifications import Listening

PADDING = "<" * 2_600
"""
Ends the name by which we put and remove. A record tells it, each character written as six: no record is then smaller
than what this MinIO holds back.
"""
_PADDING_IN_RECORD = b"\\u003c" * len(PADDING)
_OURS = re.compile(rb'"key":"[^"]*gatesim-(canary|fence)-([0-9a-f]+)-')


class Ours(NamedTuple):
    """
    What a record tells of that we put for our own sake.
    """

    kind: str
    """`canary` or `fence`."""
    text: str


def key_of(listening: Listening, ours: Ours) -> str:
    """
    A key that *listening* covers, and that says what it is for.
    """
    return f"{listening.prefix}gatesim-{ours.kind}-{ours.text.encode().hex()}-{listening.suffix}"


def ours_in(line: bytes) -> Ours | None:
    """
    What we put, where *line* tells of that.
    """
    match = _OURS.search(line)
    return Ours(match[1].decode(), bytes.fromhex(match[2].decode()).decode()) if match is not None else None


def told(line: bytes) -> bytes:
    """
    *line* without padding, as a chunk.
    """
    return _chunk(line.replace(_PADDING_IN_RECORD, b"") + b"\n")


def fence_line(mark: str) -> bytes:
    """
    A chunk with the record of a fence.
    """
    return _chunk(json.dumps({"Records": [{"gatesim-fence": mark}]}).encode() + b"\n")


END = b"0\r\n\r\n"
"""The last chunk."""


def listening_in(request: bytes) -> Listening | None:
    """
    What the request that begins with *request* (its first line at least) listens to; None where it does not.
    """
    method, _, rest = request.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    target = urlsplit(rest.rpartition(" ")[0])
    query = parse_qsl(target.query, keep_blank_values=True)
    events = tuple(value for name, value in query if name == "events")
    if method != "GET" or not events:
        return None
    found = dict(query)
    bucket = unquote(target.path).strip("/")
    return Listening(bucket, found.get("prefix", ""), found.get("suffix", ""), events)


class Lines:
    """
    Whole lines out of pieces of a chunked body. What a chunk holds is taken at once, not when the chunk is over: its
    end is held back as well.
    """

    def __init__(self) -> None:
        self._raw = b""
        self._left = 0
        """Of the present chunk."""
        self._text = b""
        self.over = False

    def feed(self, data: bytes) -> list[bytes]:
        """
        The lines that are whole with *data*, without their ends.
        """
        self._raw += data
        while self._raw and not self.over and self._take():
            pass
        *lines, self._text = self._text.split(b"\n")
        return [line for each in lines if (line := each.strip())]

    def _take(self) -> bool:
        if self._left:
            piece = self._raw[: self._left]
            self._raw = self._raw[len(piece) :]
            self._left -= len(piece)
            self._text += piece
            return True
        raw = self._raw.removeprefix(b"\r\n")
        if raw == b"\r" or b"\r\n" not in raw:
            return False
        size, _, self._raw = raw.partition(b"\r\n")
        self._left = int(size, 16)
        self.over = not self._left
        return True


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
