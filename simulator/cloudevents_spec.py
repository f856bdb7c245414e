"""
CloudEvents as a watcher receives them, over HTTP or a broker: read, and each clause checked that a sender must meet.

Written from the specification; it shares no code with the gateway whose events it judges.
Source: CloudEvents 1.0.2; JSON event format 1.0.2; HTTP and Kafka protocol bindings 1.0.2, NATS protocol binding 1.0.3
(draft); CloudEvents 0.1 for the old envelope.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from json.decoder import JSONDecodeError
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from simulator.services.service import BrokerMessage

_decoder = json.JSONDecoder()
_NAME = re.compile(r"[a-z0-9]+\Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
_URI_REFERENCE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+\Z")
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*(;.*)?\Z")
_SPACE = re.compile(r"[ \t\n\r]*")
_REQUIRED = ("id", "source", "type")
_STRUCTURED = "application/cloudevents+json"


class ReceivedEvent(NamedTuple):
    """
    One CloudEvent as it reached a watcher.
    """

    attributes: dict[str, str]
    """Context attributes by name; of a 0.1 envelope under their names of today, `specversion` being `0.1`."""
    data: bytes
    """The payload's exact bytes: of JSON data, the bytes as they stood in the body."""
    data_form: str
    """`json`, `text`, `base64`, `body` (binary mode) or `none`."""
    mode: str
    """`structured`, `binary` or `legacy`."""
    message: Mapping[str, str] = MappingProxyType({})
    """Where it stood in the broker that it came over: `subject`, or `topic`, `partition` and `key`; empty over HTTP."""

    @property
    def key(self) -> tuple[str, str]:
        """
        What makes an event the same event: source and id (CloudEvents 1.0.2, section 3.1.1).
        """
        return self.attributes.get("source", ""), self.attributes.get("id", "")


class Violation(NamedTuple):
    """
    One breach of the specification.
    """

    clause: str
    problem: str


class InvalidEvent(Exception):
    """
    A request carries no CloudEvent that can be read.

    Attributes:
        violations: Why; never empty.
    """

    def __init__(self, *violations: Violation) -> None:
        self.violations = violations
        super().__init__("; ".join(f"{v.problem} ({v.clause})" for v in violations))


def read_event(headers: Mapping[str, str], body: bytes) -> ReceivedEvent:
    """
    The CloudEvent of one HTTP request, in whichever form it comes.

    Args:
        headers: Lower-case names.
        body: The whole body.

    Raises:
        InvalidEvent: There is none, or it cannot be read.
    """
    return _read(headers, body, _HTTP)


class _Binding(NamedTuple):
    """
    How a protocol carries attributes one by one.
    """

    name: str
    prefix: str
    content_type: str
    """The header that holds `datacontenttype`."""
    percent_encoded: bool


_HTTP = _Binding("HTTP binding", "ce-", "content-type", percent_encoded=True)
_BROKERS = {
    "nats": _Binding("NATS binding", "ce-", "ce-datacontenttype", percent_encoded=True),
    "kafka": _Binding("Kafka binding", "ce_", "content-type", percent_encoded=False),
}


def read_message(broker: str, message: BrokerMessage) -> ReceivedEvent:
    """
    The CloudEvent of one message of a broker, in whichever form it comes.

    Args:
        broker: `nats` or `kafka`.

    Raises:
        InvalidEvent: There is none, or it cannot be read.
    """
    binding, headers = _BROKERS[broker], dict(message.headers)
    bare = not headers and b'"specversion"' in message.body
    event = _read_structured(message.body) if bare else _read(headers, message.body, binding)
    return event._replace(message=dict(message.place))


def _read(headers: Mapping[str, str], body: bytes, binding: _Binding) -> ReceivedEvent:
    """
    The event that *headers*, by name in lower case, and *body* are under that *binding*.
    """
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == _STRUCTURED:
        return _read_structured(body)
    if f"{binding.prefix}specversion" in headers:
        return _read_binary(headers, body, binding)
    if media == "application/json" and b'"cloudEventsVersion"' in body:
        return _read_legacy(body)
    problem = f"content mode {media!r} is not one that watchers take"
    if not media.startswith("application/cloudevents"):
        wanted = f"content-type {_STRUCTURED} nor a {binding.prefix}specversion header"
        problem = f"neither {wanted}; content-type {media!r}"
    raise InvalidEvent(Violation(f"{binding.name} 3", problem))


def violations_of(event: ReceivedEvent) -> list[Violation]:
    """
    Every clause that *event* breaks; empty for a valid one.
    """
    if event.mode == "legacy":
        return _legacy_violations(event)
    attributes = event.attributes
    found = []
    if attributes.get("specversion") != "1.0":
        found.append(Violation("CloudEvents 3.1.1", f"specversion is {attributes.get('specversion')!r}, not '1.0'"))
    found += [
        Violation("CloudEvents 3.1.1", f"{name} is missing or empty") for name in _REQUIRED if not attributes.get(name)
    ]
    for name, value in attributes.items():
        if name not in _UNCONSTRAINED:
            problem = _time_problem(value) if name == "time" else _attribute_problem(name, value)
            if problem:
                found.append(Violation("CloudEvents 3.1", problem))
    return found


_UNCONSTRAINED = frozenset({"id", "specversion", "type"})
"""Good names, whose values only have to be there."""


@lru_cache(maxsize=1024)
def _attribute_problem(name: str, value: str) -> str:
    if not _NAME.match(name):
        return f"attribute name {name!r} has characters other than a-z and 0-9"
    if name == "source" and value and not _URI_REFERENCE.match(value):
        return f"source {value!r} is no URI-reference"
    if name == "datacontenttype" and not _MEDIA_TYPE.match(value):
        return f"datacontenttype {value!r} is no media type"
    if name == "subject" and not value:
        return "subject is present and empty"
    return ""


def _time_problem(value: str) -> str:
    return "" if _is_time(value) else f"time {value!r} is no RFC 3339 timestamp"


def _is_time(text: str) -> bool:
    if not _TIME.match(text):
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True


def _read_structured(body: bytes) -> ReceivedEvent:
    members, spans = _top_level(body)
    data, form = b"", "none"
    if "data" in members and "data_base64" in members:
        raise InvalidEvent(Violation("JSON format 3.1", "both data and data_base64 are present"))
    if "data_base64" in members:
        data, form = _base64(members.pop("data_base64"), "data_base64"), "base64"
    elif "data" in members:
        value = members.pop("data")
        if isinstance(value, str) and not _is_json(str(members.get("datacontenttype", "application/json"))):
            data, form = value.encode("utf-8", "surrogatepass"), "text"
        else:
            data, form = spans["data"], "json"
    attributes = {}
    for name, value in members.items():
        if value is None:
            continue
        if not isinstance(value, str | int | bool):
            raise InvalidEvent(
                Violation("JSON format 2.2", f"attribute {name!r} is neither text, whole number nor bool")
            )
        attributes[name] = value if isinstance(value, str) else json.dumps(value)
    return ReceivedEvent(attributes, data, form, "structured")


def _is_json(media: str) -> bool:
    media = media.partition(";")[0].strip().lower()
    return media == "application/json" or media.endswith("+json")


def _top_level(body: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """
    The members of the JSON object in *body*, and the exact bytes of each value.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidEvent(Violation("JSON format 3", f"the body is not UTF-8: {error.reason}")) from None
    try:
        return _members(text)
    except (JSONDecodeError, RecursionError, ValueError) as error:
        raise InvalidEvent(Violation("JSON format 3", f"the body is no JSON object: {error}")) from None


_PLAIN_MEMBER = re.compile(r'"([^"\\\x00-\x1f]*)":"([^"\\\x00-\x1f]*)",')
"""A member whose value is text without escapes, as most attributes are; what it does not match is decoded in full."""


def _members(text: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    members: dict[str, Any] = {}
    spans: dict[str, bytes] = {}
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise JSONDecodeError("expected an object", text, at)
    at = _skip(text, at + 1)
    more = text[at : at + 1] != "}"
    while more:
        plain = _PLAIN_MEMBER.match(text, at)
        if plain is not None and plain[1] not in members and plain[1] != "data":
            members[plain[1]] = plain[2]
            at = _skip(text, plain.end())
            continue
        name, at = _decoder.raw_decode(text, at)
        at = _skip(text, at)
        if not isinstance(name, str) or text[at : at + 1] != ":":
            raise JSONDecodeError("expected a name and a colon", text, at)
        if name in members:
            raise JSONDecodeError(f"the member {name!r} stands twice", text, at)
        start = _skip(text, at + 1)
        members[name], at = _decoder.raw_decode(text, start)
        if name == "data":
            spans[name] = text[start:at].encode()
        at = _skip(text, at)
        more = text[at : at + 1] == ","
        if more:
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "}":
            raise JSONDecodeError("expected a comma or the end", text, at)
    if text[at + 1 :].strip():
        raise JSONDecodeError("something follows the object", text, at + 1)
    return members, spans


def _skip(text: str, at: int) -> int:
    if text[at : at + 1] > " ":
        return at
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _base64(value: Any, name: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise InvalidEvent(Violation("JSON format 3.1", f"{name} is no base64")) from None


def _read_binary(headers: Mapping[str, str], body: bytes, binding: _Binding) -> ReceivedEvent:
    attributes = {}
    for name, value in headers.items():
        if name.startswith(binding.prefix):
            try:
                text = unquote_to_bytes(value).decode() if binding.percent_encoded else value
            except UnicodeDecodeError:
                raise InvalidEvent(Violation(f"{binding.name} 3.1.3.2", f"header {name} is not UTF-8")) from None
            attributes[name.removeprefix(binding.prefix)] = text
    if binding.content_type in headers:
        attributes["datacontenttype"] = headers[binding.content_type]
    return ReceivedEvent(attributes, body, "body" if body else "none", "binary")


def _read_legacy(body: bytes) -> ReceivedEvent:
    members, _ = _top_level(body)
    context = members.get("context")
    if not isinstance(context, dict):
        raise InvalidEvent(Violation("CloudEvents 0.1", "the member context is missing or no object"))
    source = context.get("source")
    attributes = {
        "specversion": context.get("cloudEventsVersion"),
        "id": context.get("eventID"),
        "source": source.get("host") if isinstance(source, dict) else None,
        "type": context.get("eventType"),
        "eventtypeversion": context.get("eventTypeVersion"),
        "time": context.get("eventTime"),
        "datacontenttype": context.get("contentType"),
    }
    payload = members.get("payload")
    data = b"" if payload is None else _base64(payload, "payload")
    texts = {name: value for name, value in attributes.items() if isinstance(value, str)}
    return ReceivedEvent(texts, data, "none" if payload is None else "base64", "legacy")


def _legacy_violations(event: ReceivedEvent) -> list[Violation]:
    found = [
        Violation("CloudEvents 0.1", f"{name} is missing or empty")
        for name in ("id", "source", "type", "eventtypeversion", "time")
        if not event.attributes.get(name)
    ]
    if event.attributes.get("specversion") != "0.1":
        found.append(Violation("CloudEvents 0.1", "cloudEventsVersion is not '0.1'"))
    if not re.fullmatch(r"[0-9a-f]{72}", event.attributes.get("id", "")):
        found.append(Violation("R-PIP-6", "eventID is not 72 hexadecimal characters"))
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event.attributes.get("time", "")):
        found.append(Violation("R-PIP-7", "eventTime has not exactly six decimals and Z"))
    return found
