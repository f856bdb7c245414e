"""
Transformer: SourceEvent to CloudEvent; pure.

What depends only on the configuration is computed once; what is left for each event is looking at its payload.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from gateways.chance import Chance
from gateways.cloudevent import CloudEvent, DataForm
from gateways.source_event import SourceEvent


class Transformer:
    """
    Makes the CloudEvents of one configuration.

    Args:
        gateway: Name of the Gateway.
        configuration: Key of the configuration; `<gateway>/<configuration>` becomes `source`.
        type: The Gateway's type.
        version: The Gateway's version; becomes the extension `eventtypeversion`, absent when empty.
        chance: Draws the ids of events whose source has none.

    Source: R-PIP-5, R-PIP-8; docs/events.md.
    """

    def __init__(self, *, gateway: str, configuration: str, type: str, version: str, chance: Chance) -> None:
        self._source = f"{gateway}/{configuration}"
        self._type = type
        self._extensions = (("eventtypeversion", version),) if version else ()
        self._chance = chance

    def transform(self, event: SourceEvent) -> CloudEvent:
        """
        The CloudEvent of *event*: its bytes unchanged, its id kept where it has one.
        """
        content_type, form = data_form(event.payload, event.content_type)
        return CloudEvent(
            event.id or self._chance.new_id(),
            self._source,
            self._type,
            event.time,
            event.subject,
            content_type,
            self._extensions + event.extensions if event.extensions else self._extensions,
            event.payload,
            form,
            event.legacy_payload,
        )


def data_form(payload: bytes, stated: str) -> tuple[str, DataForm]:
    """
    The `datacontenttype` of *payload* and how it stands in JSON.

    Nothing is guessed where the source *stated* a content type: JSON that is stated as text stays text, and what is
    stated as JSON but is none travels as base64, so that no byte is lost.

    Returns:
        An empty content type for an empty payload whose source states none.
    """
    if not payload:
        return stated, DataForm.NONE
    if not stated:
        if is_strict_json(payload):
            return "application/json", DataForm.JSON
        return ("text/plain", DataForm.TEXT) if _is_utf8(payload) else ("application/octet-stream", DataForm.BINARY)
    media, _, parameters = stated.partition(";")
    media = media.strip().lower()
    if media == "application/json" or media.endswith("+json"):
        return stated, DataForm.JSON if is_strict_json(payload) else DataForm.BINARY
    if _is_text(media) and _says_utf8(parameters) and _is_utf8(payload):
        return stated, DataForm.TEXT
    return stated, DataForm.BINARY


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_strict: Any = json.JSONDecoder(parse_int=float, parse_constant=_refuse)
"""Numbers are only checked, never used: float takes any length, int would refuse 5,000 digits."""


def is_strict_json(payload: bytes) -> bool:
    """
    Whether *payload* is one JSON value in UTF-8, without a byte-order mark, NaN or Infinity (RFC 8259).
    """
    try:
        text = payload.decode()
        _, end = _strict.raw_decode(text, len(text) - len(text.lstrip(" \t\n\r")))
    except (ValueError, RecursionError):
        return False
    return not text[end:].strip(" \t\n\r")


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_text(media: str) -> bool:
    return (
        media.startswith("text/")
        or media.endswith("+xml")
        or media in ("application/xml", "application/x-www-form-urlencoded", "application/yaml")
    )


def _says_utf8(parameters: str) -> bool:
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return value.strip().strip('"') in ("utf-8", "utf8", "us-ascii")
    return True
