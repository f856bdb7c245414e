"""
What the contract test needs to know of NATS.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from simulator.services.nats import EmbeddedNats
from simulator.services.nats_shape import SHAPE as NATS
from simulator.services.service import SocketAddress, Stimulus
from tests.simulator.services.contract import Contract


@asynccontextmanager
async def _nats_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    from nats.aio.client import Client

    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(message: Any) -> None:
        received.put_nowait(message.data)

    async def told(*_: Any) -> None:
        pass

    client = Client()
    callbacks = dict.fromkeys(("error_cb", "closed_cb", "disconnected_cb"), told)
    await client.connect(f"nats://{endpoint[0]}:{endpoint[1]}", allow_reconnect=False, **callbacks)
    await client.subscribe("contract.*", cb=take)
    for _ in range(2):  # the library's first PING may overtake the SUB
        await client.flush()
    try:
        yield received
    finally:
        await client.close()


async def _kept_by_jetstream(service: EmbeddedNats) -> int:
    assert service._publisher is not None
    info = await service._publisher.ask("$JS.API.STREAM.INFO.KEPT", {})
    count: int = info["state"]["messages"]
    return count


CONTRACT = Contract(
    name="nats-embedded",
    service=EmbeddedNats,
    shape=NATS,
    text="url: nats://nats.argo-events:4222\nattributes: {subject: contract.*}\n",
    other_text="url: nats://nats.argo-events:4222\nattributes: {subject: other}\n",
    listen=_nats_listener,
    stimulus=lambda payload: Stimulus((("subject", "contract.one"),), payload),
    fence=lambda payload: b"gatesim-fence" in payload,
    setups=(
        {},
        {"jetstream": True},
        {"streams": {"KEPT": {"subjects": ["contract.>"]}}},
        {"users": {"me": 'pass"word'}},
        {"tls": True},
    ),
    lasting={"streams": {"KEPT": {"subjects": ["contract.>"], "storage": "file"}}},
    kept=_kept_by_jetstream,
)
