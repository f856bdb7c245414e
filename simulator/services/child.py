"""
ChildService: one of our own servers as a process of its own, behind a relay, so that a kill is a SIGKILL.

The child runs the very service that would else run here, and is told what to do over a socket in its folder. What
outlives a kill is fetched from it at the last moment: that is what a journal which it kept would hold.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Unpack

import simulator
from simulator.errors import ServiceUnavailable, SimulatorError
from simulator.relay import Relay
from simulator.services.child_line import ChildLine, LineLost
from simulator.services.process import Exit, LocalProcess, StartFailed
from simulator.services.service import Around, Published, Service, SocketAddress, Stimulus

_LOOPBACK = "127.0.0.1"
_START_LIMIT_S, _STOP_LIMIT_S = 20.0, 5.0
_ABSENT_LIMIT_S = 2.0
"""Real time in which a process notices that a client has closed its connection."""
_SEEN = {"ready": re.compile("^ready$")}
_BIRTH = "import sys; sys.path.append(sys.argv[1]); from simulator.services.child_main import main; main(sys.argv[2])"
_ROOT = str(Path(simulator.__file__).parents[1])
_NOT_THERE = "does not run"


def in_process_of_its_own(local: type[Service]) -> type[Service]:
    """
    The class of the same service that runs as a child.
    """
    return type(f"{local.__name__}Child", (ChildService,), {"type": local.type, "local": local})


class ChildService(Service):
    """
    One child. See Service for what its methods promise.
    """

    local: ClassVar[type[Service]]
    """What runs in the child."""

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._twin = self.local(name, self.own_setup, peers=self.peers, relayed=False, time=self.time, died=self.died)
        """Never started; answers what follows from the set-up alone."""
        self._process = LocalProcess(self.type, died=self._ended)
        self._relays = [Relay((), self.time) for _ in self._twin.advertised or (None,)]
        self._line: ChildLine | None = None
        self._durable: Any = None

    @property
    def endpoint(self) -> SocketAddress:
        """See Service."""
        return _LOOPBACK, self._relays[0].port

    @property
    def advertised(self) -> Sequence[SocketAddress]:
        """See Service."""
        return tuple((_LOOPBACK, relay.port) for relay in self._relays) if self._twin.advertised else ()

    @property
    def version(self) -> str:
        """See Service."""
        return f"{self._twin.version}, in a process of its own"

    @property
    def pid(self) -> int | None:
        """
        The child's process id; None where it does not run.
        """
        return self._process.pid

    async def start(self) -> None:
        """See Service."""
        for relay in self._relays:
            await relay.start()
            own = (f"{_LOOPBACK}:{relay.port}",) if self._twin.advertised else ()
            relay.peers = (*self.peers, *own) if relay is self._relays[0] else own
        if not self.setup.get("stopped"):
            await self._come_up()

    async def stop(self) -> None:
        """See Service."""
        self._hang_up()
        await self._process.stop(_STOP_LIMIT_S)
        for relay in self._relays:
            await relay.stop()
        self._process.remove_folder()

    async def restart(self, how: str) -> None:
        """See Service."""
        await self._leave(how)
        await self._come_up()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        try:
            published: Published = await self._ask("publish", tuple(stimuli))
        except LineLost as lost:
            return Published(False, f"the {self.type} process {lost}")
        return published

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        if kind == "kill":
            await self._leave("kill")
            return
        if all([await relay.take_fault(kind, value) for relay in self._relays]):
            return
        try:
            await self._ask("fault", kind, value)
        except LineLost as lost:
            raise SimulatorError(f"service {self.name}: its process {lost}, so it takes no fault {kind!r}") from lost

    async def heal(self) -> None:
        """See Service."""
        for relay in self._relays:
            await relay.heal()
        if self._line is None:
            await self._come_up()
        else:
            await self._ask("heal")

    def covers(self, text: str, stimulus: Stimulus) -> bool:
        """See Service."""
        return self._twin.covers(text, stimulus)

    def mark_of(self, stimulus: Stimulus) -> bytes:
        """See Service."""
        return self._twin.mark_of(stimulus)

    def mark_in(self, payload: bytes) -> bytes:
        """See Service."""
        return self._twin.mark_in(payload)

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service. Asks again for as long as the child may not have noticed yet who has left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _ABSENT_LIMIT_S
        while True:
            try:
                found: bool | None = await self._ask("absent", text, tuple(living))
            except LineLost:
                return None
            if found is not False or loop.time() > deadline:
                return found

    async def fence(self, text: str, mark: str) -> bool:
        """See Service."""
        try:
            fenced: bool = await self._ask("fence", text, mark)
        except LineLost:
            return False
        return fenced

    def log_tail(self) -> str:
        """See Service."""
        return "\n".join(line for line in self._process.log_tail().splitlines() if line != "ready")

    async def _come_up(self) -> None:
        if self._line is not None:
            return
        try:
            await self._process.start([sys.executable, "-c", _BIRTH, _ROOT, "control"], _SEEN, _START_LIMIT_S)
        except StartFailed as error:
            raise ServiceUnavailable(self.name, self.provider, str(error)) from error
        self._line = await ChildLine.to(self._process.folder / "control")
        try:
            await self._ask("make", self.type, self.name, self.own_setup, self.peers, self._durable)
            places = await self._ask("start", self.advertised)
        except LineLost as lost:
            raise ServiceUnavailable(self.name, self.provider, f"its process {lost}") from lost
        for relay, place in zip(self._relays, places, strict=True):
            await relay.lead_to(place)

    async def _leave(self, how: str) -> None:
        """
        What it was connected to is cut here and now, so that a gateway knows it before the next step.
        """
        for relay in self._relays:
            await relay.lead_to(None)
        if self._line is not None:
            with suppress(LineLost):  # it has died a moment before, so that nobody knows what it kept in the end
                self._durable = await self._ask("durable")
            self._hang_up()
        if how == "kill":
            await self._process.kill()
        else:
            self._process.signal(signal.SIGCONT)
            await self._process.stop(_STOP_LIMIT_S)
        for relay in self._relays:
            relay.disconnect()

    async def _ask(self, method: str, *arguments: Any) -> Any:
        if self._line is None:
            raise LineLost(_NOT_THERE)
        return await self._line.ask(self.time.now(), method, *arguments)

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _ended(self, end: Exit) -> None:
        self._hang_up()
        for relay in self._relays:
            relay.disconnect()
        self.died(f"the {self.type} process {end}")
