"""
The listener over real sockets, on both event loops: what it answers, in which order, and how it ends connections.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from gateways.http_listener import HttpListener, listen_failure
from gateways.http_request import Request
from gateways.limits import Limits
from tests.gateways.surroundings import LOOPS, Wire, ask, listening, play, post, virtual_clock

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

Play = Callable[..., None]


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def echo(request: Request) -> None:
    request.respond(200, f"{request.method} {request.path} ".encode() + request.body)


def test_a_request_is_handed_over_and_answered(loop: str) -> None:
    async def story() -> None:
        seen: list[Request] = []

        def handler(request: Request) -> None:
            seen.append(request)
            request.respond(200, b"Success")

        async with listening(handler) as (_, port), Wire.to(port) as wire:
            wire.send(post("/foo?a=1", b"hello", "X-One: 1", "x-one: 2"))
            status, headers, body = await wire.answer()
            assert (status, body) == (200, b"Success")
            assert headers == {"content-type": "text/plain; charset=utf-8", "content-length": "7"}
            [request] = seen
            assert (request.method, request.target, request.path) == ("POST", b"/foo?a=1", "/foo")
            assert (request.body, request.header(b"x-one")) == (b"hello", "1, 2")
            assert request.sender == wire.writer.get_extra_info("sockname")

    play(story, loop)


def test_a_connection_is_kept_for_the_next_request(loop: str) -> None:
    async def story() -> None:
        async with listening(echo) as (listener, port), Wire.to(port) as wire:
            for number in range(3):
                wire.send(post(f"/{number}"))
                assert (await wire.answer())[2] == f"POST /{number} hello".encode()
            assert listener.connections == 1

    play(story, loop)


def test_pipelined_requests_are_answered_in_their_order_one_at_a_time(loop: str) -> None:
    async def story() -> None:
        waiting: list[Request] = []
        async with listening(waiting.append) as (_, port), Wire.to(port) as wire:
            wire.send(*(post(f"/{number}", b"x" * 200) for number in range(2000)))
            for number in range(2000):
                while not waiting:
                    await asyncio.sleep(0)
                [request] = waiting
                waiting.clear()
                request.respond(200, request.path.encode())
                assert (await wire.answer())[2] == f"/{number}".encode()

    play(story, loop)


def test_siblings_are_served_between_the_requests_of_a_flood(loop: str) -> None:
    async def story() -> None:
        flooded = 0

        def handler(request: Request) -> None:
            nonlocal flooded
            flooded += request.path == "/flood"
            request.respond(200, str(flooded).encode())

        async with listening(handler) as (_, port), Wire.to(port) as flood, Wire.to(port) as sibling:
            flood.send(b"GET /flood HTTP/1.1\r\n\r\n" * 20_000)
            while not flooded:
                await asyncio.sleep(0)
            sibling.send(GET)
            assert int((await sibling.answer())[2]) < 10_000
            for number in range(20_000):
                assert (await flood.answer())[2] == str(number + 1).encode()

    play(story, loop)


def test_a_client_that_does_not_read_its_answers_is_not_read_either(loop: str) -> None:
    async def story() -> None:
        served = 0

        def handler(request: Request) -> None:
            nonlocal served
            served += 1
            request.respond(200, b"x" * 100_000)

        async with listening(handler) as (_, port), Wire.to(port) as wire:
            wire.send(GET * 5_000)
            for _ in range(50):  # as many turns as siblings need
                await ask(port, GET)
            assert served < 1_000
            for _ in range(5_000):
                assert len((await wire.answer())[2]) == 100_000
            assert served == 5_050

    play(story, loop)


@pytest.mark.parametrize(
    ("request_bytes", "connection", "stays"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", None, True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "close", False),
        (b"GET / HTTP/1.0\r\n\r\n", "close", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", True),
    ],
)
def test_the_connection_stays_where_the_client_asks_for_it(
    request_bytes: bytes, connection: str | None, stays: bool
) -> None:
    async def story() -> None:
        async with listening(echo) as (_, port), Wire.to(port) as wire:
            wire.send(request_bytes)
            assert (await wire.answer())[1].get("connection") == connection
            if stays:
                wire.send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
                assert await wire.status() == 200
            assert await wire.rest() == b""

    play(story)


def test_head_is_answered_without_its_body(loop: str) -> None:
    async def story() -> None:
        async with listening(echo) as (_, port), Wire.to(port) as wire:
            wire.send(b"HEAD /foo HTTP/1.1\r\n\r\n", GET)
            status, headers, _ = await wire.answer(method="HEAD")
            assert (status, headers["content-length"]) == (200, "10")
            assert (await wire.answer())[2] == b"GET / "

    play(story, loop)


def test_a_client_that_expects_to_be_told_to_continue_is_told(loop: str) -> None:
    async def story() -> None:
        async with listening(echo, limits=Limits(body_bytes=10)) as (_, port), Wire.to(port) as wire:
            wire.send(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            assert await wire.status() == 100
            wire.send(b"hello")
            assert (await wire.answer())[2] == b"POST / hello"
            wire.send(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
            assert await wire.status() == 413

    play(story, loop)


def test_continue_is_said_only_after_the_answer_that_is_due_before() -> None:
    async def story() -> None:
        waiting: list[Request] = []
        async with listening(waiting.append) as (_, port), Wire.to(port) as wire:
            wire.send(GET, b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            while not waiting:
                await asyncio.sleep(0)
            waiting.pop().respond(200, b"first")
            assert (await wire.answer())[2] == b"first"
            assert await wire.status() == 100

    play(story)


def test_a_client_that_has_said_all_still_gets_its_answers(loop: str) -> None:
    async def story() -> None:
        waiting: list[Request] = []
        async with listening(waiting.append) as (_, port), Wire.to(port) as wire:
            wire.send(post("/1"), post("/2"))
            wire.send_end()
            for last in (False, True):
                while not waiting:
                    await asyncio.sleep(0)
                waiting.pop().respond(200)
                assert ((await wire.answer())[1].get("connection") == "close") is last
            assert await wire.rest() == b""

    play(story, loop)


def test_a_client_that_ends_within_a_request_is_told_so(loop: str) -> None:
    async def story() -> None:
        async with listening(echo) as (listener, port):
            async with Wire.to(port) as wire:
                wire.send(GET, post(body=b"hello")[:-1])
                wire.send_end()
                assert [await wire.status(), await wire.status()] == [200, 400]
                assert await wire.rest() == b""
            async with Wire.to(port) as wire:
                wire.send_end()
                assert await wire.rest() == b""
            assert listener.connections == 0

    play(story, loop)


def test_a_client_that_leaves_is_told_to_whoever_answers(loop: str) -> None:
    async def story() -> None:
        gone, waiting = asyncio.Event(), asyncio.Event()

        def handler(request: Request) -> None:
            request.on_gone = lambda: (gone.set(), request.respond(200))  # type: ignore[assignment]  # an answer too late
            waiting.set()

        async with listening(handler) as (listener, port), Wire.to(port) as wire:
            wire.send(post())
            await waiting.wait()
            wire.writer.transport.abort()
            listener.abort()  # a close alone looks like a client that has said all
            await gone.wait()

    play(story, loop)


def test_only_the_first_answer_counts() -> None:
    async def story() -> None:
        def handler(request: Request) -> None:
            request.respond(200, b"first")
            request.respond(500, b"second")

        async with listening(handler) as (_, port), Wire.to(port) as wire:
            wire.send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert (await wire.answer())[2] == b"first"
            assert await wire.rest() == b""

    play(story)


def test_a_handler_that_fails_is_500_and_harms_no_sibling(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        def handler(request: Request) -> None:
            if request.path == "/bad":
                raise ValueError("a mistake")
            request.respond(200)

        async with listening(handler) as (_, port), Wire.to(port) as sibling, Wire.to(port) as wire:
            wire.send(post("/bad"), GET)
            status, headers, _ = await wire.answer()
            assert (status, headers["connection"]) == (500, "close")
            assert await wire.rest() == b""
            sibling.send(GET)
            assert await sibling.status() == 200

    play(story, loop)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "/bad" in caplog.text


# Time.


@pytest.mark.parametrize(("begun", "answer"), [(b"", b""), (b"GET / HTTP/1.1\r\nHo", b"HTTP/1.1 408")])
def test_a_head_must_be_complete_in_time(begun: bytes, answer: bytes, loop: str) -> None:
    async def story() -> None:
        clock = virtual_clock()
        async with listening(echo, clock=clock) as (listener, port), Wire.to(port) as wire:
            wire.send(begun)
            await until(lambda: listener.connections)
            if begun:
                await ask(port, GET)  # the listener has read what came before
            await clock.advance(9)
            assert listener.connections == 1
            await clock.advance(1)
            assert (await wire.rest()).startswith(answer)

    play(story, loop)


def test_a_byte_now_and_then_does_not_prolong_it() -> None:
    async def story() -> None:
        clock = virtual_clock()
        async with listening(echo, clock=clock) as (_, port), Wire.to(port) as wire:
            for byte in b"GET / HTTP":
                wire.send(bytes([byte]))
                await ask(port, GET)
                await clock.advance(1)
            assert (await wire.rest()).startswith(b"HTTP/1.1 408")

    play(story)


def test_a_body_has_a_limit_of_its_own() -> None:
    async def story() -> None:
        clock = virtual_clock()
        async with listening(echo, clock=clock) as (_, port), Wire.to(port) as wire:
            wire.send(post()[:-1])
            await ask(port, GET)
            await clock.advance(59)
            wire.send(b"o")
            assert await wire.status() == 200
            wire.send(post()[:-1])
            await ask(port, GET)
            await clock.advance(60)
            assert await wire.status() == 408

    play(story)


def test_an_idle_connection_is_closed_after_a_while_and_a_used_one_is_not() -> None:
    async def story() -> None:
        clock = virtual_clock()
        async with listening(echo, clock=clock) as (_, port), Wire.to(port) as idle, Wire.to(port) as used:
            for wire in (idle, used):
                wire.send(GET)
                await wire.status()
            await clock.advance(74)
            used.send(GET)
            await used.status()
            await clock.advance(75)
            used.send(GET)
            await used.status()
            await clock.advance(1)
            assert await idle.rest() == b""
            used.send(GET)
            assert await used.status() == 200

    play(story)


def test_limits_of_reading_do_not_keep_virtual_time_still() -> None:
    async def story() -> None:
        clock = virtual_clock()
        async with listening(echo, clock=clock) as (listener, port), Wire.to(port) as wire:
            wire.send(b"GET / HT")
            await until(lambda: listener.connections)
            assert clock.active == 0

    play(story)


def test_who_waits_for_an_answer_has_handed_its_work_over_until_it_is_written() -> None:
    async def story() -> None:
        clock = virtual_clock()
        waiting: list[Request] = []
        async with listening(waiting.append, clock=clock) as (_, port), Wire.to(port) as wire:
            with_hold = clock.work("gateway")
            with_hold.sent_from(wire.writer.get_extra_info("sockname"))
            wire.send(post())
            await until(lambda: waiting)
            assert with_hold.state == "stalled"
            waiting.pop().respond(200)
            assert with_hold.state == "active"
            with_hold.close()

    play(story)


# How it ends.


def test_too_many_connections_are_told_so(loop: str) -> None:
    async def story() -> None:
        async with listening(echo, limits=Limits(connections=2)) as (_, port):
            async with Wire.to(port) as first, Wire.to(port) as second, Wire.to(port) as third:
                assert await third.status() == 503
                assert await third.rest() == b""
                for wire in (first, second):
                    wire.send(GET)
                    assert await wire.status() == 200
            assert (await ask(port, GET))[0] == 200

    play(story, loop)


def test_closing_ends_idle_connections_at_once_and_busy_ones_after_their_answer(loop: str) -> None:
    async def story() -> None:
        waiting: list[Request] = []
        async with listening(waiting.append) as (listener, port), Wire.to(port) as idle, Wire.to(port) as busy:
            busy.send(post())
            await until(lambda: waiting)
            closing = asyncio.create_task(listener.close())
            assert await idle.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                await ask(port, GET)
            assert not closing.done()
            waiting.pop().respond(200)
            assert (await busy.answer())[1]["connection"] == "close"
            await closing

    play(story, loop)


def test_closing_waits_no_longer_than_the_limit() -> None:
    async def story() -> None:
        clock = virtual_clock()
        waiting: list[Request] = []
        async with listening(waiting.append, clock=clock) as (listener, port), Wire.to(port) as wire:
            wire.send(post())
            await until(lambda: waiting)
            closing = asyncio.create_task(listener.close())
            await asyncio.sleep(0)
            await clock.advance(11)
            await closing
            assert await wire.rest() == b""

    play(story)


def test_closing_takes_no_virtual_time_where_nobody_waits() -> None:
    async def story() -> None:
        clock = virtual_clock()
        async with listening(echo, clock=clock) as (listener, port), Wire.to(port) as wire:
            wire.send(GET)
            await wire.status()
            listener.retire()
            assert listener.connections == 0
            await listener.close()

    play(story)


def test_aborting_drops_everybody(loop: str) -> None:
    async def story() -> None:
        waiting: list[Request] = []
        async with listening(waiting.append) as (listener, port), Wire.to(port) as wire:
            wire.send(post())
            await until(lambda: waiting)
            listener.abort()
            assert await wire.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                await ask(port, GET)

    play(story, loop)


def test_a_port_that_is_taken_is_named_with_the_cause(loop: str) -> None:
    async def story() -> None:
        async with listening(echo) as (first, port):
            second = HttpListener(echo, clock=first.clock, limits=Limits())
            with pytest.raises(OSError, match="in use") as failure:
                await second.start("127.0.0.1", port)
            assert listen_failure(12000, failure.value) == "listen 12000: address already in use"

    play(story, loop)


async def until(done: Callable[[], object]) -> None:
    while not done():
        await asyncio.sleep(0)
