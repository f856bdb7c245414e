"""
S3 with MinIO's bucket notifications: our own server in this process, behind a relay where it is faulted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from simulator.errors import SimulatorError
from simulator.services.certificate import Certificate, certified
from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.operations import NAMES
from simulator.services.embedded.s3.server import S3Server
from simulator.services.embedded.s3.store import Actor, Kept, etag_of, object_of
from simulator.services.s3_listening import PUT, REMOVED, example_of, listening_of, mark, mark_in
from simulator.services.s3_shape import S3Setup
from simulator.services.service import LOOPBACK, Around, Published, RelayedService, Service, Stimulus
from simulator.version import VERSION

_LOOK_S, _LOOKS_MAX = 0.001, 50
"""How often it is asked whether notifications have arrived, and how often in vain."""
_OURSELVES = Actor(user="gatesim", sender=LOOPBACK, user_agent=f"gatesim/{VERSION}")


class S3Service(Service):
    """
    What is the same of every S3 service: what its stimuli and events are known by.
    """

    type = "s3"

    def covers(self, text: str, stimulus: Stimulus) -> bool:
        """See Service."""
        listening = listening_of(text)
        event = REMOVED if stimulus.verb == "remove" else PUT
        return listening is not None and listening.covers(event, stimulus.get("bucket"), stimulus.get("key"))

    def mark_of(self, stimulus: Stimulus) -> bytes:
        """See Service."""
        etag = etag_of(stimulus.payload) if stimulus.verb == "put" else ""
        return mark(stimulus.get("bucket"), stimulus.get("key"), etag)

    def mark_in(self, payload: bytes) -> bytes:
        """See Service."""
        return mark_in(payload)


class EmbeddedS3(S3Service, RelayedService):
    """
    One server of its own. With `tls: true` its certificate counts as one that this machine trusts while it is up.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._setup = S3Setup.model_validate(self.own_setup)
        self._server = S3Server(
            self.time.now, self._setup.users, listening=self._setup.listening, hook=self._refusal_of
        )
        self._running = False
        self._restored = False
        self._refused: dict[str, tuple[str, int | None]] = {}
        """Operations that are answered with an error: its code, and how often; None for always."""
        self._certificate: Certificate | None = None

    @property
    def version(self) -> str:
        """See Service."""
        return f"gatesim S3 {VERSION}"

    async def start(self) -> None:
        """See Service."""
        for bucket in self._setup.buckets if not self._restored else ():
            try:
                self._server.store.make_bucket(bucket)
            except S3Error as error:
                raise SimulatorError(f"service {self.name}: bucket {bucket!r}: {error.message}") from error
        if self._relay is not None:
            await self._relay.start()
        if self._setup.tls:
            self._certificate = await certified(self)
        if not self.setup.get("stopped"):
            await self._start_server()

    async def stop(self) -> None:
        """See Service."""
        await self._stop_server()
        if self._relay is not None:
            await self._relay.stop()
        if self._certificate is not None:
            self._certificate.forget()

    async def restart(self, how: str) -> None:
        """See Service. In either way connections are dropped: there is no process to kill."""
        await self._stop_server()
        await self._start_server()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if not self._running:
            return Published(False, "the S3 server does not run")
        try:
            for each in stimuli:
                self._take(each)
        except S3Error as error:
            return Published(False, f"{error.code}: {error.message}")
        return Published(True)

    async def delivered(self) -> None:
        """See Service."""
        before, looks = 0, 0
        while (left := self._server.on_its_way) and looks < _LOOKS_MAX:
            looks = looks + 1 if left == before else 0  # a line that is held up moves nothing
            before = left
            await asyncio.sleep(_LOOK_S)  # real time: until the kernel is asked again

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        if kind == "kill":
            await self._stop_server()
        elif kind == "expireWatch":
            self._server.end_streams()
        elif kind == "reply":
            if value.request not in NAMES:
                raise SimulatorError(f"service {self.name}: S3 has no operation {value.request!r}")
            self._refused[value.request] = str(value.error), value.times
        else:
            await self._break_line(kind, value)

    async def heal(self) -> None:
        """See Service."""
        self._refused.clear()
        if self._relay is not None:
            await self._relay.heal()
        await self._start_server()

    def durable(self) -> Kept:
        """See Service."""
        return self._server.store.kept()

    def restore(self, durable: Kept) -> None:
        """See Service."""
        self._server.store.take_up(durable)
        self._restored = True

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service."""
        listening = listening_of(text)
        if listening is None or not self._running:
            return None
        entitled = sum(listening_of(other) == listening for other in living)
        return self._server.listeners.count(listening) <= entitled

    async def fence(self, text: str, mark: str) -> bool:
        """See Service."""
        listening = listening_of(text)
        if listening is None or not self._running:
            return False
        event, key = example_of(listening)
        return self._server.tell_of({"gatesim-fence": mark}, listening.bucket, key, event) > 0

    def _take(self, stimulus: Stimulus) -> None:
        store, bucket, key = self._server.store, stimulus.get("bucket"), stimulus.get("key")
        if stimulus.verb == "put":
            headers = {name.lower(): value for name, value in stimulus.headers}
            store.put(bucket, key, object_of(stimulus.payload, headers, store.now()), _OURSELVES)
        else:
            store.bucket(bucket)
            store.remove(bucket, key, _OURSELVES)

    def _refusal_of(self, operation: str) -> S3Error | None:
        code, times = self._refused.get(operation, ("", None))
        if not code:
            return None
        if times is not None:
            self._refused[operation] = code, times - 1
            if times <= 1:
                del self._refused[operation]
        return S3Error(code)

    async def _start_server(self) -> None:
        if self._running:
            return
        encryption = self._certificate.serving() if self._certificate is not None else None
        await self._server.start(encryption=encryption)
        self._running = True
        self._port = self._server.port
        await self._lead_to_server()

    async def _stop_server(self) -> None:
        """
        What is connected is cut here and now, so that a gateway knows it before the next step.
        """
        self._running = False
        if self._relay is not None:
            await self._relay.lead_to(None)
        await self._server.stop()
        if self._relay is not None:
            self._relay.disconnect()
