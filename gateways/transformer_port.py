"""
TransformerPort: the HTTP port at which processes of somebody's own hand over events; and its settings.

Source: R-PIP-1, R-PIP-3, R-PIP-16, R-PIP-17, G-PIP-11, R-CUS-13.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from gateways.clock import Clock
from gateways.errors import ConfigurationError
from gateways.http_intake import SUCCESS, answering, event_id, refuse
from gateways.http_listener import HttpListener
from gateways.http_request import Request
from gateways.limits import Limits
from gateways.options import OptionReader
from gateways.source_event import SourceEvent
from gateways.watcher import Watcher, gateway, sensor

_NEXT_ENTRY = re.compile(r""",(?=\s*(?:\{|["']?(?:name|port|endpoint)["']?\s*:))""", re.IGNORECASE)
"""A comma that separates two watchers; other commas belong to an endpoint, or stand within braces."""


class TransformerPort:
    """
    Takes `{"src": "<name>", "payload": "<base64>" or null}` at any path but /readiness, and makes an event of it.

    The sender is answered 200 `Success` once every watcher accepted, 400 `Error` where the body cannot be read, and
    503 as a webhook's is.

    Args:
        on_event: Given `src` and its event. Takes it and has it settled, which answers the sender; or returns False
            where it has no room, and must not settle it.
        clock: Time.
        limits: Of requests, and the deadline of each event.
    """

    def __init__(self, on_event: Callable[[str, SourceEvent], bool], *, clock: Clock, limits: Limits) -> None:
        self._on_event = on_event
        self._clock = clock
        self._deadline_s = limits.webhook_deadline_s
        self._listener = HttpListener(self._take, clock=clock, limits=limits)

    async def start(self, host: str, port: int) -> int:
        """
        Listen.

        Returns:
            The port.

        Raises:
            OSError: It cannot be bound.
        """
        return await self._listener.start(host, port)

    def retire(self) -> None:
        """
        Accept no more; whoever waits for an answer still gets it.
        """
        self._listener.retire()

    async def close(self) -> None:
        """
        Retire, and wait until everybody has an answer, within the stop limit.
        """
        await self._listener.close()

    def abort(self) -> None:
        """
        Drop every connection.
        """
        self._listener.abort()

    def _take(self, request: Request) -> None:
        if request.method in ("GET", "HEAD") and request.path == "/readiness":
            request.respond(200, SUCCESS)
            return
        try:
            source, payload = read_handover(request.body)
        except ValueError:
            request.respond(400, b"Error")
            return
        event = SourceEvent(
            payload=payload,
            time=self._clock.now(),
            id=event_id(request.headers),
            settle=answering(request),
            deadline_s=self._deadline_s,
        )
        if not self._on_event(source, event):
            refuse(request, "too many events wait for the watchers")


def read_handover(body: bytes) -> tuple[str, bytes]:
    """
    The name of the source and the payload in *body*, as the gateways of the seed's era decoded it: keys in any case,
    unknown ones ignored, what is absent or null is empty.

    Raises:
        ValueError: It is no such thing.
    """
    try:
        fields = json.loads(body.decode(), parse_constant=_refuse, parse_int=float)
    except RecursionError:
        raise ValueError("too deep") from None
    if fields is None:
        return "", b""
    if not isinstance(fields, dict):
        raise ValueError("no object")
    source, payload = _field(fields, "src"), _field(fields, "payload")
    try:
        data = base64.b64decode(payload.replace("\r", "").replace("\n", "").encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("payload is no base64") from error
    return source.encode("utf-8", "replace").decode(), data


def _field(fields: Mapping[str, Any], name: str) -> str:
    found = ""
    for key, value in fields.items():
        if key.lower() == name and value is not None:
            if not isinstance(value, str):
                raise ValueError(f"{name} is no text")
            found = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


@dataclass(frozen=True, slots=True)
class TransformerSettings:
    """
    What the transformer's ConfigMap says.
    """

    event_type: str
    event_type_version: str
    event_source: str
    """`<event_source>/<src>` is the source of the events."""
    watchers: tuple[Watcher, ...]
    """Sensors first."""

    @classmethod
    def from_config_map(cls, data: Mapping[str, str], *, name: str) -> TransformerSettings:
        """
        The settings in the *data* of the ConfigMap *name*.

        Raises:
            ConfigurationError: They cannot be used; whoever has older settings keeps them.
        """
        for key in ("EVENT_TYPE", "EVENT_TYPE_VERSION", "EVENT_SOURCE"):
            if key not in data:
                raise ConfigurationError(f"configMap '{name}' does not have key '{key}'")
        return cls(
            event_type=data["EVENT_TYPE"],
            event_type_version=data["EVENT_TYPE_VERSION"],
            event_source=data["EVENT_SOURCE"],
            watchers=(
                *_watchers(data, "SENSOR_WATCHERS", name, _sensor),
                *_watchers(data, "GATEWAY_WATCHERS", name, _gateway),
            ),
        )


def _watchers(
    data: Mapping[str, str], key: str, config_map: str, read: Callable[[OptionReader], Watcher]
) -> Iterator[Watcher]:
    for number, entry in enumerate(watcher_entries(data.get(key, "")), start=1):
        try:
            yield read(OptionReader.from_text(entry))
        except ConfigurationError as error:
            raise ConfigurationError(f"configMap '{config_map}', key '{key}', entry {number}: {error}") from None


def watcher_entries(text: str) -> list[str]:
    """
    The YAML documents that *text* joins by commas. A comma inside an endpoint separates nothing.
    """
    entries, start = [], 0
    for comma in _NEXT_ENTRY.finditer(text):
        entry = text[start : comma.start()].strip()
        if entry.startswith("{") and not entry.endswith("}"):
            continue
        entries.append(entry)
        start = comma.end()
    entries.append(text[start:].strip().removesuffix(","))
    return [entry for entry in entries if entry]


def _sensor(options: OptionReader) -> Watcher:
    return sensor(_name(options))


def _gateway(options: OptionReader) -> Watcher:
    name, port, endpoint = _name(options), options.text("port"), options.text("endpoint")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535):
        raise ConfigurationError(f"the port of gateway {name} is a number from 1 to 65535, not {port or 'nothing'}")
    if not endpoint.startswith("/"):
        raise ConfigurationError(f"the endpoint of gateway {name} must start with '/', as in /foo")
    return gateway(name, int(port), endpoint)


def _name(options: OptionReader) -> str:
    name = options.text("name")
    if not name:
        raise ConfigurationError("a watcher needs a name, as in `name: audit`")
    return name
