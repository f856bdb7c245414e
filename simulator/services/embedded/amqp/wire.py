"""
Wire: bytes to frames and frames to bytes, on pamqp's codec.

What is said for every message (deliver, return, content) is written by hand: pamqp takes ten times as long, and refuses
names that RabbitMQ takes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pamqp import constants, exceptions, frame
from pamqp.base import Frame as Method
from pamqp.header import ContentHeader

from simulator.services.embedded.amqp.failure import FRAME_ERROR, SYNTAX_ERROR, Failure

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
FRAME_MAX = 131_072
"""What we offer; a client may ask for less."""
FRAME_MIN = 4_096
_HEAD = struct.Struct(">BHI")
_OVERHEAD = _HEAD.size + 1
_END = constants.FRAME_END_CHAR
HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"

_DELIVER, _GET_OK, _RETURN, _ACK, _DECLARE_OK = (
    b"\0\x3c\0\x3c",
    b"\0\x3c\0\x47",
    b"\0\x3c\0\x32",
    b"\0\x3c\0\x50",
    b"\0\x32\0\x0b",
)


class HeaderFrame(NamedTuple):
    """
    The content header of a message.
    """

    decoded: ContentHeader
    raw: bytes


Content = Method | HeaderFrame | bytes | None
"""A method, a content header, a piece of a body, or None for a heartbeat."""


class FrameReader:
    """
    Cuts what one client sends into frames.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.frame_max = FRAME_MAX

    def feed(self, data: bytes) -> Iterator[tuple[int, Content]]:
        """
        The frames that are complete now, each with its channel.

        Raises:
            Failure: 501, what comes is no frame; 502, it cannot be read.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= _HEAD.size:
                kind, channel, size = _HEAD.unpack_from(buffer, start)
                if kind not in (1, 2, 3, constants.FRAME_HEARTBEAT):
                    raise Failure(FRAME_ERROR, f"unknown frame type {kind}")
                if size + _OVERHEAD > self.frame_max:
                    raise Failure(FRAME_ERROR, f"frame of {size} bytes is larger than {self.frame_max - _OVERHEAD}")
                end = start + size + _OVERHEAD
                if len(buffer) < end:
                    return
                if buffer[end - 1] != constants.FRAME_END:
                    raise Failure(FRAME_ERROR, "a frame does not end as it has to")
                raw, start = bytes(buffer[start:end]), end
                yield channel, _decoded(kind, raw)
        finally:
            del buffer[:start]


def _decoded(kind: int, raw: bytes) -> Content:
    payload = raw[_HEAD.size : -1]
    if kind == constants.FRAME_BODY:
        return payload
    if kind == constants.FRAME_HEARTBEAT:
        return None
    try:
        decoded = frame.unmarshal(raw)[2]
    except (exceptions.PAMQPException, ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        raise Failure(SYNTAX_ERROR, f"a frame cannot be read: {error}") from error
    if isinstance(decoded, ContentHeader):
        return HeaderFrame(decoded, payload)
    if isinstance(decoded, Method):
        return decoded
    raise Failure(FRAME_ERROR, "a frame is none")


def method_bytes(method: Method, channel: int) -> bytes:
    """
    *method* as it goes over the wire.
    """
    return frame.marshal(method, channel)


def content_bytes(channel: int, header: bytes, body: bytes, frame_max: int) -> bytes:
    """
    Content header and body, in as many frames as the client wants.
    """
    frames = [_frame(2, channel, header)]
    room = frame_max - _OVERHEAD
    frames += [_frame(3, channel, body[at : at + room]) for at in range(0, len(body), room)]
    return b"".join(frames)


def deliver_bytes(channel: int, consumer: str, tag: int, redelivered: bool, place: tuple[str, str]) -> bytes:
    """
    Basic.Deliver; *place* is exchange and routing key.
    """
    said = _DELIVER, _short(consumer), struct.pack(">Q?", tag, redelivered), *map(_short, place)
    return _frame(1, channel, b"".join(said))


def get_ok_bytes(channel: int, tag: int, redelivered: bool, place: tuple[str, str], left: int) -> bytes:
    """
    Basic.GetOk; *place* is exchange and routing key.
    """
    said = _GET_OK, struct.pack(">Q?", tag, redelivered), *map(_short, place), struct.pack(">I", left)
    return _frame(1, channel, b"".join(said))


def return_bytes(channel: int, exchange: str, key: str) -> bytes:
    """
    Basic.Return of a message that no queue took.
    """
    said = _RETURN, struct.pack(">H", 312), _short("NO_ROUTE"), _short(exchange), _short(key)
    return _frame(1, channel, b"".join(said))


def ack_bytes(channel: int, tag: int) -> bytes:
    """
    Basic.Ack, as publishers are told.
    """
    return _frame(1, channel, _ACK + struct.pack(">Q?", tag, False))


def declare_ok_bytes(channel: int, queue: str, messages: int, consumers: int) -> bytes:
    """
    Queue.DeclareOk.
    """
    return _frame(1, channel, _DECLARE_OK + _short(queue) + struct.pack(">II", messages, consumers))


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return b"".join((_HEAD.pack(kind, channel, len(payload)), payload, _END))


def _short(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    return bytes((len(raw),)) + raw
