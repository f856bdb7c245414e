"""
MqttBroker: an MQTT broker in a process of its own, behind a relay where it is faulted; what those that are no
nats-server have in common.
"""

from __future__ import annotations

import json
import secrets
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from simulator.services.certificate import Certificate, certified
from simulator.services.mqtt_publisher import MqttPublisher
from simulator.services.mqtt_shape import MqttSetup
from simulator.services.mqtt_topics import Listening, concrete, matches
from simulator.services.nats_server import Access
from simulator.services.process import Exit, LocalProcess
from simulator.services.service import LOOPBACK, Around, Published, RelayedService, Stimulus

_STOP_LIMIT_S = 5.0


class MqttBroker(RelayedService):
    """
    One broker of its own.

    With `tls` its certificate, made for the hosts of the addresses that mean it, counts as one that this machine trusts
    for as long as it is up.
    """

    type = "mqtt"

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._setup = MqttSetup.model_validate(self.own_setup)
        self._process = LocalProcess(self.type, died=self._ended)
        self._own_user = (f"gatesim-{secrets.token_hex(4)}", secrets.token_hex(16)) if self._setup.users else ("", "")
        self._version = ""
        self._publisher: MqttPublisher | None = None
        self._certificate: Certificate | None = None

    @property
    def pid(self) -> int | None:
        """
        The broker's process id; None where it does not run.
        """
        return self._process.pid

    async def start(self) -> None:
        """See Service."""
        if self._relay is not None:
            await self._relay.start()
        if self._setup.tls:
            self._certificate = await certified(self, self._process.folder)
        if not self.setup.get("stopped"):
            await self._start_broker()

    async def stop(self) -> None:
        """See Service."""
        await self._end_broker()
        if self._relay is not None:
            await self._relay.stop()
        if self._certificate is not None:
            self._certificate.forget()
        self._process.remove_folder()

    async def restart(self, how: str) -> None:
        """See Service."""
        await self._end_broker(kill=how == "kill")
        await self._start_broker()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if self._publisher is None:
            return Published(False, "the MQTT broker does not run")
        return await self._publisher.publish(stimuli)

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        if kind == "kill":
            await self._end_broker(kill=True)
            return
        await self._break_line(kind, value)

    async def heal(self) -> None:
        """See Service."""
        if self._relay is not None:
            await self._relay.heal()
        await self._start_broker()

    def covers(self, text: str, stimulus: Stimulus) -> bool:
        """See Service."""
        listening = Listening.of(text)
        return listening is not None and matches(listening.topic, stimulus.get("topic"))

    async def fence(self, text: str, mark: str) -> bool:
        """See Service."""
        listening = Listening.of(text)
        if listening is None:
            return False
        where = (("topic", concrete(listening.topic)), ("qos", str(listening.qos)))
        return (await self.publish([Stimulus(where, json.dumps({"gatesim-fence": mark}).encode())])).taken

    # What differs between brokers.

    @abstractmethod
    async def _start_broker(self) -> None:
        """
        Start it, unless it runs, and return once it answers: `_port` and `_publisher` are set then, and the relay leads
        to it.
        """

    async def _before_kill(self) -> None:
        """
        Told before it is killed by us.
        """

    # Its life.

    async def _end_broker(self, *, kill: bool = False) -> None:
        if self._relay is not None:
            await self._relay.lead_to(None)
        if kill:
            await self._before_kill()
        if self._publisher is not None:
            await self._publisher.close()
        if kill:
            await self._process.kill()
        else:
            await self._process.stop(_STOP_LIMIT_S)
        self._forget()

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

    def _access(self) -> Access:
        access = Access(LOOPBACK, self._port, *self._own_user)
        if self._certificate is None:
            return access
        return access._replace(certificate=self._certificate.file, name=self._certificate.host)
