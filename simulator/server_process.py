"""
ServerProcess: a service whose server is a process of its own for each scenario, with the users and the certificate that
its set-up asks for.
"""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Unpack

from simulator.services.certificate import Certificate, certified
from simulator.services.process import Exit, LocalProcess
from simulator.services.service import LOOPBACK, Around, RelayedService

STOP_LIMIT_S = 5.0


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


class ServerProcess(RelayedService):
    """
    One process.

    With `tls` its certificate, made for the hosts of the addresses that mean it, counts as one that this machine trusts
    for as long as it is up: a text says `tls://nats.argo-events:4222` and needs no file.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._process = LocalProcess(self.type, died=self._ended)
        self._version = ""
        self._certificate: Certificate | None = None
        self._own_user = (f"gatesim-{secrets.token_hex(4)}", secrets.token_hex(16)) if self._users else ("", "")

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
        """See Service."""
        await self._end_for_good()
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
        else:
            await self._break_line(kind, value)

    async def heal(self) -> None:
        """See Service."""
        if self._relay is not None:
            await self._relay.heal()
        await self._start_server()

    @property
    def _users(self) -> Mapping[str, str]:
        """
        User names to passwords; empty lets everybody in.
        """
        users: Mapping[str, str] = self.own_setup.get("users") or {}
        return users

    @property
    def _everybody(self) -> dict[str, str]:
        """
        The same, with ourselves.
        """
        return {**self._users, self._own_user[0]: self._own_user[1]}

    def _access(self) -> Access:
        """
        How it is reached while it runs.
        """
        access = Access(LOOPBACK, self._port, *self._own_user)
        if self._certificate is None:
            return access
        return access._replace(certificate=self._certificate.file, name=self._certificate.host)

    @abstractmethod
    async def _start_server(self) -> None:
        """
        Start it, unless it runs, and return once it answers; the relay leads to it then.
        """

    @abstractmethod
    async def _stop_server(self) -> None:
        """
        End it in an orderly way.
        """

    @abstractmethod
    async def _kill_server(self) -> None:
        """
        Kill it.
        """

    async def _end_for_good(self) -> None:
        """
        End it at the scenario's end.
        """
        await self._stop_server()

    @abstractmethod
    def _ended(self, end: Exit) -> None:
        """
        Told that it ended without having been asked to.
        """
