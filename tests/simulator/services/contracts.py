"""
What the contract test needs to know of each service: how to listen to it as a gateway would, and what to publish.

A new service, or a new provider of one, joins by one more entry in CONTRACTS.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from simulator.services.mqtt import EmbeddedMqtt
from simulator.services.mqtt_shape import SHAPE as MQTT
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
    setups: tuple[Mapping[str, Any], ...] = field(default=({},))
    """Set-ups of which each has to start, publish and stop."""
    hello: bytes = b""
    """What a client says first where the server waits for it; it answers something."""
    lasting: Mapping[str, Any] | None = None
    """A set-up whose data outlives a kill; None where there is none."""

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


@asynccontextmanager
async def _mqtt_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    received: asyncio.Queue[bytes] = asyncio.Queue()
    subscribed = asyncio.Event()
    loop = asyncio.get_running_loop()
    client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.on_message = lambda *told: loop.call_soon_threadsafe(received.put_nowait, told[2].payload)
    client.on_connect = lambda *told: client.subscribe("contract/+", 1)
    client.on_subscribe = lambda *told: loop.call_soon_threadsafe(subscribed.set)
    await asyncio.to_thread(client.connect, *endpoint)
    client.loop_start()
    await subscribed.wait()
    try:
        yield received
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


CONTRACTS = (
    Contract(
        name="mqtt-embedded",
        service=EmbeddedMqtt,
        shape=MQTT,
        text="url: tcp://mqtt.argo-events:1883\nattributes: {topic: contract/+}\n",
        other_text="url: tcp://mqtt.argo-events:1883\nattributes: {topic: other}\n",
        listen=_mqtt_listener,
        stimulus=lambda payload: Stimulus((("topic", "contract/one"),), payload),
        fence=lambda payload: b"gatesim-fence" in payload,
        setups=({}, {"users": {"me": 'pass"word'}}, {"tls": True}, {"ackWait": "500ms"}),
        hello=bytes.fromhex("100f00044d51545404020000") + b"\x00\x03abc",
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
    ),
)
