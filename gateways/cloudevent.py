"""
CloudEvent 1.0: attributes, our own check, and its two HTTP forms, structured and binary.

The encoder is ours because one is made for every event; a test holds it equal to the CloudEvents SDK.
Source: CloudEvents 1.0.2; JSON event format 1.0.2; HTTP protocol binding 1.0.2.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from gateways.clock import rfc3339

_ATTRIBUTE_NAME = re.compile(r"[a-z0-9]+\Z")
_quote = json.encoder.encode_basestring
_STRUCTURED = (("content-type", "application/cloudevents+json"),)
_HEADER_SAFE = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"%')


class DataForm(Enum):
    """
    How an event's data stands in the JSON event format.
    """

    NONE = "none"
    JSON = "json"
    """`data`: the bytes are strict JSON in UTF-8 and are spliced in as they are."""
    TEXT = "text"
    """`data`: a JSON string; the bytes are UTF-8."""
    BINARY = "binary"
    """`data_base64`."""


class CloudEvent(NamedTuple):
    """
    One event. Attributes that are empty text are absent.
    """

    id: str
    source: str
    type: str
    time: datetime
    subject: str
    datacontenttype: str
    extensions: tuple[tuple[str, str], ...]
    """Name and value, in order; names are lower-case letters and digits."""
    data: bytes
    form: DataForm
    legacy_payload: bytes | None = None
    """See SourceEvent.legacy_payload."""


class HttpForm(NamedTuple):
    """
    An event as an HTTP message.
    """

    headers: tuple[tuple[str, str], ...]
    body: bytes


def problems_of(event: CloudEvent) -> list[str]:
    """
    Why *event* is no valid CloudEvent; empty when it is one.

    Source: CloudEvents 1.0.2, section 3.1 (required attributes are non-empty), section 3.1.4 (attribute names).
    """
    found = [f"{name} must not be empty" for name in ("id", "source", "type") if not getattr(event, name).strip()]
    if event.time.tzinfo is None:
        found.append("time must carry a zone")
    found.extend(
        f"extension {name!r} must be lower-case letters and digits"
        for name, _ in event.extensions
        if not _ATTRIBUTE_NAME.match(name)
    )
    return found


def structured(event: CloudEvent) -> HttpForm:
    """
    *event* in structured content mode: one JSON object.

    Source: CloudEvents HTTP binding 1.0.2, section 3.2; JSON format 1.0.2, section 3.
    """
    subject = f',"subject":{_quote(event.subject)}' if event.subject else ""
    context = _context(event.source, event.type, event.datacontenttype, event.extensions)
    head = f'{{"specversion":"1.0","id":{_quote(event.id)}{context},"time":"{rfc3339(event.time)}"{subject}'
    return HttpForm(_STRUCTURED, _with_data(head, event))


@lru_cache(maxsize=1024)
def _context(source: str, type: str, datacontenttype: str, extensions: tuple[tuple[str, str], ...]) -> str:
    """
    The attributes that are the same for most events of a configuration.
    """
    content = f',"datacontenttype":{_quote(datacontenttype)}' if datacontenttype else ""
    others = "".join(f',"{name}":{_quote(value)}' for name, value in extensions)
    return f',"source":{_quote(source)},"type":{_quote(type)}{content}{others}'


def _with_data(head: str, event: CloudEvent) -> bytes:
    match event.form:
        case DataForm.JSON:
            return b'%b,"data":%b}' % (head.encode(), event.data)
        case DataForm.TEXT:
            return b'%b,"data":%b}' % (head.encode(), _quote(event.data.decode()).encode())
        case DataForm.BINARY:
            return b'%b,"data_base64":"%b"}' % (head.encode(), base64.b64encode(event.data))
        case DataForm.NONE:
            return head.encode() + b"}"


def binary(event: CloudEvent) -> HttpForm:
    """
    *event* in binary content mode: attributes as `ce-` headers, data as the body.

    Source: CloudEvents HTTP binding 1.0.2, section 3.1; percent-encoding of header values, section 3.1.3.2.
    """
    headers = [
        ("content-type", value) if name == "datacontenttype" else (f"ce-{name}", header_value(value))
        for name, value in attributes_of(event)
    ]
    return HttpForm(tuple(headers), event.data)


def attributes_of(event: CloudEvent) -> list[tuple[str, str]]:
    """
    The context attributes of *event* by name, as binary modes carry them one by one.
    """
    found = [("datacontenttype", event.datacontenttype)] if event.datacontenttype else []
    found += [
        ("specversion", "1.0"),
        ("id", event.id),
        ("source", event.source),
        ("type", event.type),
        ("time", rfc3339(event.time)),
    ]
    if event.subject:
        found.append(("subject", event.subject))
    return [*found, *event.extensions]


def header_value(text: str) -> str:
    """
    *text* as the value of a header field that holds printable ASCII alone.

    Source: CloudEvents HTTP binding 1.0.2, section 3.1.3.2.
    """
    return quote(text, safe=_HEADER_SAFE)
