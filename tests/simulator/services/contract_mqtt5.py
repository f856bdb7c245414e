"""
What the contract test needs to know of the MQTT 5 server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from simulator.services.local.mosquitto import LocalMosquitto
from simulator.services.mqtt_5 import EmbeddedMqtt5
from simulator.services.mqtt_shape import SHAPE as MQTT
from simulator.services.service import SocketAddress, Stimulus
from tests.simulator.services.contract import Contract


@asynccontextmanager
async def _mqtt5_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    from paho.mqtt.client import Client, MQTTv5
    from paho.mqtt.enums import CallbackAPIVersion

    received: asyncio.Queue[bytes] = asyncio.Queue()
    subscribed = asyncio.Event()
    loop = asyncio.get_running_loop()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5, reconnect_on_failure=False)
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
    name="mqtt5-embedded",
    service=EmbeddedMqtt5,
    shape=MQTT,
    usual={"version": 5},
    text="url: tcp://mqtt.argo-events:1883\nattributes: {topic: contract/+}\nprotocolVersion: 5\n",
    other_text="url: tcp://mqtt.argo-events:1883\nattributes: {topic: other}\nprotocolVersion: 5\n",
    listen=_mqtt5_listener,
    stimulus=lambda payload: Stimulus((("topic", "contract/one"),), payload),
    fence=lambda payload: b"gatesim-fence" in payload,
    setups=({}, {"users": {"me": 'pass"word'}}, {"tls": True}),
    greeting=bytes.fromhex("101000044d5154540502003c000003616263"),
    missing="simulator.services.mqtt_5.find_spec",
)

LOCAL = replace(
    CONTRACT,
    name="mqtt5-local",
    service=LocalMosquitto,
    missing="simulator.services.local.mosquitto.find",
    program="mosquitto",
)
