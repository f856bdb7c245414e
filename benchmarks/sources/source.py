"""
Source: what events come from in a benchmark: a server beside the load, configurations that listen to it, publishing.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar


class Source(ABC):
    """
    One source.

    Args:
        in_flight: So many events are dispatched side by side. Where a configuration keeps its order, that many
            configurations listen.
    """

    type: ClassVar[str]
    """Of the gateway, and the name of its relay."""

    def __init__(self, in_flight: int) -> None:
        self.in_flight = in_flight

    async def start(self) -> None:  # noqa: B027 - not every source has a server
        """
        Start the server.
        """

    async def stop(self) -> None:  # noqa: B027 - the same
        """
        Stop it.
        """

    @abstractmethod
    def texts(self) -> dict[str, str]:
        """
        The gateway's configurations.
        """

    def extension(self) -> str:
        """
        What the Gateway's `spec.gatesim` says.
        """
        return "{}"

    def manifests(self) -> str:
        """
        Further manifests of the gateway; empty for none.
        """
        return ""

    def gateway_arguments(self, folder: Path) -> list[str]:
        """
        Further arguments of the gateway; files go into *folder*.
        """
        return []

    @abstractmethod
    def relay_arguments(self) -> list[str]:
        """
        What the bare relay has to know, beside the watcher and how many events it may have in flight.
        """

    @abstractmethod
    async def publish(self, count: int) -> None:
        """
        Make so many events, as fast as they are taken.
        """


def free_port() -> int:
    """
    A port that was free a moment ago.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
