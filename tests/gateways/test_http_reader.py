"""
What is read as a request, and what is refused, over real sockets and on both event loops.
"""

from __future__ import annotations

import asyncio

import pytest

from gateways.http_request import Request
from gateways.limits import Limits
from tests.gateways.surroundings import LOOPS, Wire, ask, listening, play, post

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def echo(request: Request) -> None:
    request.respond(200, f"{request.method} {request.path} ".encode() + request.body)


def test_a_request_in_single_bytes_is_one_request(loop: str) -> None:
    async def story() -> None:
        async with listening(echo) as (_, port), Wire.to(port) as wire:
            for byte in post():
                wire.send(bytes([byte]))
                await asyncio.sleep(0)
            assert (await wire.answer())[2] == b"POST /foo hello"

    play(story, loop)


def test_chunks_are_joined_and_trailers_are_no_headers(loop: str) -> None:
    async def story() -> None:
        def handler(request: Request) -> None:
            request.respond(200, request.body + request.header(b"x-late").encode())

        async with listening(handler) as (_, port), Wire.to(port) as wire:
            wire.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            wire.send(b"3;note=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Late: no\r\n\r\n", GET)
            assert (await wire.answer())[2] == b"abcde"
            assert (await wire.answer())[0] == 200

    play(story, loop)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/foo", "/foo"),
        ("/foo?x=/y#z", "/foo"),
        ("/caf%C3%A9%20", "/café "),
        ("/%ff", "/\ufffd"),
        ("http://gateway:12000/foo?x", "/foo"),
        ("http://gateway", "/"),
        ("//double", "//double"),
        ("*", "*"),
    ],
)
def test_the_path_is_the_target_without_origin_and_query(target: str, path: str) -> None:
    async def story() -> None:
        def handler(request: Request) -> None:
            request.respond(200, request.path.encode())

        async with listening(handler) as (_, port):
            assert (await ask(port, f"OPTIONS {target} HTTP/1.1\r\n\r\n".encode()))[2].decode() == path

    play(story)


BAD_REQUESTS = [
    (b"nonsense\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"post / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/9.9\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    (b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nX y: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nX: a\r\n folded\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;" + b"e" * 40_000, 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"t" * 40_000, 400),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    (b"POST / HTTP/1.1\r\nExpect: a miracle\r\nContent-Length: 1\r\n\r\n", 417),
    (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 17_000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 4_000 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000, 431),
    (b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", 413),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n8\r\n01234567\r\n", 413),
]


@pytest.mark.parametrize(("request_bytes", "status"), BAD_REQUESTS)
def test_what_is_no_good_request_is_refused_and_the_connection_closed(
    request_bytes: bytes, status: int, loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with listening(echo, limits=Limits(body_bytes=10)) as (_, port), Wire.to(port) as wire:
            wire.send(GET, request_bytes)
            assert await wire.status() == 200
            refused, headers, reason = await wire.answer()
            assert (refused, headers["connection"]) == (status, "close")
            assert reason.endswith(b"\n")
            assert await wire.rest() == b""

    play(story, loop)
    assert not caplog.records


def test_a_head_of_sixteen_kilobytes_is_read() -> None:
    async def story() -> None:
        async with listening(echo) as (_, port):
            fields = b"".join(b"X-%04d: %b\r\n" % (number, b"v" * 88) for number in range(160))
            assert len(fields) > 15_000
            assert (await ask(port, b"GET / HTTP/1.1\r\n" + fields + b"\r\n"))[0] == 200

    play(story)


def test_a_refused_client_that_goes_on_sending_still_gets_its_answer(loop: str) -> None:
    async def story() -> None:
        async with listening(echo, limits=Limits(body_bytes=10)) as (_, port), Wire.to(port) as wire:
            wire.send(b"POST / HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n")
            wire.send(b"x" * 8_000_000)
            await wire.writer.drain()
            assert await wire.status() == 413

    play(story, loop)


def test_a_body_of_exactly_the_limit_is_taken_in_pieces_of_any_kind() -> None:
    async def story() -> None:
        def handler(request: Request) -> None:
            request.respond(200, str(len(request.body)).encode())

        async with listening(handler) as (_, port), Wire.to(port) as wire:
            body = b"x" * 1024 * 1024
            wire.send(post(body=body))
            assert (await wire.answer())[2] == b"1048576"
            wire.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 100_000, b"0\r\n\r\n")
            assert (await wire.answer())[2] == b"100000"

    play(story)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
)
def test_a_request_to_upgrade_is_a_plain_request(framing: bytes, loop: str) -> None:
    async def story() -> None:
        upgrade = b"POST /up HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        async with listening(echo) as (_, port), Wire.to(port) as wire:
            wire.send(upgrade, framing, GET)
            assert (await wire.answer())[2] == b"POST /up hello"
            assert (await wire.answer())[2] == b"GET / "
            more, _, body = framing.partition(b"\r\n\r\n")
            wire.send(upgrade, b"Expect: 100-continue\r\n", more, b"\r\n\r\n")
            assert await wire.status() == 100
            wire.send(body)
            assert (await wire.answer())[2] == b"POST /up hello"

    play(story, loop)


def test_connect_is_answered_and_its_connection_closed(loop: str) -> None:
    async def story() -> None:
        async with listening(echo) as (_, port), Wire.to(port) as wire:
            wire.send(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n\x16\x03\x01")
            assert await wire.status() == 200
            assert await wire.rest() == b""

    play(story, loop)
