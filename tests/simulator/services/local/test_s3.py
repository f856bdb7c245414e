"""
S3 by a real MinIO beyond the contract: what is put for our own sake stays unseen, and its line breaks as a line does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from simulator.errors import ServiceUnavailable
from simulator.installing.binaries import find
from simulator.services.local.s3 import LocalS3
from tests.simulator.services.contract_s3 import LOCAL
from tests.simulator.services.test_contract import play, started

pytestmark = pytest.mark.skipif(find("minio") is None, reason="MinIO is not installed: gatesim env install minio")

LISTEN = b"GET /contract?prefix=in/&events=s3:ObjectCreated:Put HTTP/1.1\r\nHost: x\r\n\r\n"
LIST = b"GET /contract?list-type=2 HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer_to(service: LocalS3, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*service.endpoint)
    try:
        writer.write(request)
        return await reader.read(65_536)
    finally:
        writer.close()


def story_of(tell: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    async def story() -> None:
        async with started(LOCAL) as service:
            await tell(service)

    play(story)


def test_nothing_that_was_put_to_bring_notifications_about_is_heard_of_or_listed() -> None:
    async def tell(service: LocalS3) -> None:
        async with LOCAL.listen(service.endpoint) as one, LOCAL.listen(service.endpoint) as other:
            await service.delivered()
            assert b"gatesim" not in await answer_to(service, LIST)
            assert (await service.publish([LOCAL.stimulus(b"1")])).taken
            await service.delivered()
            assert [await one.get(), await other.get()] == [b"1", b"1"]
            assert one.empty()
            assert other.empty()

    story_of(tell)


def test_who_listens_to_a_bucket_that_is_not_there_is_refused_by_the_store_itself() -> None:
    async def tell(service: LocalS3) -> None:
        answer = await answer_to(service, LISTEN.replace(b"contract", b"nowhere"))
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"AccessDenied" in answer

    story_of(tell)


def test_a_reset_is_one_on_connections_that_are_in_use() -> None:
    async def tell(service: LocalS3) -> None:
        reader, writer = await asyncio.open_connection(*service.endpoint)
        writer.write(LISTEN)
        await reader.readuntil(b"\r\n\r\n")
        await service.fault("reset", True)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    story_of(tell)


def test_connections_are_refused_until_healed() -> None:
    async def tell(service: LocalS3) -> None:
        await service.fault("refuse", True)
        with pytest.raises(ConnectionRefusedError):
            await answer_to(service, LIST)
        await service.heal()
        assert b"200 OK" in await answer_to(service, LIST)

    story_of(tell)


def test_in_a_black_hole_nothing_is_answered_until_healed() -> None:
    async def tell(service: LocalS3) -> None:
        await service.fault("blackhole", True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer_to(service, LIST), 0.2)
        await service.heal()
        assert b"200 OK" in await answer_to(service, LIST)

    story_of(tell)


def test_a_rate_is_that_of_what_a_real_server_sends() -> None:
    async def tell(service: LocalS3) -> None:
        stimulus = LOCAL.stimulus(b"x" * 20_000)
        assert (await service.publish([stimulus])).taken
        await service.fault("rate", 50_000.0)
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(*service.endpoint)
        writer.write(f"GET /contract/{stimulus.get('key')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert len(await reader.read()) > 20_000
        writer.close()
        assert time.monotonic() - began > 0.3

    story_of(tell)


def test_one_that_was_killed_from_outside_is_told_of_refuses_and_can_be_had_again() -> None:
    async def story() -> None:
        deaths: list[str] = []
        async with started(LOCAL, deaths=deaths) as service:
            assert isinstance(service, LocalS3)
            os.kill(service.pid, signal.SIGKILL)
            while not deaths:
                await asyncio.sleep(0)
            assert "SIGKILL" in deaths[0]
            assert not (await service.publish([LOCAL.stimulus(b"1")])).taken
            while True:
                try:
                    await answer_to(service, LIST)
                except ConnectionRefusedError:
                    break
                except ConnectionResetError:
                    continue
            await service.restart("kill")
            async with LOCAL.listen(service.endpoint) as received:
                assert (await service.publish([LOCAL.stimulus(b"2")])).taken
                assert await received.get() == b"2"

    play(story)


def test_two_of_one_scenario_do_not_wait_for_each_other() -> None:
    async def story() -> None:
        async with started(LOCAL) as one:
            far = LocalS3("far", {}, peers=(), relayed=False, time=one.time, died=print)
            await far.start()
            await far.stop()

    play(story)


@pytest.mark.parametrize(
    "setup",
    [
        {"listening": False},
        {"tls": True},
        {"users": {"one": "long-enough", "two": "long-enough"}},
        {"users": {"a": "b"}},
    ],
)
def test_what_it_cannot_be_is_a_skip_with_the_reason(setup: dict[str, Any]) -> None:
    async def story() -> None:
        with pytest.raises(ServiceUnavailable) as unavailable:
            async with started(LOCAL, setup):
                pass
        assert unavailable.value.how

    play(story)
