"""
MQTT 3.1.1 and 5 from a Mosquitto that this machine has; each scenario gets a server of its own, as it starts at once.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from simulator.errors import ServiceUnavailable
from simulator.installing.binaries import find
from simulator.relay import free_ports
from simulator.services.local.mosquitto_log import MosquittoClients
from simulator.services.mqtt_broker import MqttBroker
from simulator.services.mqtt_publisher import CLIENT_ID, MqttPublisher
from simulator.services.mqtt_service import entitled
from simulator.services.mqtt_topics import Listening
from simulator.services.process import StartFailed
from simulator.services.service import LOOPBACK, Around, Published, Stimulus

_SEEN = {"version": re.compile(r"mosquitto version (\S+) running")}
_START_LIMIT_S = 10.0
_PORT_TRIES = 5
"""Between finding a free port and the server's start somebody else may take it."""
_HASH_ROUNDS = 101
"""As mosquitto_passwd has it."""
_TROUBLE = re.compile(r"\b[Ee]rror\b|\b[Ww]arning\b")
_EXPECTED = "should not be run as root"


class LocalMosquitto(MqttBroker):
    """
    One Mosquitto of its own.

    It saves sessions and retained messages when it ends, and before we kill it: those that a scenario has it kill are
    what a server that saves before it acknowledges would have.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._clients = MosquittoClients()
        self._log_read = 0

    @property
    def provider(self) -> str:
        """See Service."""
        return "local"

    @property
    def version(self) -> str:
        """See Service."""
        return f"mosquitto {self._version}".strip()

    async def start(self) -> None:
        """See Service."""
        if "ackWait" in self.own_setup:
            reason = "Mosquitto sends again only after a reconnect, so it has no `ackWait`"
            raise ServiceUnavailable(self.name, self.provider, reason)
        if any(set(":\n") & set(user) for user in self._setup.users):
            reason = "Mosquitto's password file has no place for a user name with `:` or a line's end"
            raise ServiceUnavailable(self.name, self.provider, reason)
        await super().start()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if self._setup.version != 5 and any(stimulus.headers for stimulus in stimuli):
            return Published(False, "messages of MQTT 3.1.1 have no headers; those of a service with `version: 5` have")
        return await super().publish(stimuli)

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service. A session that lasts stays at the broker, but nobody is connected to it."""
        listening = Listening.of(text)
        if listening is None or self._publisher is None or not (await self._publisher.answered()).taken:
            return None
        self._read_log()
        return self._clients.subscribers(listening.topic, except_for=CLIENT_ID) <= entitled(listening.topic, living)

    def log_tail(self) -> str:
        """See Service."""
        lines = self._process.log_tail().splitlines()
        return "\n".join(line for line in lines if _TROUBLE.search(line) and _EXPECTED not in line)

    async def _start_server(self) -> None:
        if self._process.pid is not None:
            return
        found = find("mosquitto")
        if found is None:
            how = "gatesim env install mosquitto, or put it on PATH"
            raise ServiceUnavailable(self.name, self.provider, "the mosquitto binary was not found", how)
        command = [str(found.program), "-c", str(self._process.folder / "mosquitto.conf")]
        environ = {**os.environ, **found.environment}
        for tries_left in reversed(range(_PORT_TRIES)):
            port = self._port or free_ports(1)[0]
            self._write_configuration(port)
            try:
                seen = await self._process.start(command, _SEEN, _START_LIMIT_S, environ=environ)
                break
            except StartFailed as error:
                if self._port or not tries_left or "in use" not in error.log_tail:
                    raise ServiceUnavailable(self.name, self.provider, str(error)) from error
        self._port, self._version = port, seen["version"]
        self._publisher = MqttPublisher(self._access(), version=5 if self._setup.version == 5 else 4)
        answer = await self._publisher.answered()
        if not answer.taken:
            raise ServiceUnavailable(self.name, self.provider, f"Mosquitto does not answer: {answer.cause}")
        await self._lead_to_server()

    async def _before_kill(self) -> None:
        if self._publisher is None or self._process.pid is None:
            return
        self._process.signal(signal.SIGUSR1)
        # It saves at the end of the turn in which the signal reaches it, so a second answer comes after that.
        for _ in range(2):
            await self._publisher.answered()

    def _read_log(self) -> None:
        with self._log.open("rb") as log:
            log.seek(self._log_read)
            lines, end, _ = log.read().rpartition(b"\n")
        self._log_read += len(lines) + len(end)
        self._clients.read(lines.decode(errors="replace").splitlines())

    @property
    def _log(self) -> Path:
        return self._process.folder / "mosquitto.log"

    def _write_configuration(self, port: int) -> None:
        folder = self._process.folder
        lines = [
            # As root it would become a user who cannot read the folder, if there is such a user at all.
            *(["user root"] if os.geteuid() == 0 else []),
            *(f"listener {port} {LOOPBACK}", "set_tcp_nodelay true", "sys_interval 0"),
            *("max_inflight_messages 0", "max_queued_messages 0"),
            *("persistence true", f"persistence_location {folder}/", "autosave_interval 0"),
            *("log_dest stderr", f"log_dest file {self._log}", "connection_messages true"),
            *(f"log_type {each}" for each in ("error", "warning", "notice", "information", "subscribe", "unsubscribe")),
        ]
        if self._certificate is not None:
            lines += [f"certfile {self._certificate.file}", f"keyfile {self._certificate.key}"]
        if self._setup.users:
            passwords = folder / "passwords"
            passwords.write_text(
                "".join(f"{name}:{_hashed(word)}\n" for name, word in self._everybody.items()), encoding="utf-8"
            )
            passwords.chmod(0o600)
            lines += ["allow_anonymous false", f"password_file {passwords}"]
        else:
            lines.append("allow_anonymous true")
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _hashed(password: str) -> str:
    """
    A password as the file has it.
    """
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _HASH_ROUNDS)
    return f"$7${_HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"
