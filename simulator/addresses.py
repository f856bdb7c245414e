"""
Addresses of one scenario: what the addresses in texts mean, and which loopback ports stand for the ports they name.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable

SocketAddress = tuple[str, int]
LOOPBACK = "127.0.0.1"

_FIRST, _LAST = 10_240, 32_000
"""Below every system's range for outgoing connections, so that none of those takes a port that we keep."""


class UnknownAddress(Exception):
    """
    Nothing in the scenario is at the address that a text names.
    """


class Addresses:
    """
    The addresses of one scenario.
    """

    def __init__(self) -> None:
        self._known: dict[str, Callable[[], SocketAddress]] = {}
        self._ports: dict[tuple[str, int], int] = {}
        self._random = random.Random(os.urandom(8))

    def map(self, peer: str, endpoint: Callable[[], SocketAddress]) -> None:
        """
        Let *peer* (`host:port`) mean *endpoint*, asked at each connect.
        """
        self._known[peer] = endpoint

    def dial(self, host: str, port: int) -> SocketAddress:
        """
        Where to connect for *host*:*port*.

        Raises:
            UnknownAddress: Nothing is mapped there.
        """
        known = self._known.get(f"{host}:{port}")
        if known is not None:
            return known()
        if host.endswith("-gateway-svc") and (f"{host}:*") in self._known:
            return LOOPBACK, self.listen(host.removesuffix("-gateway-svc"), port)[1]
        raise UnknownAddress(f"nothing in this scenario is at {host}:{port}")

    def map_gateway(self, gateway: str) -> None:
        """
        Let `<gateway>-gateway-svc:<any port>` mean that gateway's own listeners.
        """
        self._known[f"{gateway}-gateway-svc:*"] = lambda: (LOOPBACK, 0)

    def listen(self, gateway: str, port: int) -> SocketAddress:
        """
        Where *gateway* binds for the *port* that a text names; the same for the whole scenario.
        """
        key = (gateway, port)
        if key not in self._ports:
            self._ports[key] = self._free_port()
        return LOOPBACK, self._ports[key]

    def _free_port(self) -> int:
        for _ in range(1000):
            port = self._random.randint(_FIRST, _LAST)
            if port not in self._ports.values() and _can_bind(port):
                return port
        raise OSError("no free loopback port was found")


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
