"""
Webhook routes: on which port each configuration is served, and which of them a request belongs to; pure.

Source: G-WEB-1 to G-WEB-8, R-WEB-2, R-WEB-4, BUG-07.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

from gateways.processors.webhook_options import WebhookOptions

T = TypeVar("T")


class Place(NamedTuple):
    """
    Where a configuration is served.
    """

    port: int
    endpoint: str
    """Empty where it only names a port."""
    method: str


def places_of(wanted: Mapping[str, WebhookOptions]) -> dict[str, Place | str]:
    """
    The place of each configuration, by key; or why it has none, in a sentence for its author.
    """
    default = _default_port(wanted)
    places: dict[str, Place | str] = {}
    taken: dict[Place, str] = {}
    for key in sorted(wanted):
        options = wanted[key]
        port = options.port if options.port is not None else default
        if isinstance(port, str):
            places[key] = port
            continue
        place = Place(port, options.endpoint, options.method)
        first = taken.setdefault(place, key) if place.endpoint else key
        places[key] = place if first == key else _twice(place, first)
    return places


def _default_port(wanted: Mapping[str, WebhookOptions]) -> int | str:
    for options in wanted.values():
        if options.gateway_wide and options.port is not None:
            return options.port
    named = sorted({options.port for options in wanted.values() if options.port is not None})
    if not named:
        return "it has no port and no configuration names one; add `port`, here or as a key of its own, such as 12000"
    if len(named) > 1:
        ports = ", ".join(map(str, named[:-1])) + f" and {named[-1]}"
        return f"it has no port and there are several, {ports}; name one of them here, or add a key `port` for all"
    return named[0]


def _twice(place: Place, first: str) -> str:
    return f"{place.method} {place.endpoint} on port {place.port} is served by {first} already; change one of them"


class Match(NamedTuple, Generic[T]):
    """
    What is at a path.
    """

    endpoint: str
    methods: Mapping[str, T]


class Routes(Generic[T]):
    """
    The endpoints of one port.

    An endpoint that ends in `/` takes every path below it; the longest one wins.
    """

    def __init__(self) -> None:
        self._by_endpoint: dict[str, dict[str, T]] = {}
        self._subtrees: list[str] = []

    def add(self, endpoint: str, method: str, target: T) -> None:
        """
        Serve *method* at *endpoint* by *target*.
        """
        if endpoint not in self._by_endpoint:
            self._by_endpoint[endpoint] = {}
            if endpoint.endswith("/"):
                self._subtrees.append(endpoint)
                self._subtrees.sort(key=len, reverse=True)
        self._by_endpoint[endpoint][method] = target

    def remove(self, endpoint: str, method: str) -> None:
        """
        Serve it no more.
        """
        methods = self._by_endpoint.get(endpoint, {})
        methods.pop(method, None)
        if not methods and self._by_endpoint.pop(endpoint, None) is not None and endpoint.endswith("/"):
            self._subtrees.remove(endpoint)

    def find(self, path: str) -> Match[T] | None:
        """
        What is at *path*; None where nothing is.
        """
        methods = self._by_endpoint.get(path)
        if methods is not None:
            return Match(path, methods)
        for subtree in self._subtrees:
            if path.startswith(subtree):
                return Match(subtree, self._by_endpoint[subtree])
        return None

    def lacks_only_a_slash(self, path: str) -> bool:
        """
        Whether nothing is at *path* itself, but something at *path* with a `/` after it.
        """
        return path not in self._by_endpoint and f"{path}/" in self._by_endpoint
