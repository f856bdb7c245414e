"""
Where an answer ends, and what is none.
"""

from __future__ import annotations

import asyncio

import pytest

from simulator.http_client import Response, SocketAddress, send

CUT = Response(None, (), b"", "the connection was closed in the middle of the answer")


class Hold:
    """
    Nobody's.
    """

    def sent_from(self, address: SocketAddress) -> None:
        """Whoever it was."""


def answer_to(said: bytes, method: str = "GET") -> Response:
    async def story() -> Response:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        endpoint = server.sockets[0].getsockname()
        async with asyncio.timeout(10), server:
            return await send(endpoint, method=method, target="/", headers=(), body=b"", host="x", hold=Hold())

    return asyncio.run(story())


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
)
def test_an_answer_that_is_cut_is_none(said: bytes) -> None:
    assert answer_to(said) == CUT


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    found = answer_to(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert (found.status, found.body) == (200, b"all of it")


def test_nothing_is_no_answer() -> None:
    assert answer_to(b"") == Response(None, (), b"", "the connection was closed without an answer")


def test_an_answer_to_head_has_no_body_whatever_length_it_names() -> None:
    assert answer_to(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD").status == 200
