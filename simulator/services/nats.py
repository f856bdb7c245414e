"""
NATS with JetStream: a nats-server that gateways talk to in its own protocol.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack

from simulator.errors import SimulatorError
from simulator.services.nats_publisher import CLIENT_NAME, NatsPublisher, NatsRefused
from simulator.services.nats_server import NatsServer
from simulator.services.nats_shape import NatsSetup, NatsStream
from simulator.services.nats_subjects import Listening, concrete, matches, possible
from simulator.services.nats_watcher import NatsWatcher
from simulator.services.service import LOOPBACK, Around, BrokerMessage, Dispatching, Published, Stimulus


@dataclass(frozen=True, slots=True)
class _Hearing:
    """
    One watcher of what a gateway dispatches.
    """

    dispatch: Dispatching
    heard: Callable[[BrokerMessage], None]
    subjects: set[str] = field(default_factory=set)


class EmbeddedNats(NatsServer):
    """
    One nats-server of its own.
    """

    type = "nats"

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._setup = NatsSetup.model_validate(self.own_setup)
        self._publisher: NatsPublisher | None = None
        self._hearing: list[_Hearing] = []
        self._watcher: NatsWatcher | None = None
        self._read: dict[str, int] = {}

    def watch(self, dispatch: Dispatching, heard: Callable[[BrokerMessage], None]) -> None:
        """See Service."""
        self._hearing.append(_Hearing(dispatch, heard))

    async def dispatching(self, gateway: str, configurations: Iterable[str]) -> None:
        """See Service."""
        for hearing in self._hearing:
            if hearing.dispatch.gateway == gateway and not hearing.dispatch.stored:
                hearing.subjects.update(f"{gateway}/{name}" for name in configurations)
        await self._hear()

    async def delivered(self) -> None:
        """See Service."""
        if self._watcher is not None:
            await self._watcher.heard_all()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if self._publisher is None:
            return Published(False, "nats-server does not run")
        kept = tuple(subject for stream in self._setup.streams.values() for subject in stream.subjects)
        return await self._publisher.publish(stimuli, [_covered(kept, each.get("subject")) for each in stimuli])

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

    def _serving(self, port: int) -> dict[str, Any]:
        serving: dict[str, Any] = {"listen": f"{LOOPBACK}:{port}", **self._tls_files()}
        if self._setup.streams or self._setup.jetstream:
            serving["jetstream"] = {"store_dir": str(self._process.folder / "store")}
        return serving

    async def _serves(self) -> None:
        self._publisher = NatsPublisher(self._access())
        await self._make_streams(self._publisher)
        if self._hearing:
            self._watcher = NatsWatcher(self._heard, self._read)
            await self._watcher.start(self._access())
            if any(hearing.dispatch.stored for hearing in self._hearing):
                await self._watcher.follow(self._setup.streams)
            await self._hear()

    async def _hear(self) -> None:
        if self._watcher is not None:
            subjects = {subject for hearing in self._hearing for subject in hearing.subjects}
            await self._watcher.hear(sorted(filter(possible, subjects)))

    def _heard(self, message: BrokerMessage) -> None:
        subject = dict(message.place)["subject"]
        for hearing in self._hearing:
            if subject.startswith(f"{hearing.dispatch.gateway}/"):
                hearing.heard(message)

    async def _leave(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            await watcher.heard_all()
            await watcher.close()
        if self._publisher is not None:
            await self._publisher.close()

    def _forget(self) -> None:
        self._publisher = None
        self._watcher = None

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
