"""
NotificationLine: what stands before a MinIO that holds its notifications back, and hands them on at once.

A MinIO since upstream #21651 keeps all that it has for a listener until 4 KiB are full, even its first word. So an
object is touched here under each listener's prefix until the store's own notification of it comes, which proves that
the store listens; the listener never hears of it. Everything else goes through as it is.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Protocol

from simulator.services.embedded.s3.notifications import Listening
from simulator.services.local.s3_client import Refused
from simulator.services.local.s3_stream import END, Lines, Ours, fence_line, key_of, listening_in, ours_in, told
from simulator.services.service import SocketAddress

_LOOPBACK = "127.0.0.1"
_PIECE = 65_536
_REFUSAL_S, _AGAIN_S = 0.02, 0.1
"""For which a refusal is awaited before anything is touched; and after which something is touched again."""
_LIMIT_S = 5.0
"""In which a notification has to come."""
_OF_A_TOUCH = ("s3:ObjectCreated:Put", "s3:ObjectAccessed:Get", "s3:ObjectRemoved:Delete")
"""What happens to an object that is not put in parts."""
HELD_BACK = "this MinIO holds back its notifications (upstream #21651)"


class Touch(Protocol):
    """
    What puts, reads and removes an object, in parts or not.
    """

    async def __call__(self, bucket: str, key: str, *, in_parts: bool) -> None:
        """See MinioClient.touch."""


class NotificationLine:
    """
    The way to one server.

    Args:
        store: Where the server is.
        touch: Has an object put, read and removed.
    """

    def __init__(self, store: SocketAddress, touch: Touch) -> None:
        self.store = store
        self.trouble = ""
        """Why somebody heard nothing; empty where all did."""
        self._touch = touch
        self._numbers = itertools.count()
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self._touching = 0
        self._untouched = asyncio.Event()
        self._untouched.set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> SocketAddress:
        """
        Where it listens, once started.
        """
        assert self._server is not None, "the line has not been started"
        port: int = self._server.sockets[0].getsockname()[1]
        return _LOOPBACK, port

    async def start(self) -> None:
        """
        Take connections.
        """
        self._server = await asyncio.start_server(self._accept, _LOOPBACK, 0, limit=_PIECE)

    async def stop(self) -> None:
        """
        End it, and all connections.
        """
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """
        Drop every connection, and wait until they are gone.
        """
        tasks = tuple(self._connections.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def end_streams(self) -> None:
        """
        End every notification stream in an orderly way.
        """
        for connection in self._listeners():
            connection.end()

    def count(self, listening: Listening) -> int:
        """
        How many listen so.
        """
        return sum(each.listening == listening for each in self._listeners())

    async def settle(self) -> None:
        """
        Return once all who listen have been sent all notifications of what happened so far.
        """
        await asyncio.gather(*(self.prove(each) for each in self._listeners()))

    async def fence(self, listening: Listening, mark: str) -> bool:
        """
        Have those who listen so told of a fence; returns whether any was.
        """
        told_of = [each for each in self._listeners() if each.listening == listening]
        if not told_of:
            return False
        await self.happen(listening, Ours("fence", mark))
        await self.settle()
        return any(mark in each.fenced for each in told_of)

    async def prove(self, connection: _Connection) -> None:
        """
        Touch objects until *connection* has been notified of one; gives up where it is over, or nothing comes.
        """
        assert connection.listening is not None, "only who listens is notified"
        with suppress(TimeoutError):
            async with asyncio.timeout(_LIMIT_S):
                while not connection.over.is_set():
                    canary = str(next(self._numbers))
                    seen = connection.expect(canary)
                    await self.happen(connection.listening, Ours("canary", canary))
                    await _first_of(seen.wait(), connection.over.wait(), limit_s=_AGAIN_S)
                    if seen.is_set():
                        return
                return
        self.trouble = f"{HELD_BACK}, and nothing came in {_LIMIT_S:g} s for {connection.listening}"
        connection.abort()

    async def happen(self, listening: Listening, ours: Ours) -> None:
        """
        Touch an object that *listening* covers; nobody is let list objects meanwhile.
        """
        key = key_of(listening, ours)
        once = any(listening.covers(event, listening.bucket, key) for event in _OF_A_TOUCH)
        self._touching += 1
        self._untouched.clear()
        try:
            with suppress(Refused):  # then the listener is refused as well, and says why
                await self._touch(listening.bucket, key, in_parts=not once)
        finally:
            self._touching -= 1
            if not self._touching:
                self._untouched.set()

    async def untouched(self) -> None:
        """
        Wait until nothing is in the store that nobody asked for.
        """
        await self._untouched.wait()

    def _listeners(self) -> list[_Connection]:
        return [each for each in self._connections if each.announced]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = _Connection(self, reader, writer)
        self._connections[connection] = task
        try:
            await connection.serve()
        except (OSError, asyncio.CancelledError):
            pass  # either side dropped it, or `cut` did; both sides are told below
        finally:
            del self._connections[connection]
            connection.abort()


class _Connection:
    """
    One client's.
    """

    def __init__(self, line: NotificationLine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.listening: Listening | None = None
        self.announced = False
        """It has been told that it listens."""
        self.fenced: set[str] = set()
        self.over = asyncio.Event()
        """It listens no more, or was refused."""
        self._line = line
        self._reader = reader
        self._writer = writer
        self._store: asyncio.StreamWriter | None = None
        self._proving: asyncio.Task[None] | None = None
        self._expected: dict[str, asyncio.Event] = {}

    async def serve(self) -> None:
        """
        Hand on in both directions until either side ends.
        """
        answers, self._store = await asyncio.open_connection(*self._line.store, limit=_PIECE)
        try:
            await _first_of(self._to_store(self._store), self._from_store(answers))
        finally:
            self.over.set()
            if self._proving is not None:
                self._proving.cancel()
                await asyncio.wait([self._proving])

    def expect(self, canary: str) -> asyncio.Event:
        """
        Set once this connection has been notified of that canary.
        """
        return self._expected.setdefault(canary, asyncio.Event())

    def end(self) -> None:
        """
        End the stream of notifications.
        """
        self._writer.write(END)
        self.abort()

    def abort(self) -> None:
        """
        Drop it; what is written already still goes out.
        """
        self.over.set()
        self.announced = False
        self._writer.close()
        if self._store is not None:
            self._store.transport.abort()

    async def _to_store(self, store: asyncio.StreamWriter) -> None:
        while data := await self._reader.read(_PIECE):
            if data.startswith(b"GET "):
                while b"\r\n" not in data and (more := await self._reader.read(_PIECE)):
                    data += more
                self.listening = listening_in(data)
                if self.listening is None:
                    await self._line.untouched()
            store.write(data)
            await store.drain()
            if self.listening is not None and self._proving is None:
                self.over.clear()
                self._proving = asyncio.create_task(self._prove(), name=f"proves that {self.listening} is told")

    async def _prove(self) -> None:
        await _first_of(self.over.wait(), limit_s=_REFUSAL_S)
        await self._line.prove(self)

    async def _from_store(self, answers: asyncio.StreamReader) -> None:
        while data := await answers.read(_PIECE):
            if self.listening is not None:
                data = await self._notify(answers, data)
            await self._write(data)

    async def _notify(self, answers: asyncio.StreamReader, data: bytes) -> bytes:
        """
        Hand on the answer to a request to listen for as long as it lasts; returns what is left to be handed on.
        """
        while b"\r\n\r\n" not in data and (more := await answers.read(_PIECE)):
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            self.over.set()
            self.listening = self._proving = None
            return head + b"\r\n\r\n" + data
        lines, ready = Lines(), head + b"\r\n\r\n"
        while data and not lines.over:
            ready += b"".join(self._line_of(line) for line in lines.feed(data))
            if self.announced:
                await self._write(ready)
                ready = b""
            data = await answers.read(_PIECE)
        return END if lines.over else b""

    async def _write(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise ConnectionResetError("it was dropped meanwhile")
        self._writer.write(data)
        await self._writer.drain()

    def _line_of(self, line: bytes) -> bytes:
        """
        What *line* becomes: nothing where it tells of what we put for our own sake.
        """
        ours = ours_in(line)
        if ours is None:
            return told(line)
        self.announced = True
        if ours.kind == "canary":
            self.expect(ours.text).set()
        elif ours.text not in self.fenced:
            self.fenced.add(ours.text)
            return fence_line(ours.text)
        return b""


async def _first_of(*waiting: Coroutine[Any, Any, Any], limit_s: float | None = None) -> None:
    """
    Wait until one of them is over, or for *limit_s* of real time; end the others, and raise what went wrong.
    """
    tasks = [asyncio.ensure_future(each) for each in waiting]
    try:
        done, _ = await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()
