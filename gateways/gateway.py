"""
Gateway: takes in configurations as they come and go, and runs each through the pipeline.

Order on a change: configurations that are gone stop receiving, then the new ones start; what the old ones still have
in flight is settled in the background, so that a watcher that hangs never holds up a change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from gateways.addresses import AddressBook, Endpoint
from gateways.chance import Chance
from gateways.clock import Clock, Wakeup, end, join, start
from gateways.configmap import Configuration, ConfigurationSource, configurations, diff
from gateways.control_port import ControlPort
from gateways.dispatch_mechanism import targets_of
from gateways.gateway_spec import GatewaySpec
from gateways.observer import Observer
from gateways.processor import Shared
from gateways.registry import processor_for
from gateways.running_configuration import Frame, RunningConfiguration
from gateways.secrets import KnownSecrets, Secrets
from gateways.status import Status
from gateways.transformer_service import TransformerService

_log = logging.getLogger("gateways")


class Gateway:
    """
    One gateway.

    Args:
        spec: What the Gateway resource says.
        source: Yields the configurations, the whole set at each change.
        clock: Time.
        addresses: Where to connect and bind.
        chance: Random ids and jitter.
        observer: Told of each event's way.
        secrets: Where values are that texts only name; None: there are none.
        transformer_source: Settings of the transformer's port, where a ConfigMap of that kind exists.

    Raises:
        ManifestError: Nobody serves the type.
        ConfigurationError: What the spec says of a broker to dispatch to cannot be used.
    """

    def __init__(
        self,
        spec: GatewaySpec,
        source: ConfigurationSource,
        *,
        clock: Clock,
        addresses: AddressBook,
        chance: Chance,
        observer: Observer | None = None,
        transformer_source: ConfigurationSource | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self.spec = spec
        self.status = Status(started_at=clock.now())
        self.control_address: Endpoint | None = None
        """Where status, health and metrics are served; None until they are."""
        self._source = source
        self._processor_type = processor_for(spec.type, may_lack=spec.transformer_port is not None)
        self._frame = Frame(
            gateway=spec.name,
            type=spec.type,
            version=spec.version,
            ordered=spec.order == "lane",
            clock=clock,
            addresses=addresses,
            chance=chance,
            limits=spec.limits,
            retry=spec.retry,
            status=self.status,
            observer=observer,
            secrets=secrets or KnownSecrets(),
        )
        self._targets = targets_of(spec, clock=clock, addresses=addresses)
        self._running: dict[Configuration, RunningConfiguration] = {}
        self._ending: dict[RunningConfiguration, asyncio.Task[None]] = {}
        self._tasks: dict[RunningConfiguration, asyncio.Task[None]] = {}
        self._shared: Shared | None = None
        self._transformer = TransformerService(spec, self._frame, self._targets, transformer_source)
        self._stop_asked = Wakeup(clock)
        self._started = Wakeup(clock)

    @property
    def running(self) -> tuple[RunningConfiguration, ...]:
        """
        The configurations of the current set, in key order.
        """
        return tuple(self._running[entry] for entry in sorted(self._running, key=lambda entry: entry.key))

    @property
    def in_flight(self) -> int:
        """
        Events taken in and not settled yet, those of removed configurations included.
        """
        return sum(running.in_flight for running in self._tasks) + self._transformer.in_flight

    @property
    def unsettled(self) -> dict[str, int]:
        """
        Events taken in and not settled yet, by configuration, those of removed ones included; without those of none.
        """
        found: dict[str, int] = {}
        for running in self._tasks:
            if running.in_flight:
                found[running.entry.key] = found.get(running.entry.key, 0) + running.in_flight
        if self._transformer.in_flight:
            found["the transformer's port"] = self._transformer.in_flight
        return found

    def stop(self) -> None:
        """
        Ask for a graceful stop; `run` returns when it is done.
        """
        self._stop_asked.set()

    async def started(self) -> None:
        """
        Wait until the ports are open and the first set of configurations is taken in.
        """
        await self._started.wait()

    async def ready(self) -> None:
        """
        Wait until each configuration of the current set is known to listen or to have failed.
        """
        while waiting := [running for running in self._running.values() if not running.known]:
            await waiting[0].taken_up()

    async def run(self) -> None:
        """
        Run until `stop`. Then: stop receiving, settle what is in flight within the limit, close everything.

        Raises:
            OSError: The transformer's or the control port cannot be bound.
        """
        self._shared = self._processor_type.make_shared(self._frame)
        async with asyncio.TaskGroup() as group, self._ports(group):
            watch = self._start_task(group, self._watch(group), "configurations")
            await self._stop_asked.wait()
            await end(self._frame.clock, watch)
            await self._stop_all(group)

    def abort(self) -> None:
        """
        Drop every connection and listener at once, as a crash would. The caller then cancels `run`.
        """
        for running in self._tasks:
            running.abort()
        if self._shared is not None:
            self._shared.abort()
        self._transformer.abort()
        self._targets.abort()

    @asynccontextmanager
    async def _ports(self, group: asyncio.TaskGroup) -> AsyncIterator[None]:
        control = ControlPort(self.spec.name, self.status, self._frame.clock)
        await self._transformer.start(group)
        try:
            if self.spec.control_port is not None:
                host, port = self._frame.addresses.listen(self.spec.control_port)
                self.control_address = host, await control.start(host, port)
            yield
        except OSError:
            self._transformer.abort()
            raise
        finally:
            await control.close()

    async def _watch(self, group: asyncio.TaskGroup) -> None:
        async for data in self._source.changes():
            if data is not None:
                await self._apply(data, group)
            self._started.set()

    async def _apply(self, data: Mapping[str, str], group: asyncio.TaskGroup) -> None:
        stale, new = diff(self._running, configurations(data))
        gone = [self._running.pop(entry) for entry in stale]
        await self._stop_receiving(gone, group)
        for entry in new:
            self._start(entry, group)
        if self._shared is not None:
            await self.ready()
            await self._shared.reconcile()

    async def _stop_receiving(self, gone: list[RunningConfiguration], group: asyncio.TaskGroup) -> None:
        """
        Side by side: one whose service hangs must not keep the others listening.
        """
        stopping = [self._start_task(group, running.stop_receiving(), f"stop {running.entry.key}") for running in gone]
        for task in stopping:
            await join(self._frame.clock, task)
        for running in gone:
            self._ending[running] = self._start_task(group, self._finish(running), f"finish {running.entry.key}")

    async def _finish(self, running: RunningConfiguration) -> None:
        await running.finish()
        await end(self._frame.clock, self._tasks[running])
        del self._tasks[running], self._ending[running]

    def _start_task(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return start(self._frame.clock, group, work, name=name)

    def _start(self, entry: Configuration, group: asyncio.TaskGroup) -> None:
        running = RunningConfiguration(
            entry,
            self._frame,
            processor_type=self._processor_type,
            shared=self._shared,
            targets=self._targets,
        )
        self._running[entry] = running
        self._tasks[running] = self._start_task(group, running.run(), f"run {entry.key}")

    async def _stop_all(self, group: asyncio.TaskGroup) -> None:
        everyone = [running for running in self._tasks if running not in self._ending]
        self._running.clear()
        await self._stop_receiving(everyone, group)
        await self._transformer.stop()
        for finishing in tuple(self._ending.values()):
            await join(self._frame.clock, finishing)
        if self._shared is not None:
            await self._shared.close()
        await self._targets.close()
