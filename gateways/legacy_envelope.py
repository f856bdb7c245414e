"""
The CloudEvents 0.1 envelope of the seed's era, which old sensors read and no SDK writes.

Source: equal to what binaries of that era were observed to send.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from gateways.cloudevent import CloudEvent, HttpForm

_quote = json.encoder.encode_basestring


def legacy(event: CloudEvent, *, event_type_version: str, transformed_at: datetime) -> HttpForm:
    """
    *event* as a 0.1 CloudEvent.

    Args:
        event: Its source becomes `source.host`, its id is folded into the era's form.
        event_type_version: The Gateway's version.
        transformed_at: `eventTime` of that era is the time of transformation; aware.
    """
    payload = event.data if event.legacy_payload is None else event.legacy_payload
    text = "".join(
        (
            '{"context":{"eventType":', _quote(event.type),
            ',"eventTypeVersion":', _quote(event_type_version),
            ',"cloudEventsVersion":"0.1","source":{"scheme":"","user":"","password":"","host":', _quote(event.source),
            ',"port":0,"path":"","query":"","fragment":""},"eventID":"', legacy_id(event.id),
            '","eventTime":"', transformed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            '","schemaURL":null,"contentType":"application/json"},"payload":"', base64.b64encode(payload).decode(),
            '"}',
        )
    )  # fmt: skip
    return HttpForm((("content-type", "application/json"),), text.encode())


def legacy_id(event_id: str) -> str:
    """
    72 hexadecimal characters: the ASCII text of a version-4 UUID, in hex, as the era's formatter wrote it.

    Returns:
        The same text for the same *event_id*; an id that is a random UUID keeps it.
    """
    try:
        number = UUID(event_id)
    except ValueError:
        number = uuid5(NAMESPACE_URL, event_id)
    return str(UUID(bytes=number.bytes, version=4)).encode().hex()


def protobuf_time(instant: datetime) -> bytes:
    """
    *instant* as the protobuf bytes of a Kubernetes Time, which is what calendars of that era sent as payload.

    Source: R-CAL-2: `08 <varint unix seconds> 10 00`; nanoseconds are always 0.
    """
    value = int(instant.timestamp()) & 0xFFFF_FFFF_FFFF_FFFF
    varint = bytearray()
    while value > 0x7F:
        varint.append(value & 0x7F | 0x80)
        value >>= 7
    varint.append(value)
    return b"\x08" + bytes(varint) + b"\x10\x00"
