"""
MQTT 5: rumqttd from iotcore's wheel, in a process of its own; what it keeps lasts as long as that process.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Unpack

from simulator.errors import ServiceUnavailable
from simulator.services.mqtt_broker import MqttBroker
from simulator.services.mqtt_publisher import CLIENT_ID, LIMIT_S, MqttPublisher
from simulator.services.mqtt_service import entitled
from simulator.services.mqtt_topics import Listening
from simulator.services.process import StartFailed
from simulator.services.service import LOOPBACK, Around, SocketAddress

_BROKER = Path(__file__).with_name("mqtt_5_broker.py")
_SEEN = {
    "version": re.compile(r"iotcore (\S+) listens on \d+"),
    "port": re.compile(r"listens on (\d+)"),
    "console": re.compile(r"answers on (\d+)"),
}
_START_LIMIT_S = 10.0
_PAYLOAD_BYTES_MAX = 16 * 1024 * 1024
_IN_FLIGHT_MAX = 60_000
"""Messages sent to one client and not acknowledged."""


class EmbeddedMqtt5(MqttBroker):
    """
    One rumqttd of its own.

    Sessions and retained messages are in its memory: a restart forgets them.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._console: SocketAddress | None = None

    @property
    def version(self) -> str:
        """See Service."""
        return f"rumqttd of iotcore {self._version}".strip()

    async def start(self) -> None:
        """See Service."""
        if find_spec("iotcore") is None:
            reason, how = "MQTT 5 is served by iotcore, which is not installed", "pip install 'gatesim[mqtt5]'"
            raise ServiceUnavailable(self.name, self.provider, reason, how)
        await super().start()

    async def delivered(self) -> None:
        """See Service."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while await self._ask("idle") is False:
                    pass
        except (TimeoutError, OSError):
            return  # it is dead or as good as dead, and whoever waits for it will say so

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service. A session that lasts stays at the broker, but nobody is connected to it."""
        listening = Listening.of(text)
        if listening is None:
            return None
        try:
            async with asyncio.timeout(LIMIT_S):
                subscriptions = await self._ask("subscriptions")
        except (TimeoutError, OSError):
            return None
        if not isinstance(subscriptions, dict):
            return None
        return len({*subscriptions.get(listening.topic, ())} - {CLIENT_ID}) <= entitled(listening.topic, living)

    def log_tail(self) -> str:
        """See Service."""
        return "\n".join(line for line in self._process.log_tail().splitlines() if "listens on" not in line)

    async def _ask(self, question: str) -> Any:
        """
        What the broker says; None where it does not run.
        """
        if self._console is None:
            return None
        reader, writer = await asyncio.open_connection(*self._console)
        try:
            writer.write(f"{question}\n".encode())
            line = await reader.readline()
        finally:
            writer.transport.abort()
        return json.loads(line) if line else None

    async def _start_server(self) -> None:
        if self._process.pid is not None:
            return
        configuration = self._process.folder / "rumqttd.toml"
        configuration.write_text(self._configuration(), encoding="utf-8")
        # With -P the modules beside the script are not taken for those that it imports.
        command = [sys.executable, "-P", str(_BROKER), str(configuration)]
        try:
            found = await self._process.start(command, _SEEN, _START_LIMIT_S)
        except StartFailed as error:
            raise ServiceUnavailable(self.name, self.provider, str(error)) from error
        self._port, self._version = int(found["port"]), found["version"]
        self._console = LOOPBACK, int(found["console"])
        self._publisher = MqttPublisher(self._access(), version=5)
        await self._lead_to_server()

    def _forget(self) -> None:
        super()._forget()
        self._console = None

    def _configuration(self) -> str:
        """
        The broker's configuration file. JSON's texts are TOML's as well.
        """
        port = self._port if self._relay is None else 0
        lines = [
            "id = 0",
            *("[router]", "id = 0", "max_connections = 1000", "max_outgoing_packet_count = 200"),
            *("max_segment_size = 104857600", "max_segment_count = 10"),
            *("[console]", f'listen = "{LOOPBACK}:0"'),
            *("[v5.1]", 'name = "v5-1"', f'listen = "{LOOPBACK}:{port}"', "next_connection_delay_ms = 0"),
        ]
        if self._certificate is not None:
            lines += [
                "[v5.1.tls]",
                f"certpath = {json.dumps(str(self._certificate.file), ensure_ascii=False)}",
                f"keypath = {json.dumps(str(self._certificate.key), ensure_ascii=False)}",
            ]
        lines += [
            *("[v5.1.connections]", "connection_timeout_ms = 60000", "dynamic_filters = true"),
            *(f"max_payload_size = {_PAYLOAD_BYTES_MAX}", f"max_inflight_count = {_IN_FLIGHT_MAX}"),
        ]
        if self._setup.users:
            lines.append("[v5.1.connections.auth]")
            lines += [
                " = ".join(json.dumps(each, ensure_ascii=False) for each in user) for user in self._everybody.items()
            ]
        return "\n".join(lines) + "\n"
