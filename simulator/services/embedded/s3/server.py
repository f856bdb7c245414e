"""
S3Server: the listener; carries requests to the protocol core, and notifications to those who listen.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from simulator.http_server import HttpServer, Request, Stream
from simulator.services.embedded.s3.core import Hook, S3Core
from simulator.services.embedded.s3.notifications import Happening, Listening, line_of, record_of
from simulator.services.embedded.s3.request import Answer, request_of
from simulator.services.embedded.s3.store import Store

KEEP_ALIVE_S = 0.5
"""Real time between two signs of life on a notification stream, as MinIO has it."""
_UNREAD_BYTES_MAX = 16 * 1024 * 1024
"""Of one stream; a listener that does not read misses what comes then, as with MinIO."""
_SERVER = (("Server", "gatesim S3"),)


class S3Server:
    """
    One server on a loopback port. What it stores outlives a stop.

    Args:
        now: The time that objects and notifications bear.
        users: Access keys to secret keys; without any, everybody is let in.
        listening: Whether it knows ListenBucketNotification.
        hook: See core.Hook.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        users: Mapping[str, str],
        *,
        listening: bool = True,
        hook: Hook = lambda operation: None,
    ) -> None:
        self.store = Store(now, self._tell)
        self._core = S3Core(self.store, users, clock=lambda: datetime.now(UTC), listening=listening, hook=hook)
        self._http = HttpServer(self._take)
        self._streams: dict[Stream, Listening] = {}
        self._keep_alive: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """
        Where it listens; 0 before the first start.
        """
        return self._http.port

    @property
    def listeners(self) -> tuple[Listening, ...]:
        """
        What is listened for, once for each listener.
        """
        return tuple(self._streams.values())

    async def start(self, *, encryption: ssl.SSLContext | None = None) -> None:
        """
        Listen, on the same port as before.
        """
        await self._http.start(port=self._http.port, encryption=encryption)

    async def stop(self) -> None:
        """
        Drop every connection and listen no more.
        """
        self._stop_keeping_alive()
        self._streams.clear()
        await self._http.stop()

    def end_streams(self) -> None:
        """
        End every notification stream in an orderly way.
        """
        for stream in tuple(self._streams):
            stream.end()
        self._streams.clear()
        self._stop_keeping_alive()

    @property
    def on_its_way(self) -> int:
        """
        Bytes for listeners that have not come to their machines yet.
        """
        return sum(stream.unsent_bytes + stream.unconfirmed_bytes for stream in self._streams)

    def tell_of(self, record: Mapping[str, Any], bucket: str, key: str, event: str) -> int:
        """
        Send *record* to those who listen for *event* of that object; returns how many they are.
        """
        wanting = [stream for stream, listening in self._streams.items() if listening.covers(event, bucket, key)]
        if wanting:
            line = line_of([dict(record)])
            for stream in wanting:
                _send(stream, line)
        return len(wanting)

    def _tell(self, happening: Happening) -> None:
        if any(wanted.covers(happening.event, happening.bucket, happening.key) for wanted in self._streams.values()):
            self.tell_of(record_of(happening), happening.bucket, happening.key, happening.event)

    def _take(self, request: Request) -> None:
        asked = request_of(request.method, request.target, request.headers(), request.body, request.sender[0])
        answer = self._core.answer(asked)
        if isinstance(answer, Answer):
            request.respond(answer.status, answer.body, (*_SERVER, *answer.headers))
        else:
            self._listen(request, answer)
        if request.method == "HEAD" and asked.bucket and not asked.key:
            self._say_alive()  # whoever asks for it may wait for what was sent before to arrive

    def _listen(self, request: Request, listening: Listening) -> None:
        stream = request.stream(200, (*_SERVER, ("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")))
        self._streams[stream] = listening
        stream.on_gone = lambda: self._gone(stream)
        stream.write(b" ")
        if self._keep_alive is None:
            self._keep_alive = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._keep_alive_again)

    def _gone(self, stream: Stream) -> None:
        self._streams.pop(stream, None)
        if not self._streams:
            self._stop_keeping_alive()

    def _keep_alive_again(self) -> None:
        self._say_alive()
        self._keep_alive = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._keep_alive_again)

    def _say_alive(self) -> None:
        for stream in self._streams:
            _send(stream, b" ")

    def _stop_keeping_alive(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.cancel()
            self._keep_alive = None


def _send(stream: Stream, data: bytes) -> None:
    if stream.unsent_bytes <= _UNREAD_BYTES_MAX:
        stream.write(data)
