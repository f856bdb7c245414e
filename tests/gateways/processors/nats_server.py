"""
A real nats-server for a test, with whatever configuration the test wants.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from simulator.server_process import Access
from simulator.services.nats_publisher import NatsPublisher
from simulator.services.nats_server import SEEN, find_nats_server
from simulator.services.process import LocalProcess
from simulator.services.service import Published, Stimulus

PEER = "nats.argo-events:4222"


class NatsServer:
    """
    One server, which a test may stop, start again and reconfigure.
    """

    def __init__(self, configuration: dict[str, Any], access: Access | None) -> None:
        self.configuration = {"listen": "127.0.0.1:-1", "http": "127.0.0.1:-1", **configuration}
        self.process = LocalProcess("nats", died=lambda end: None)
        self.port = 0
        self._access = access or Access("127.0.0.1", 0)
        self._publisher: NatsPublisher | None = None

    @property
    def endpoint(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def publisher(self) -> NatsPublisher:
        if self._publisher is None:
            self._publisher = NatsPublisher(self._access._replace(port=self.port))
        return self._publisher

    async def start(self) -> None:
        self.write(self.configuration)
        binary = find_nats_server()
        assert binary is not None
        found = await self.process.start([binary, "-c", str(self._file)], SEEN, 10)
        self.port = int(found["client"])

    async def stop(self) -> None:
        if self._publisher is not None:
            await self._publisher.close()
            self._publisher = None
        await self.process.stop(5)

    def write(self, configuration: dict[str, Any]) -> None:
        self._file.write_text(json.dumps(configuration), encoding="utf-8")

    def reload(self, configuration: dict[str, Any]) -> None:
        self.write({**self.configuration, **configuration})
        self.process.signal(signal.SIGHUP)

    async def publish(self, subject: str, *payloads: bytes, kept: bool = False) -> None:
        stimuli = [Stimulus((("subject", subject),), payload) for payload in payloads]
        assert await self.publisher.publish(stimuli, [kept] * len(stimuli)) == Published(True)

    async def api(self, subject: str, **body: Any) -> dict[str, Any]:
        """
        Ask the JetStream API: `server.api("STREAM.CREATE.ORDERS", name="ORDERS", ...)`.
        """
        return await self.publisher.ask(f"$JS.API.{subject}", body)

    async def make_stream(self, name: str = "ORDERS", *subjects: str) -> None:
        wanted = list(subjects or ("orders.>",))
        await self.api(f"STREAM.CREATE.{name}", name=name, subjects=wanted, storage="memory")

    async def consumer(self, stream: str = "ORDERS", durable: str = "gateway") -> dict[str, Any]:
        return await self.api(f"CONSUMER.INFO.{stream}.{durable}")

    @property
    def _file(self) -> Path:
        return self.process.folder / "nats.conf"


@asynccontextmanager
async def nats_server(
    configuration: dict[str, Any] | None = None, *, jetstream: bool = False, access: Access | None = None
) -> AsyncIterator[NatsServer]:
    server = NatsServer(configuration or {}, access)
    if jetstream:
        server.configuration["jetstream"] = {"store_dir": str(server.process.folder / "store")}
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
        server.process.remove_folder()


def make_certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """
    A self-signed certificate for *names*, and its key.
    """
    certificate, key = folder / f"{names[0]}.pem", folder / f"{names[0]}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={names[0]}", "-keyout", str(key), "-out", str(certificate)]
    command += ["-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)]
    command += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
