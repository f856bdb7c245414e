"""
A server in a thread of its own, so that blocking clients can talk to it; and raw sockets that say what they like.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pika
from pamqp import commands, frame
from pika.adapters.blocking_connection import BlockingChannel

from simulator.services.embedded.amqp import AmqpServer

HELLO = b"AMQP\0\0\x09\x01"


class Running:
    """
    One server in its thread.
    """

    def __init__(self, server: AmqpServer, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self.server, self.port = server, port
        self._loop = loop

    def do(self, action: Callable[[], Any]) -> Any:
        """
        Do something where the server lives.
        """

        async def doing() -> Any:
            return action()

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result(5)

    @contextmanager
    def connection(self, **options: Any) -> Iterator[pika.BlockingConnection]:
        parameters = pika.ConnectionParameters("127.0.0.1", self.port, **options)
        connection = pika.BlockingConnection(parameters)
        try:
            yield connection
        finally:
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        with self.connection() as connection:
            yield connection.channel()


@contextmanager
def running(**options: Any) -> Iterator[Running]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def later(seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        return loop.call_later(seconds, callback).cancel

    settings: dict[str, Any] = {"users": {"guest": "guest"}, "vhosts": ["/", "other"], "later": later, **options}
    server = AmqpServer("1.0", **settings)
    port = asyncio.run_coroutine_threadsafe(server.start(), loop).result(5)
    here = Running(server, loop, port)
    try:
        yield here
    finally:
        here.do(server.stop)
        # Sockets that were closed are gone after one more turn.
        here.do(lambda: None)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Wire:
    """
    A socket on which a test says frames, right or wrong.
    """

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._got = b""

    def say(self, method: Any, channel: int = 0) -> None:
        self.socket.sendall(frame.marshal(method, channel))

    def hear(self) -> tuple[int, Any]:
        """
        The next frame: its channel, and what it is.
        """
        while len(self._got) < 7 or len(self._got) < int.from_bytes(self._got[3:7], "big") + 8:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self._got += data
        used, channel, content = frame.unmarshal(self._got)
        self._got = self._got[used:]
        return channel, content

    def greet(self, heartbeat: int = 0) -> None:
        """
        All that comes before the first channel.
        """
        self.socket.sendall(HELLO)
        assert isinstance(self.hear()[1], commands.Connection.Start)
        self.say(commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US"))
        assert isinstance(self.hear()[1], commands.Connection.Tune)
        self.say(commands.Connection.TuneOk(0, 0, heartbeat))
        self.say(commands.Connection.Open("/"))
        assert isinstance(self.hear()[1], commands.Connection.OpenOk)

    def is_closed(self) -> bool:
        with contextlib.suppress(ConnectionResetError):
            while self.socket.recv(65536):
                pass
        return True


@contextmanager
def wire(here: Running) -> Iterator[Wire]:
    line = Wire(here.port)
    try:
        yield line
    finally:
        line.socket.close()
