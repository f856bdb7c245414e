"""
The gateway as a whole, where the scenarios do not look: at every turn of its loop.
"""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import Any

import pytest

from gateways.chance import Chance
from gateways.clock import SystemClock
from gateways.configmap import MemorySource
from gateways.gateway import Gateway
from gateways.gateway_spec import gateway_from_mapping
from tests.gateways.surroundings import play
from tests.gateways.watchers import Book, watcher_that

HEAD: dict[str, Any] = {
    "name": "shop",
    "type": "calendar",
    "version": "1.0",
    "watchers": {"sensors": [{"name": "audit"}]},
}
TURNS = 100


def gateway_at(port: int, **options: Any) -> tuple[Gateway, MemorySource]:
    clock = SystemClock(UTC)
    source = MemorySource({"tick": "interval: 1s"}, clock)
    spec = gateway_from_mapping({**HEAD, "gatesim": options})
    return Gateway(spec, source, clock=clock, addresses=Book(port), chance=Chance(1)), source


@pytest.mark.parametrize("ending", ["stop", "removal"])
def test_what_is_in_flight_is_counted_at_every_turn_of_an_ending(ending: str) -> None:
    async def story() -> None:
        asked = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            asked.set()
            await asyncio.Event().wait()

        async with watcher_that(hang) as port:
            gateway, source = gateway_at(port)
            life = asyncio.create_task(gateway.run())
            await asked.wait()
            removing = asyncio.create_task(source.set({}) if ending == "removal" else asyncio.sleep(0))
            if ending == "stop":
                gateway.stop()
            for _ in range(TURNS):
                await asyncio.sleep(0)
                assert gateway.unsettled["tick"] == gateway.in_flight > 0
            gateway.abort()
            for task in (life, removing):
                task.cancel()
            await asyncio.gather(life, removing, return_exceptions=True)

    play(story)


def test_where_the_status_cannot_be_served_the_transformer_does_not_listen_on() -> None:
    async def story() -> None:
        taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        free = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = free.sockets[0].getsockname()[1]
        free.close()
        await free.wait_closed()
        options = {"transformer": {"port": port}, "controlPort": taken.sockets[0].getsockname()[1]}
        gateway, _ = gateway_at(0, **options)
        with pytest.raises(BaseExceptionGroup) as raised:
            await gateway.run()
        assert raised.group_contains(OSError)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        taken.close()
        await taken.wait_closed()

    play(story)
