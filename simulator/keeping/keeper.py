"""
Keeper: the process that keeps real servers for every run on this machine, and leases each to one scenario at a time.

Talk is one JSON object a line over a Unix socket. It ends, and every server with it, when the last connection closes,
unless somebody asked for the servers to stay (`gatesim env up`). Killed outright, its servers go too: see LocalProcess.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from simulator.keeping.kept_server import KINDS, KeptServer, Unstartable, server_class

Json = dict[str, Any]
_LINE_MAX = 1 << 20
_FIRST_S = 1.0
"""For the first one to connect; the one who started us does at once."""


class Keeper:
    """
    The servers, and who has which.

    Args:
        make: Makes a server of a kind; for tests.
    """

    def __init__(self, make: Callable[[str], type[KeptServer]] = server_class) -> None:
        self._make = make
        self._kept: dict[str, _Kept] = {}
        self._stays = False
        self._connections: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def serve(self, path: Path, ready: Callable[[], None]) -> None:
        """
        Listen at *path*, call *ready*, and return when everything is over.
        """
        server = await asyncio.start_unix_server(self._connected, str(path), limit=_LINE_MAX)
        ready()
        # Whoever started us may have been killed before it connected.
        unused = asyncio.get_running_loop().call_later(_FIRST_S, self._left)  # real time: nobody's scenario
        await self._over.wait()
        unused.cancel()
        os.unlink(path)
        server.close()
        for task in tuple(self._connections):
            task.cancel()
        for kept in self._kept.values():
            await kept.server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        connection = _Connection(self, writer)
        try:
            while line := await reader.readline():
                await connection.obey(json.loads(line))
        except (OSError, ValueError):
            pass  # whoever it was is gone, or talks nonsense
        except asyncio.CancelledError:
            return
        finally:
            await connection.close()
            self._connections.discard(task)
            writer.close()
            self._left()

    def _left(self) -> None:
        """
        End where nobody is connected and nobody asked for servers to stay.
        """
        if not self._connections and not self._stays:
            self._over.set()

    def kept(self, kind: str, options: Mapping[str, Any]) -> _Kept:
        """
        The server of that kind with those options, made where it is the first time that one is asked for.
        """
        key = f"{kind} {json.dumps(options, sort_keys=True)}"
        if key not in self._kept:
            self._kept[key] = _Kept(self._make(kind), options)
        return self._kept[key]

    async def up(self, kinds: list[str]) -> None:
        """
        Start a server of each of *kinds* and have all stay when nobody is connected any more.
        """
        self._stays = True
        async with asyncio.TaskGroup() as group:
            for kind in kinds:
                group.create_task(self.kept(kind, {}).ensure())

    def down(self) -> None:
        """
        End everything as soon as this answer is written.
        """
        self._stays = False
        asyncio.get_running_loop().call_soon(self._over.set)

    async def reset(self) -> None:
        """
        Forget the data of every server that nobody has.
        """
        for kept in self._kept.values():
            if not kept.lock.locked():
                await kept.server.wipe()

    def status(self) -> list[Json]:
        """
        What is there.
        """
        return [
            {
                "kind": kept.server.kind,
                "options": dict(kept.server.options),
                "running": kept.server.running,
                "leased": kept.lock.locked(),
                "access": kept.server.access if kept.server.running else {},
            }
            for kept in self._kept.values()
        ]


class _Kept:
    """
    One server and its lock.
    """

    def __init__(self, server: type[KeptServer], options: Mapping[str, Any]) -> None:
        self.lock = asyncio.Lock()
        self.dirty = False
        """Whoever had it last did not clean up."""
        self.told: Callable[[str], None] = lambda cause: None
        self._starting = asyncio.Lock()
        self.server = server(options, self._died)

    async def ensure(self) -> None:
        """
        Have it run, and as new where nobody cleaned up.
        """
        async with self._starting:
            if self.dirty:
                await self.server.wipe()
                self.dirty = False
            if not self.server.running:
                await self.server.start()

    def _died(self, cause: str) -> None:
        self.told(cause)


class _Connection:
    """
    One client, and what it has leased.
    """

    def __init__(self, keeper: Keeper, writer: asyncio.StreamWriter) -> None:
        self._keeper = keeper
        self._writer = writer
        self._kept: _Kept | None = None

    async def obey(self, order: Json) -> None:
        """
        Do what *order* asks for and answer.
        """
        try:
            answer: Json = {"answer": await self._do(order)}
        except Unstartable as error:
            answer = {"refused": [error.reason, error.how]}
        except ExceptionGroup as group:
            refused = [error for error in group.exceptions if isinstance(error, Unstartable)]
            if len(refused) < len(group.exceptions):
                raise
            answer = {"refused": ["; ".join(each.reason for each in refused), refused[0].how]}
        self._say(answer)
        await self._writer.drain()

    async def close(self) -> None:
        """
        Give back what it has, which it has not cleaned.
        """
        await self._release(clean=False)

    async def _do(self, order: Json) -> Any:
        ask, keeper = order["ask"], self._keeper
        match ask:
            case "lease":
                return await self._lease(str(order["kind"]), order["options"])
            case "release":
                return await self._release(clean=bool(order["clean"]))
            case "up":
                return await keeper.up([kind for kind in order["kinds"] if kind in KINDS])
            case "down":
                return keeper.down()
            case "reset":
                return await keeper.reset()
            case "status":
                return keeper.status()
        if self._kept is None:
            raise Unstartable(f"there is no lease to {ask}")
        return await _command(self._kept.server, ask, order.get("argument"))

    async def _lease(self, kind: str, options: Json) -> Json:
        if self._kept is not None:
            raise Unstartable("one connection has one lease")
        kept = self._keeper.kept(kind, options)
        await kept.lock.acquire()
        self._kept = kept
        try:
            await kept.ensure()
        except BaseException:
            await self._release(clean=False)
            raise
        kept.told = lambda cause: self._say({"died": cause})
        return kept.server.access

    async def _release(self, *, clean: bool) -> None:
        kept, self._kept = self._kept, None
        if kept is None:
            return
        kept.told = lambda cause: None
        kept.dirty = kept.dirty or not clean
        kept.server.resume()
        kept.lock.release()

    def _say(self, message: Json) -> None:
        with suppress(OSError, RuntimeError):
            self._writer.write(json.dumps(message).encode() + b"\n")


async def _command(server: KeptServer, ask: str, argument: Any) -> Any:
    """
    Do with a leased server what its service asks for.
    """
    match ask:
        case "start":
            server.resume()
            if not server.running:
                await server.start()
        case "stop":
            await server.stop()
        case "kill":
            await server.kill()
        case "pause":
            server.pause()
        case "resume":
            server.resume()
        case "log":
            return server.log_tail()
        case _:
            return await server.command(ask, argument)
    return None


def keep(keeper: Callable[[], Keeper]) -> None:
    """
    Be a keeper at the socket that the first argument names, as nobody's child; says `ready` on standard output.
    """
    if os.fork():
        os._exit(0)  # whoever started us waits for no child
    path = Path(sys.argv[1])
    os.chdir(path.parent)

    def ready() -> None:
        with suppress(BrokenPipeError):  # whoever waited was killed
            os.write(1, b"ready\n")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    asyncio.run(keeper().serve(path, ready))


def main() -> None:
    """
    Keep real servers.
    """
    keep(Keeper)
