"""
Watcher: a sensor or another gateway, and how it is reached; Target: the dispatcher's way to one, or to a broker.

Source: sensors listen at `<name>-sensor-svc:9300/`, gateways at `<name>-gateway-svc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateways.clock import Hold
from gateways.cloudevent import CloudEvent
from gateways.source_event import Certainty

SENSOR_PORT = 9300


@dataclass(frozen=True, slots=True)
class Watcher:
    """
    One entry of a Gateway's `watchers`.
    """

    name: str
    host: str
    port: int
    path: str
    """Starts with `/`; may carry a query."""
    is_gateway: bool = False
    tls: bool = False

    @property
    def peer(self) -> str:
        """
        `host:port`.
        """
        return f"{self.host}:{self.port}"


def sensor(name: str) -> Watcher:
    """
    The sensor *name*, at its Service.
    """
    return Watcher(name, f"{name}-sensor-svc", SENSOR_PORT, "/")


def gateway(name: str, port: int, endpoint: str) -> Watcher:
    """
    The gateway *name*, at the webhook *endpoint* of its Service.
    """
    return Watcher(name, f"{name}-gateway-svc", port, endpoint, is_gateway=True)


class Attempt(NamedTuple):
    """
    What came of one request.
    """

    certainty: Certainty
    cause: str
    """One sentence; empty when accepted."""


ACCEPTED = Attempt(Certainty.ACCEPTED, "")


class Target(Protocol):
    """
    Where one lane dispatches to, by whatever mechanism.
    """

    @property
    def name(self) -> str:
        """The watcher's name, for results and status."""

    @property
    def peer(self) -> str:
        """Who is talked to, for holds: `host:port` as texts name it."""

    async def attempt(self, event: CloudEvent, hold: Hold) -> Attempt:
        """
        One request with *event*. Never raises for what the watcher or the network does.

        Every limit goes through *hold*. If cancelled, the request is dropped with its connection.
        """


class Targets(Protocol):
    """
    Makes the targets of one gateway, by the mechanism that its Gateway names, and owns their connections.
    """

    def of(self, configuration: str) -> Sequence[Target]:
        """
        Everyone whom events of the configuration of that name are dispatched to.

        Raises:
            ConfigurationError: Nothing can be dispatched under that name.
        """

    def to(self, watchers: Iterable[Watcher], *, version: str | None = None) -> Sequence[Target]:
        """
        The same for events of the transformer's port.

        Args:
            watchers: Those that its settings name; what is dispatched to a broker reaches whoever listens there.
            version: What the old envelope names as the events' version; by default the Gateway's.
        """

    async def close(self) -> None:
        """
        Close every connection, when nothing is in flight any more.
        """

    def abort(self) -> None:
        """
        Drop every connection at once, as a crash would.
        """
