"""
KeptMinio: a real MinIO with one user, and whether it hands on its notifications at once.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

from minio import Minio
from minio.error import MinioException
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from simulator.installing.binaries import Installed
from simulator.keeping.kept_server import KeptProcess, Unstartable, installed
from simulator.relay import free_ports
from simulator.services.process import LocalProcess, StartFailed

_LOOPBACK = "127.0.0.1"
_START_S, _ANSWER_S = 20.0, 1.0
_LISTEN_S = 0.6
"""In which a notification has to come; a MinIO that is right needs some milliseconds."""
_CANARY = "gatesim-canary"


class KeptMinio(KeptProcess):
    """
    One MinIO on one folder. The options name its user and that one's secret.
    """

    kind: ClassVar[str] = "minio"

    def __init__(self, options: Mapping[str, Any], died: Callable[[str], None]) -> None:
        process = LocalProcess("minio", died=lambda end: died(f"minio {end}"))
        super().__init__(options, died, process, stop_limit_s=5.0)
        self._user = str(options.get("user", "gatesim"))
        self._secret = str(options.get("secret", "gatesim-secret"))
        self._port = 0
        self._version = ""
        self._held: bool | None = None
        """Whether it holds notifications back; found out once, as it depends on the program alone."""

    @property
    def access(self) -> dict[str, Any]:
        """See KeptServer."""
        return {
            "pid": self._process.pid,
            "port": self._port,
            "user": self._user,
            "secret": self._secret,
            "version": self._version,
            "held": bool(self._held),
        }

    async def start(self) -> None:
        """See KeptServer."""
        found = installed("minio", "MinIO is not installed")
        self._version = found.version
        if not self._port:
            [self._port] = free_ports(1)
        try:
            await self._process.start(
                self._command(found), {}, _START_S, environ=self._environ(found), answers=self._answers
            )
        except StartFailed as error:
            raise Unstartable(f"MinIO did not start: {error}") from error
        if self._held is None:
            self._held = await asyncio.to_thread(self._holds_back)

    async def wipe(self) -> None:
        """See KeptServer."""
        await self.kill()
        await asyncio.to_thread(shutil.rmtree, self._data, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._process.folder / "data"

    def _command(self, found: Installed) -> list[str]:
        return [str(found.program), "server", "--quiet", "--address", f"{_LOOPBACK}:{self._port}", str(self._data)]

    def _environ(self, found: Installed) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            **found.environment,
            "HOME": str(self._process.folder),  # else it writes .minio into that of the user
            "MINIO_ROOT_USER": self._user,
            "MINIO_ROOT_PASSWORD": self._secret,
            "MINIO_UPDATE": "off",
            "MINIO_BROWSER": "off",
        }

    async def _answers(self) -> bool:
        return await asyncio.to_thread(self._lists)

    def _lists(self) -> bool:
        try:
            self._client().list_buckets()
        except (MinioException, HTTPError, OSError):
            return False
        return True

    def _client(self) -> Minio:
        # Its own retries would take a minute where a server comes up slowly.
        pool = PoolManager(timeout=Timeout(_ANSWER_S), retries=False)
        return Minio(
            f"{_LOOPBACK}:{self._port}", self._user, self._secret, secure=False, region="us-east-1", http_client=pool
        )

    def _holds_back(self) -> bool:
        """
        Whether no notification of an object comes though it is there; blocks.
        """
        client, heard = self._client(), list[Any]()
        try:
            client.make_bucket(_CANARY)
            listening = Thread(target=partial(_hear_one, self._client(), heard), daemon=True)
            listening.start()
            for number in range(3):
                client.put_object(_CANARY, f"in/{number}", BytesIO(b""), 0)
                listening.join(_LISTEN_S / 3)
                if heard:
                    break
            for number in range(3):
                client.remove_object(_CANARY, f"in/{number}")
            client.remove_bucket(_CANARY)
        except (MinioException, HTTPError, OSError) as error:
            raise Unstartable(f"MinIO does not do what it is asked for: {error}") from error
        return not heard


def _hear_one(client: Minio, heard: list[Any]) -> None:
    try:
        for notification in client.listen_bucket_notification(_CANARY, "in/", "", ("s3:ObjectCreated:*",)):
            heard.append(notification)
            return
    except (MinioException, HTTPError, OSError, ValueError):
        return  # it timed out, which is the answer
