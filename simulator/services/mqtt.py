"""
MQTT 3.1.1: the MQTT listener of a nats-server, with quality of service 0 to 2 and sessions that last.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from simulator.services.mqtt_publisher import CLIENT_ID, LIMIT_S, MqttPublisher
from simulator.services.mqtt_service import MqttService, entitled
from simulator.services.mqtt_shape import MqttSetup
from simulator.services.mqtt_topics import Listening, subject_of
from simulator.services.nats_server import SEEN, NatsServer
from simulator.services.service import LOOPBACK, Around, Published, ServiceClass, Stimulus

_STREAM = "$MQTT_msgs"
"""Where the server keeps messages of quality 1 and 2 until they are acknowledged."""


class EmbeddedMqtt(MqttService, NatsServer):
    """
    One nats-server of its own that speaks MQTT.

    The server sends messages of quality 1 and 2 from a stream, not from where it answers pings; `delivered` waits until
    they are all on their way, so that a gateway that has had an answer to a ping has had them too.
    """

    seen = {**SEEN, "mqtt": re.compile(r"Listening for MQTT clients on .*:(\d+)$")}  # noqa: RUF012 - see NatsServer
    port_seen = "mqtt"

    @classmethod
    def serving(cls, setup: Mapping[str, Any]) -> ServiceClass:
        """See Service. MQTT 5 has a server of its own."""
        if setup.get("version") != 5:
            return cls
        from simulator.services.mqtt_5 import EmbeddedMqtt5  # noqa: PLC0415 - only where it is asked for

        return EmbeddedMqtt5

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._setup = MqttSetup.model_validate(self.own_setup)
        self._publisher: MqttPublisher | None = None
        self._keeps = False

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if self._publisher is None:
            return Published(False, "nats-server does not run")
        if any(stimulus.headers for stimulus in stimuli):
            return Published(False, "messages of MQTT 3.1.1 have no headers; those of a service with `version: 5` have")
        self._keeps = self._keeps or any(stimulus.get("qos") in ("1", "2") for stimulus in stimuli)
        return await self._publisher.publish(stimuli)

    async def delivered(self) -> None:
        """
        See Service.

        Everything leaves the server's stream by one queue. Once nothing is left to be put there, a message to ourselves
        goes through it behind all others.
        """
        if not self._keeps:
            return
        monitor, publisher = self._monitor, self._publisher
        try:
            async with asyncio.timeout(LIMIT_S):
                while monitor is not None and publisher is not None and await monitor.undelivered(_STREAM):
                    monitor, publisher = self._monitor, self._publisher
        except (TimeoutError, OSError):
            return  # it is dead or as good as dead, and whoever waits for it will say so
        if publisher is not None:
            await publisher.echo()

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service. A session that lasts stays at the server, but nobody is connected to it."""
        listening = Listening.of(text)
        if listening is None or self._monitor is None:
            return None
        subscribers = await self._monitor.subscribers(subject_of(listening.topic), except_for=CLIENT_ID)
        return None if subscribers is None else subscribers <= entitled(listening.topic, living)

    def _serving(self, port: int) -> dict[str, Any]:
        return {
            "server_name": "gatesim",
            "jetstream": {"store_dir": str(self._process.folder / "store")},
            "mqtt": {"host": LOOPBACK, "port": port, "ack_wait": f"{self._setup.ack_wait:g}s", **self._tls_files()},
        }

    async def _serves(self) -> None:
        self._publisher = MqttPublisher(self._access())

    async def _leave(self) -> None:
        if self._publisher is not None:
            await self._publisher.close()

    def _forget(self) -> None:
        self._publisher = None
