"""
Encoder: a CloudEvent as what changes from request to request; made once for each event, whoever gets it.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from datetime import datetime
from enum import Enum
from functools import lru_cache
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from gateways.clock import Clock
from gateways.cloudevent import CloudEvent, HttpForm, binary, structured
from gateways.gateway_spec import GatewaySpec
from gateways.legacy_envelope import legacy

_PLAIN_KEY = re.compile(r"[!#-~]{1,256}")
"""Printable ASCII without spaces and quotation marks."""
_KEY_LENGTH_MAX = 256
_NO_VALUE = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_TRANSFORMED_MAX = 1024


class ContentMode(Enum):
    """
    How an event stands in an HTTP request.
    """

    STRUCTURED = "structured"
    BINARY = "binary"
    LEGACY = "0.1"
    """The envelope of the seed's era."""

    @classmethod
    def of(cls, spec: GatewaySpec) -> ContentMode:
        """
        The one that a Gateway asks for, of events to sensors.
        """
        return cls.LEGACY if spec.envelope == "0.1" else cls(spec.content_mode)


class Encoder:
    """
    Encodes the events of one configuration, for all its watchers.

    It remembers the last event in each mode: its watchers' requests are made one right after another.

    Args:
        version: The Gateway's; the old envelope names it.
        clock: The old envelope names the time of transformation.
    """

    __slots__ = ("_clock", "_last", "_transformed_at", "_version")

    def __init__(self, *, version: str, clock: Clock) -> None:
        self._version = version
        self._clock = clock
        self._last: dict[ContentMode, tuple[CloudEvent | None, bytes]] = {}
        self._transformed_at: OrderedDict[str, datetime] = OrderedDict()

    def encode(self, event: CloudEvent, mode: ContentMode) -> bytes:
        """
        The rest of a request with *event*, from the header fields that are its own to the end of the body.
        """
        last = self._last.get(mode)
        if last is not None and last[0] is event:
            return last[1]
        form = self.form(event, mode)
        rest = b"%bIdempotency-Key: %b\r\nContent-Length: %d\r\n\r\n%b" % (
            _fields(form.headers), idempotency_key(event.id).encode(), len(form.body), form.body
        )  # fmt: skip
        self._last[mode] = (event, rest)
        return rest

    def form(self, event: CloudEvent, mode: ContentMode) -> HttpForm:
        """
        *event* as an HTTP message in that mode.
        """
        if mode is ContentMode.STRUCTURED:
            return structured(event)
        if mode is ContentMode.BINARY:
            return binary(event)
        return legacy(event, event_type_version=self._version, transformed_at=self._transformation(event))

    def _transformation(self, event: CloudEvent) -> datetime:
        """
        When *event* was first encoded, so that a repeated request says the same.
        """
        known = self._transformed_at.get(event.id)
        if known is None:
            known = self._transformed_at[event.id] = self._clock.now()
            if len(self._transformed_at) > _TRANSFORMED_MAX:
                self._transformed_at.popitem(last=False)
        return known


def idempotency_key(event_id: str) -> str:
    """
    *event_id* as the value of a header field: itself where that is possible, else percent-encoded, and a UUID of it
    where that is too long.
    """
    if _PLAIN_KEY.fullmatch(event_id):
        return event_id
    key = quote(event_id, safe="!#$%&'()*+,/:;=?@[]^`{|}<>\\", errors="replace")
    return key if len(key) <= _KEY_LENGTH_MAX else str(uuid5(NAMESPACE_URL, key))


@lru_cache(maxsize=16)
def _fields(headers: tuple[tuple[str, str], ...]) -> bytes:
    """
    The lines of *headers*. A value never ends its line, whatever a source stated as its content type.
    """
    lines = (f"{name}: {_NO_VALUE.sub(' ', value)}\r\n" for name, value in headers)
    return "".join(lines).encode("latin-1", "replace")
