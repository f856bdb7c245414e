"""
What the contract test needs to know of the MQTT server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from simulator.services.local.mosquitto import LocalMosquitto
from simulator.services.mqtt import EmbeddedMqtt
from simulator.services.mqtt_shape import SHAPE as MQTT
from simulator.services.service import SocketAddress, Stimulus
from tests.simulator.services.contract import Contract


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


CONTRACT = Contract(
    name="mqtt-embedded",
    service=EmbeddedMqtt,
    shape=MQTT,
    text="url: tcp://mqtt.argo-events:1883\nattributes: {topic: contract/+}\n",
    other_text="url: tcp://mqtt.argo-events:1883\nattributes: {topic: other}\n",
    listen=_mqtt_listener,
    stimulus=lambda payload: Stimulus((("topic", "contract/one"),), payload),
    fence=lambda payload: b"gatesim-fence" in payload,
    setups=({}, {"users": {"me": 'pass"word'}}, {"tls": True}, {"ackWait": "500ms"}),
    greeting=bytes.fromhex("100f00044d51545404020000") + b"\x00\x03abc",
)

LOCAL = replace(
    CONTRACT,
    name="mqtt-local",
    service=LocalMosquitto,
    setups=({}, {"users": {"me": 'pass"word'}}, {"tls": True}),
    missing="simulator.services.local.mosquitto.find",
    program="mosquitto",
)
