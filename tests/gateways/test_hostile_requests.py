"""
Clients that mean no good, by the thousand: nothing is logged, nothing hangs, nothing grows, and siblings are served.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateways.clock import SystemClock
from gateways.http_connection import Connection
from gateways.http_listener import HttpListener
from gateways.http_reader import SLICE, RequestReader
from gateways.http_request import Request
from gateways.limits import Limits
from tests.gateways.surroundings import LOOPS, Wire, listening, play, post, virtual_clock

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n"
GOOD = [
    GET,
    post(),
    post("/caf%C3%A9?x=1", b"\xff\x00", "Idempotency-Key: 7", "Content-Type: text/plain"),
    CHUNKED,
    b"POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    b"POST /u HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok",
    b"CONNECT a:80 HTTP/1.1\r\n\r\n",
    b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n",
]
PIECES = [
    b"\r\n", b"\n", b"\r", b"\x00", b"\xff\xfe", b" ", b":", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Upgrade: x\r\n", b"Connection: upgrade\r\n",
    b"Expect: 100-continue\r\n", b"HTTP/1.1", b"HTTP/0.9", b"HTTP/2.0", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"%",
    b"-1", b"9" * 30, b"x" * 5000,
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """
    Good requests, one after another, with bytes missing, added and exchanged.
    """
    data = b"".join(draw(st.lists(st.sampled_from(GOOD), min_size=1, max_size=4)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 12))
        data = data[:at] + draw(st.sampled_from([b"", *PIECES])) + data[at + gone :]
    return data


HOSTILE = mutated() | st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Nobody:
    """
    An Answerer that is never asked.
    """

    sender = ("", 0)

    def answer(self, *_: Any) -> None:
        raise AssertionError


def read(pieces: Iterator[bytes]) -> tuple[list[tuple[Any, ...]], int | None, bool]:
    """
    What a reader makes of *pieces*: its requests, the status of its refusal, and whether it waits for more.
    """
    reader = RequestReader(Nobody(), body_bytes_max=1000)
    for piece in pieces:
        start = 0
        while start < len(piece) and reader.refusal is None:
            start = reader.feed(piece, start)
    requests = [(r.method, r.target, r.headers, r.body, r.keep_alive) for r in reader.complete]
    return requests, reader.refusal.status if reader.refusal is not None else None, reader.partial


def in_pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return (data[start:end] for start, end in pairwise(edges))


@settings(max_examples=1500, deadline=None)
@given(HOSTILE, st.lists(st.integers(0, 10_000), max_size=6))
def test_bytes_mean_the_same_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    requests, status, partial = read(iter([data]))
    assert status is None or 400 <= status < 600
    again, status_again, partial_again = read(in_pieces(data, cuts))
    assert (again, status_again) == (requests, status)
    assert status is not None or partial == partial_again


@given(st.lists(st.sampled_from(GOOD[:6]), max_size=8), st.lists(st.integers(0, 10_000), max_size=20))
def test_good_requests_in_any_pieces_are_all_read(good: list[bytes], cuts: list[int]) -> None:
    requests, status, partial = read(in_pieces(b"".join(good), cuts))
    assert (len(requests), status, partial) == (len(good), None, False)


@pytest.mark.parametrize("loop", LOOPS)
@FEW
@given(st.lists(st.tuples(HOSTILE, st.sampled_from(["leave", "end", "reset"])), min_size=1, max_size=4))
def test_no_client_harms_a_sibling(
    loop: str, caplog: pytest.LogCaptureFixture, clients: list[tuple[bytes, str]]
) -> None:
    async def story() -> None:
        later: list[Request] = []

        def handler(request: Request) -> None:
            if request.path == "/foo":
                later.append(request)
                asyncio.get_running_loop().call_soon(request.respond, 200, b"Success")
            else:
                request.respond(200, request.body)

        async with listening(handler) as (listener, port), Wire.to(port) as healthy:
            for data, then in clients:
                async with Wire.to(port) as wire:
                    wire.send(data)
                    if then == "end":
                        wire.send_end()
                        assert (await wire.rest())[:5] in (b"HTTP/", b"")
                    elif then == "reset":
                        wire.writer.transport.abort()
                    healthy.send(post())
                    assert await healthy.status() == 200
            healthy.send(post())
            assert await healthy.status() == 200
            listener.abort()
            await listener.close()
            assert listener.connections == 0

    play(story, loop)
    assert not caplog.records


@FEW
@given(
    st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([GET[:20], CHUNKED[:60], post()[:-1]]), max_size=4)
)
def test_whoever_begins_and_does_not_end_is_gone_in_time(begun: list[bytes]) -> None:
    async def story() -> None:
        clock = virtual_clock()

        def handler(request: Request) -> None:
            request.respond(200)

        async with listening(handler, clock=clock) as (listener, port):
            wires = [Wire(*await asyncio.open_connection("127.0.0.1", port)) for _ in begun]
            for wire, data in zip(wires, begun, strict=True):
                wire.send(data)
            async with Wire.to(port) as healthy:
                healthy.send(GET)
                assert await healthy.status() == 200
            await clock.advance(300)
            while listener.connections:
                await asyncio.sleep(0)
            for wire in wires:
                await wire.rest()
                wire.writer.close()

    play(story)


# Floods.


class Pipe:
    """
    A transport that counts what is written, and lets a test see whether the connection reads.
    """

    def __init__(self) -> None:
        self.written = 0
        self.reading = True
        self.open = True

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 4711) if name == "peername" else None

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write_eof(self) -> None: ...

    def close(self) -> None:
        self.open = False

    abort = close


ENDLESS = {
    "a request line": (b"GET /", b"a" * 65536),
    "a header": (b"GET / HTTP/1.1\r\nX: ", b"a" * 65536),
    "headers": (b"GET / HTTP/1.1\r\n", b"X: a\r\n" * 10_000),
    "line ends": (b"", b"\r\n" * 32_768),
    "a chunk extension": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 65536),
    "trailers": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n" * 10_000),
    "a body": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"a" * 0x4000 + b"\r\n"),
    "tiny chunks": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 10_000),
    "a refused body": (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"a" * 65536),
    "requests": (b"", GET * 2_000),
    "requests behind one": (GET, GET * 2_000),
    "tiny requests": (b"", b"GET / HTTP/1.1\r\n\r\n" * 3_000),
    "requests to upgrade": (b"", b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" * 100),
    "bad requests": (b"", b"nonsense\r\n\r\n" * 5_000),
}


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("flood", ENDLESS)
def test_a_flood_keeps_no_more_than_a_body_and_a_read(flood: str, answered: bool) -> None:
    head, more = ENDLESS[flood]

    def handler(request: Request) -> None:
        if answered:
            request.respond(200)

    async def story() -> None:
        listener = HttpListener(handler, clock=SystemClock(), limits=Limits(body_bytes=256 * 1024))
        connection, pipe = Connection(listener), Pipe()
        connection.connection_made(pipe)  # type: ignore[arg-type]  # all that it uses of a transport
        gc.collect()
        tracemalloc.start()
        connection.data_received(head or more)
        for _ in range(80):
            if not (pipe.reading and pipe.open):
                break
            connection.data_received(more)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1_500_000
        connection.connection_lost(None)
        assert listener.connections == 0

    play(story)


def test_a_thousand_clients_that_begin_a_request_cost_little() -> None:
    async def story() -> None:
        listener = HttpListener(lambda request: None, clock=SystemClock(), limits=Limits())
        gc.collect()
        tracemalloc.start()
        connections = [Connection(listener) for _ in range(1000)]
        for connection in connections:
            connection.connection_made(Pipe())  # type: ignore[arg-type]  # all that it uses of a transport
            connection.data_received(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\nX: " + b"a" * 1000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10_000_000
        for connection in connections:
            connection.connection_lost(None)

    play(story)


def test_a_flood_of_tiny_requests_is_parsed_in_slices() -> None:
    reader = RequestReader(Nobody(), body_bytes_max=10)
    tiny = b"GET / HTTP/1.1\r\n\r\n"
    assert reader.feed(tiny * 10_000, 0) == SLICE
    assert len(reader.complete) == SLICE // len(tiny)
