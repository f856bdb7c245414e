"""
The child's side of ChildService: one service of ours as all that a process does, until its owner ends it.

Its clock shows the scenario's time as of the latest step; what it does later by itself (times to live, sessions) is
done in real time.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from simulator.errors import SimulatorError
from simulator.services.child_line import Answered, Asked, receive, send
from simulator.services.registry import service_class
from simulator.services.service import Service, SocketAddress


class ToldTime:
    """
    The scenario's time, as far as it is told.
    """

    def __init__(self) -> None:
        self.told = datetime.now(UTC)

    def now(self) -> datetime:
        """See ServiceTime."""
        return self.told

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """See ServiceTime."""
        return asyncio.get_running_loop().call_later(seconds, callback).cancel

    def stall_peer(self, peer: str) -> Callable[[], None]:
        """See ServiceTime. Lines are stalled where the relay is, which is not here."""
        return lambda: None


class Child:
    """
    The service, and what is asked of it.
    """

    def __init__(self) -> None:
        self._time = ToldTime()
        self._service: Service | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Answer the owner until it hangs up.
        """
        try:
            while True:
                asked: Asked = await receive(reader)
                self._time.told = asked.now
                try:
                    answer = Answered(await self._do(asked.method, asked.arguments))
                except SimulatorError as error:
                    answer = Answered(None, str(error))
                await send(writer, answer)
        except (EOFError, OSError):
            writer.close()

    async def stop(self) -> None:
        """
        End the service in an orderly way.
        """
        if self._service is not None:
            await self._service.stop()

    async def _do(self, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "make":
            return self._make(*arguments)
        assert self._service is not None, "the first thing asked is to make it"
        if method == "start":
            return await self._start(self._service, *arguments)
        if method == "durable":
            return self._service.durable()
        return await getattr(self._service, method)(*arguments)

    def _make(self, type_name: str, name: str, setup: dict[str, Any], peers: Sequence[str], durable: Any) -> None:
        kind = service_class(type_name)
        self._service = kind(name, setup, peers=peers, relayed=False, time=self._time, died=sys.exit)
        if durable is not None:
            self._service.restore(durable)

    async def _start(self, service: Service, known_as: Sequence[SocketAddress]) -> Sequence[SocketAddress]:
        """
        Returns: where it listens.
        """
        service.known_as = tuple(known_as)
        await service.start()
        return tuple(service.advertised) or (service.endpoint,)


async def _live(path: str) -> None:
    child, asked_to_end = Child(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_end.set)
    async with await asyncio.start_unix_server(child.serve, path):
        print("ready", flush=True)
        await asked_to_end.wait()
        await child.stop()


def main(path: str) -> None:
    """
    Be one child, that listens for its owner at *path*.
    """
    asyncio.run(_live(path))
