"""
What is made of everything that a watcher may answer, over real sockets and on both event loops.
"""

from __future__ import annotations

import asyncio

import pytest

from gateways.clock import SystemHold
from gateways.cloudevent import DataForm
from gateways.limits import Limits
from gateways.source_event import Certainty
from gateways.watcher import ACCEPTED, Attempt
from tests.gateways.surroundings import LOOPS, play
from tests.gateways.watchers import EVENT, OK, attempt_at, refused, says, targets_at, uncertain, watcher_that


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


ANSWERS = [
    (OK, ACCEPTED),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ACCEPTED),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", ACCEPTED),
    (b"HTTP/1.1 204 No Content\r\n\r\n", ACCEPTED),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, ACCEPTED),
    (b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", ACCEPTED),
    (b"HTTP/1.1 304 Not Modified\r\n\r\n", refused("answered 304")),
    (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", refused("answered 301")),
    (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", refused("answered 101")),
    (b"HTTP/1.1 503 X\r\nContent-Length: 14\r\n\r\n no \x00\n room \xc3\xa9", refused("answered 503: no room é")),
    (b"HTTP/1.1 500 X\r\nContent-Length: 900\r\n\r\n" + b"e" * 900, refused("answered 500: " + "e" * 200)),
    (OK + b"HTTP/1.1 500 Unasked\r\n\r\n", ACCEPTED),
    (OK + b"garbage", ACCEPTED),
    (b"220 smtp.example ESMTP\r\n", uncertain("the answer is no HTTP/1.1")),
    (b"\x00\x00\x12\x04\x00\x00", uncertain("the answer is no HTTP/1.1")),
    (
        b"HTTP/1.1 202 X\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        uncertain("the answer is no HTTP/1.1"),
    ),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ACCEPTED),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, uncertain("the answer's head does not end")),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 2_000_000, ACCEPTED),
]


@pytest.mark.parametrize(("answer", "attempt"), ANSWERS)
def test_the_status_of_an_answer_decides(answer: bytes, attempt: Attempt, loop: str) -> None:
    async def story() -> None:
        async with watcher_that(says(answer)) as port:
            assert await attempt_at(port, limits=Limits(answer_s=60)) == attempt

    play(story, loop)


@pytest.mark.parametrize(
    ("answer", "attempt"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", ACCEPTED),
        (b"HTTP/1.0 404 Not Found\r\n\r\nwhere", refused("answered 404: where")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut off", ACCEPTED),
        (b"", uncertain("the connection was closed before an answer")),
        (b"HTTP/1.1 20", uncertain("the connection was closed before an answer")),
        (b"HTTP/1.1 100 Continue\r\n\r\n", uncertain("the connection was closed before an answer")),
    ],
)
def test_the_end_of_the_connection_ends_the_answer(answer: bytes, attempt: Attempt, loop: str) -> None:
    async def story() -> None:
        async with watcher_that(says(answer, close=True)) as port:
            assert await attempt_at(port) == attempt

    play(story, loop)


def test_a_reset_leaves_it_uncertain(loop: str) -> None:
    async def story() -> None:
        async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            sock = writer.get_extra_info("socket")
            sock.setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER, 0 s: a close is a reset
            writer.transport.abort()

        async with watcher_that(reset) as port:
            assert (await attempt_at(port)).certainty is Certainty.UNCERTAIN

    play(story, loop)


def test_an_answer_before_the_request_was_sent_whole_counts(loop: str) -> None:
    async def story() -> None:
        async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            await reader.read()

        async with watcher_that(hasty) as port:
            targets = targets_at(port)
            event = EVENT._replace(data=b"x" * 20_000_000, form=DataForm.TEXT)
            assert await targets.of("foo")[0].attempt(event, SystemHold()) == refused("answered 413")
            targets.abort()

    play(story, loop)


def test_of_an_answer_that_never_ends_the_status_counts(loop: str) -> None:
    async def story() -> None:
        async with watcher_that(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")) as port:
            assert await attempt_at(port, limits=Limits(answer_s=0.2)) == ACCEPTED

    play(story, loop)
