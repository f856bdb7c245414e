"""
What the contract test needs to know of each service: how to listen to it as a gateway would, and what to publish.

A new service, or a new provider of one, joins by one more entry in CONTRACTS.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from simulator.services.amqp import EmbeddedAmqp
from simulator.services.amqp_shape import SHAPE as AMQP
from simulator.services.nats import EmbeddedNats
from simulator.services.nats_shape import SHAPE as NATS
from simulator.services.service import Service, SocketAddress, Stimulus
from simulator.services.shapes import ServiceShape

Listener = Callable[[SocketAddress], AbstractAsyncContextManager["asyncio.Queue[bytes]"]]


@dataclass(frozen=True, slots=True)
class Contract:
    """
    One service on one provider.
    """

    name: str
    service: type[Service]
    shape: ServiceShape
    text: str
    """A configuration that listens to what `stimulus` makes."""
    other_text: str
    """One that does not."""
    listen: Listener
    """Listens as a gateway with `text` would: entered when it provably does; gives the payloads."""
    stimulus: Callable[[bytes], Stimulus]
    fence: Callable[[bytes], bool]
    """Whether a payload is that of a fence."""
    setup: Mapping[str, Any] = field(default_factory=dict)
    """What all of the tests need."""
    setups: tuple[Mapping[str, Any], ...] = field(default=({},))
    """Set-ups of which each has to start, publish and stop."""
    lasting: Mapping[str, Any] | None = None
    """A set-up whose data outlives a kill; None where there is none."""
    kept: Callable[[Any], Awaitable[int]] | None = None
    """How many stimuli a service with that set-up has."""
    hello: bytes = b""
    """What a client says first, where the server does not."""
    is_process: bool = False
    """Whether it runs as a process of its own, which can die and be missing."""

    def __str__(self) -> str:
        return self.name


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


@asynccontextmanager
async def _amqp_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    import aio_pika

    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        received.put_nowait(message.body)

    connection = await aio_pika.connect(f"amqp://guest:guest@{endpoint[0]}:{endpoint[1]}/")
    try:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("contract", "topic", durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "contract.*")
        await queue.consume(take, no_ack=True)
        yield received
    finally:
        await connection.close()


async def _kept_by_amqp(service: EmbeddedAmqp) -> int:
    return len(service.broker.queues["kept"])


_AMQP_TEXT = """
url: amqp://amqp.argo-events:5672
attributes: {exchangeName: contract, exchangeType: topic, routingKey: %s}
"""
_AMQP_EXCHANGES = {"exchanges": {"contract": {"type": "topic"}}}
_AMQP_KEPT = {"kept": {"bindings": [{"exchange": "contract", "routingKey": "#"}]}}

CONTRACTS = (
    Contract(
        name="amqp-embedded",
        service=EmbeddedAmqp,
        shape=AMQP,
        text=_AMQP_TEXT % "contract.*",
        other_text=_AMQP_TEXT % "other",
        listen=_amqp_listener,
        stimulus=lambda payload: Stimulus((("exchange", "contract"), ("routingKey", "contract.one")), payload),
        fence=lambda payload: b"gatesim-fence" in payload,
        setup=_AMQP_EXCHANGES,
        setups=(
            _AMQP_EXCHANGES,
            {**_AMQP_EXCHANGES, "queues": _AMQP_KEPT},
            {**_AMQP_EXCHANGES, "users": {"me": 'pass"word'}},
            {**_AMQP_EXCHANGES, "vhosts": ["other"]},
            {**_AMQP_EXCHANGES, "tls": True},
        ),
        lasting={**_AMQP_EXCHANGES, "queues": _AMQP_KEPT},
        kept=_kept_by_amqp,
        hello=b"AMQP\0\0\x09\x01",
    ),
    Contract(
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
        is_process=True,
    ),
)
