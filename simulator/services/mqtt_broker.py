"""
MqttBroker: an MQTT broker in a process of its own, behind a relay where it is faulted; what those that are no
nats-server have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from simulator.server_process import STOP_LIMIT_S, ServerProcess
from simulator.services.mqtt_publisher import MqttPublisher
from simulator.services.mqtt_service import MqttService
from simulator.services.mqtt_shape import MqttSetup
from simulator.services.process import Exit
from simulator.services.service import Around, Published, Stimulus


class MqttBroker(MqttService, ServerProcess):
    """
    One broker of its own. Where it is started, `_publisher` is set.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._setup = MqttSetup.model_validate(self.own_setup)
        self._publisher: MqttPublisher | None = None

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if self._publisher is None:
            return Published(False, "the MQTT broker does not run")
        return await self._publisher.publish(stimuli)

    # What differs between brokers.

    async def _before_kill(self) -> None:
        """
        Told before it is killed by us.
        """

    # Its life.

    async def _stop_server(self) -> None:
        await self._leave()
        await self._process.stop(STOP_LIMIT_S)
        self._forget()

    async def _kill_server(self) -> None:
        if self._relay is not None:
            await self._relay.lead_to(None)
        await self._before_kill()
        await self._leave()
        await self._process.kill()
        self._forget()

    async def _leave(self) -> None:
        """
        Let nobody come in any more, and leave it ourselves.
        """
        if self._relay is not None:
            await self._relay.lead_to(None)
        if self._publisher is not None:
            await self._publisher.close()

    def _forget(self) -> None:
        """
        It is gone. What was connected is cut here and now, so that a gateway knows it before the next step.
        """
        if self._relay is not None:
            self._relay.disconnect()
        self._publisher = None

    def _ended(self, end: Exit) -> None:
        self._forget()
        self.died(f"the MQTT broker {end}")
