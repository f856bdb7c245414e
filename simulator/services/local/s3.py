"""
S3 by a real MinIO that the keeper keeps; each scenario has it to itself, and leaves it empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from simulator.errors import ServiceUnavailable, SimulatorError
from simulator.keeping.lease import Lease
from simulator.relay import Relay
from simulator.services.local.s3_client import MinioClient, Refused
from simulator.services.local.s3_line import HELD_BACK, NotificationLine
from simulator.services.s3 import S3Service
from simulator.services.s3_listening import listening_of
from simulator.services.s3_shape import S3Setup
from simulator.services.service import Around, Published, SocketAddress, Stimulus

_LOOPBACK = "127.0.0.1"


class LocalS3(S3Service):
    """
    A leased MinIO. Its one user is that of the set-up; without any, its buckets are open to those who sign nothing.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._setup = S3Setup.model_validate(self.own_setup)
        # Also where nothing is faulted: so the address is ours, whatever becomes of the server.
        self._relay = Relay(self.peers, self.time)
        self._lease: Lease | None = None
        self._client: MinioClient | None = None
        self._line: NotificationLine | None = None
        self._dying: asyncio.Task[None] | None = None
        self._running = False
        self._was_ended = False
        """One that has just come up again may not list all that it has."""

    @property
    def provider(self) -> str:
        """See Service."""
        return "local"

    @property
    def endpoint(self) -> SocketAddress:
        """See Service."""
        return _LOOPBACK, self._relay.port

    @property
    def pid(self) -> int:
        """
        The process id that the server had when it was leased.
        """
        assert self._lease is not None, "what has a process id has been started"
        return int(self._lease.access["pid"])

    @property
    def version(self) -> str:
        """See Service."""
        access = self._lease.access if self._lease is not None else {}
        held = f"; {HELD_BACK}, which are brought about by padding" if access.get("held") else ""
        return f"minio {access.get('version', '')}{held}"

    async def start(self) -> None:
        """See Service."""
        await self._relay.start()
        self._lease = await Lease.of(self.name, "minio", self._options(), self._died)
        self._client = client = MinioClient(self._lease.access)
        self._line = NotificationLine((_LOOPBACK, self._lease.access["port"]), client.touch)
        await self._line.start()
        for bucket in self._setup.buckets:
            try:
                await client.make_bucket(bucket, public=not self._setup.users)
            except Refused as error:
                raise SimulatorError(f"service {self.name}: bucket {bucket!r}: {error}") from error
        if self.setup.get("stopped"):
            self._was_ended = True
            await self._lease.ask("stop")
        else:
            await self._serve()

    async def stop(self) -> None:
        """See Service."""
        lease, self._lease = self._lease, None
        await self._buried()
        await self._relay.stop()
        if self._line is not None:
            await self._line.stop()
        if lease is not None:
            await lease.give_back(clean=self._running and not self._was_ended and await self._is_cleaned())
        self._running = False

    async def restart(self, how: str) -> None:
        """See Service."""
        await self._end(how)
        await self._begin()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if not self._running or self._client is None:
            return Published(False, "MinIO does not run")
        try:
            for each in stimuli:
                await self._client.publish(each)
        except Refused as error:
            return Published(False, str(error))
        return Published(True)

    async def delivered(self) -> None:
        """See Service."""
        if self._line is not None and self._running:
            await self._line.settle()

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        if kind == "kill":
            await self._end(kind)
        elif kind == "expireWatch":
            assert self._line is not None, "a service that is faulted has been started"
            self._line.end_streams()
        elif not await self._relay.take_fault(kind, value):
            raise SimulatorError(f"service {self.name}: s3 knows no fault {kind!r}")

    def cannot(self, fault: str) -> str:
        """See Service."""
        return "a real MinIO answers what it answers" if fault == "reply" else ""

    async def heal(self) -> None:
        """See Service."""
        await self._relay.heal()
        if not self._running:
            await self._begin()

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service."""
        listening = listening_of(text)
        if listening is None or not self._running or self._line is None:
            return None
        entitled = sum(listening_of(other) == listening for other in living)
        return self._line.count(listening) <= entitled

    async def fence(self, text: str, mark: str) -> bool:
        """See Service."""
        listening = listening_of(text)
        if listening is None or not self._running or self._line is None:
            return False
        return await self._line.fence(listening, mark)

    def log_tail(self) -> str:
        """See Service."""
        return self._line.trouble if self._line is not None else ""

    def _options(self) -> dict[str, str]:
        """
        Raises:
            ServiceUnavailable: MinIO cannot be as the set-up wants it.
        """
        users = self._setup.users
        reason = ""
        if not self._setup.listening:
            reason = "a MinIO always knows ListenBucketNotification"
        elif self._setup.tls:
            reason = "it is served here without TLS"
        elif len(users) > 1:
            reason = "it has one user here"
        elif any(len(user) < _USER_MIN or len(secret) < _SECRET_MIN for user, secret in users.items()):
            reason = f"MinIO wants {_USER_MIN} characters of a user, and {_SECRET_MIN} of a secret"
        if reason:
            raise ServiceUnavailable(self.name, "local", reason, "the embedded provider can")
        access = {key: value for user, secret in users.items() for key, value in (("user", user), ("secret", secret))}
        # A scenario may have several, and none of them may wait for another.
        return access if self.name == self.type else {**access, "for": self.name}

    async def _is_cleaned(self) -> bool:
        assert self._client is not None, "what runs has a client"
        try:
            await self._client.remove_all()
        except Refused:
            return False
        return True

    async def _begin(self) -> None:
        assert self._lease is not None, "what is begun has been started"
        await self._buried()
        await self._lease.ask("start")
        await self._serve()

    async def _serve(self) -> None:
        assert self._line is not None, "what serves has been started"
        self._running = True
        await self._relay.lead_to(self._line.address)

    async def _end(self, how: str) -> None:
        """
        What is connected is cut here and now, so that a gateway knows it before the next step.
        """
        assert self._lease is not None, "what is ended has been started"
        assert self._line is not None
        self._running, self._was_ended = False, True
        await self._relay.lead_to(None)
        await self._lease.ask("kill" if how == "kill" else "stop")
        await self._line.cut()
        self._relay.disconnect()

    def _died(self, cause: str) -> None:
        self._running, self._was_ended = False, True
        self._dying = asyncio.create_task(self._cut(), name=f"service {self.name} has died")
        self.died(cause)

    async def _buried(self) -> None:
        """
        Wait until what a death leads to is done.
        """
        if self._dying is not None:
            await self._dying
            self._dying = None

    async def _cut(self) -> None:
        await self._relay.lead_to(None)
        if self._line is not None:
            await self._line.cut()


_USER_MIN, _SECRET_MIN = 3, 8
"""As MinIO has it."""
