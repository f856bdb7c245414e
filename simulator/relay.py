"""
Relay: a TCP relay in front of a service that is restarted or faulted; its port stays for the whole scenario.

While a fault keeps a peer waiting on scenario time, everybody's work on that peer is stalled, so that limits can fire.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from simulator.relayed_connection import RelayedConnection, RelayFault, RelayTime, Side, SocketAddress

__all__ = ["Relay", "RelayFault", "RelayTime"]


class Relay:
    """
    One service's address.

    Args:
        peers: The addresses in texts that lead here, `host:port`.
        time: For delays and stalls.
    """

    def __init__(self, peers: Sequence[str], time: RelayTime) -> None:
        self.peers = tuple(peers)
        self.time = time
        self.fault = RelayFault()
        self._target: SocketAddress | None = None
        self._refusing = False
        self._reserved: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[RelayedConnection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """
        Reserve the port. Connections are refused until there is a target.
        """
        self._reserved = bound(0)
        self.port = self._reserved.getsockname()[1]

    async def stop(self) -> None:
        """
        Drop everything.
        """
        self.reset()
        await self._set_listening(False)
        await asyncio.gather(*self._connecting)
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    async def lead_to(self, target: SocketAddress | None) -> None:
        """
        Hand new connections to *target*; None refuses them, as a stopped service does.
        """
        self._target = target
        await self._set_listening(target is not None and not self._refusing)

    async def refuse(self, refusing: bool) -> None:
        """
        Refuse new connections, or take them again.
        """
        self._refusing = refusing
        await self._set_listening(self._target is not None and not refusing)

    def client_of(self, address: SocketAddress) -> SocketAddress | None:
        """
        Where the client is whose connection reaches the service from *address*; None where none does.
        """
        return next((each.client for each in self._connections if each.address == address), None)

    def set_fault(self, fault: RelayFault) -> None:
        """
        Treat all traffic so from now on, on live connections too.
        """
        self.fault = fault
        for connection in tuple(self._connections):
            connection.fault_changed()

    async def take_fault(self, kind: str, value: Any) -> bool:
        """
        Break the line in the way that *kind* names, as a scenario has it.

        Returns:
            Whether it is a fault of lines.
        """
        match kind:
            case "disconnect":
                self.disconnect()
            case "reset":
                self.reset()
            case "refuse":
                await self.refuse(True)
            case "blackhole":
                self.set_fault(replace(self.fault, blackhole=True))
            case "pause":
                self.set_fault(replace(self.fault, pause=True))
            case "latency":
                self.set_fault(replace(self.fault, latency_s=float(value)))
            case "rate":
                self.set_fault(replace(self.fault, rate_bytes_s=float(value)))
            case _:
                return False
        return True

    async def heal(self) -> None:
        """
        Undo every fault of the line.
        """
        self.set_fault(RelayFault())
        await self.refuse(False)

    def disconnect(self) -> None:
        """
        Close every live connection in an orderly way (FIN).
        """
        for connection in tuple(self._connections):
            connection.close()

    def reset(self) -> None:
        """
        Reset every live connection (RST).
        """
        for connection in tuple(self._connections):
            connection.reset()

    def stall(self) -> Callable[[], None]:
        """
        Everybody's work on this address waits for scenario time until the returned function is called.
        """
        releases = [self.time.stall_peer(peer) for peer in self.peers]

        def release_all() -> None:
            for release in releases:
                release()

        return release_all

    async def _set_listening(self, listening: bool) -> None:
        if listening and self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Side(self._accept), sock=bound(self.port))
        elif not listening and self._server is not None:
            self._server.close()
            self._server = None

    def _accept(self, client: Side) -> None:
        if self._target is None:
            client.reset()
            return
        connection = RelayedConnection(self, client, self._target, self._connections.discard)
        self._connections.add(connection)
        connecting = asyncio.get_running_loop().create_task(connection.connect(), name=f"relay to {self.peers}")
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)


def free_ports(count: int) -> list[int]:
    """
    Loopback ports that are free now, for servers that cannot be told to take any.
    """
    with ExitStack() as held:
        return [held.enter_context(bound(0)).getsockname()[1] for _ in range(count)]


def bound(port: int) -> socket.socket:
    """
    A loopback socket, on any free port for 0, that shares its port with its like: one that never listens reserves the
    port, so that a refused connection is refused by the kernel and nobody else gets the port meanwhile.
    """
    # asyncio sends small pieces at once only where it knows that the protocol is TCP.
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    made.setblocking(False)
    return made
