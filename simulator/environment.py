"""
Environment: everything that one scenario needs running, as one async context: services, gateways, watchers, time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from zoneinfo import ZoneInfo

from simulator.addresses import LOOPBACK, Addresses
from simulator.broker_watching import BrokerWatching
from simulator.cloudevents_spec import ReceivedEvent
from simulator.cluster_objects import prepared
from simulator.errors import ServiceUnavailable
from simulator.gateway_under_test import Builder, CaughtUp, GatewayUnderTest, ReferenceGateway
from simulator.http_client import Response
from simulator.ledger import Ledger
from simulator.providers import Providers
from simulator.real_clock import RealClock
from simulator.scenario_file.draft import walk
from simulator.scenario_file.scenario import Fault, Gateway, Heal, LoadedStep, Restart, Scenario
from simulator.scenario_time import ScenarioTime
from simulator.sensor import RecordingSensor
from simulator.services.registry import service_class
from simulator.services.service import Service
from simulator.services.shapes import service_of
from simulator.step_notes import PLAYED_MAX, Pending, PlayedStep, Progress
from simulator.virtual_clock import VirtualClock

T = TypeVar("T")

FENCE_KEY = "gatesim-fence"
SENSOR_PORT = 9300


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """
    How scenarios are played, whatever they say.
    """

    seed: int = 0
    timeout_scale: float = 1.0
    real_limit_s: float = 60.0
    """`advance` on a real clock beyond this skips the scenario."""
    providers: Providers = field(default_factory=Providers)
    build: Builder | None = None
    """Makes the reference gateway; None for the real one."""
    entered: Callable[[Environment], None] | None = None
    """Told of the environment before it comes up, so that somebody can watch it."""


class Environment:
    """
    One scenario's surroundings. Entered, everything is up and every gateway's configurations are known to listen or
    to have failed; left, nothing remains.

    Args:
        scenario: What to bring up.
        options: How to play it.

    Raises (on entering):
        ServiceUnavailable: A service cannot be had here.
        SimulatorError: A gateway refuses its specification.
    """

    def __init__(self, scenario: Scenario, options: PlayOptions) -> None:
        self.scenario = scenario
        self.options = options
        self.clock = _clock_for(scenario, options)
        self.time = ScenarioTime(self.clock)
        self.ledger = Ledger(self.clock.now)
        self.addresses = Addresses()
        self.progress = Progress()
        self.services: dict[str, Service] = {}
        self.gateways: dict[str, GatewayUnderTest] = {}
        self.sensors: dict[str, RecordingSensor] = {}
        self.brokers = BrokerWatching(self.heads(), self.services)
        self.configurations: dict[str, dict[str, str]] = {}
        """Gateway to its ConfigMap's data as it stands."""
        self.transformer_settings: dict[str, dict[str, str]] = {}
        """The same of the ConfigMap that its transformer's port reads."""
        self._stack = AsyncExitStack()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.line = scenario.line
        """Of the step that is being taken."""
        self.played: list[PlayedStep] = []
        self._proofs: dict[int, str] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._bring_up()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # Names and lookups.

    def heads(self) -> Mapping[str, Gateway]:
        """
        The gateways as the scenario describes them, by name.
        """
        return {gateway.name: gateway for gateway in self.scenario.gateways}

    def gateways_of(self, watcher: str) -> frozenset[str]:
        """
        Names of the gateways that dispatch to *watcher*.
        """
        return frozenset(name for name, head in self.heads().items() if watcher in watcher_names(head))

    def service_for(self, gateway: Gateway) -> Service | None:
        """
        The first service of the type that *gateway* listens to; None where there is none.
        """
        wanted = service_of(gateway.type)
        return next((service for service in self.services.values() if service.type == wanted), None)

    def upstream_first(self) -> list[GatewayUnderTest]:
        """
        Gateways in the order in which events pass them.
        """
        order: list[str] = []
        heads = self.heads()

        def visit(name: str) -> None:
            if name in order or name not in heads:
                return
            order.append(name)
            for target in _gateway_watchers(heads[name]):
                visit(target)

        targets = {target for head in heads.values() for target in _gateway_watchers(head)}
        in_cluster = [name for name, head in heads.items() if head.cluster]  # others may watch what they write there
        for name in (*in_cluster, *(n for n in heads if n not in targets), *heads):
            visit(name)
        return [self.gateways[name] for name in order if name in self.gateways]

    # Time.

    @property
    def virtual_s(self) -> float:
        """
        Virtual time since the start; 0 on a real clock. May be read from any thread.
        """
        return 0.0 if isinstance(self.clock, RealClock) else self.clock.elapsed()

    async def moving(self, work: Coroutine[Any, Any, T], limit_s: float) -> T:
        """
        Run *work* and move time as far as it needs, at most *limit_s*.

        Raises:
            TimeoutError: It was not done by then.
        """
        task = self.own(work, "step")

        if not await self.move_until_done(task, limit_s) and not task.done():
            task.cancel()
            await asyncio.wait([task])
            raise TimeoutError
        return task.result()

    async def advance(self, seconds: float) -> None:
        """
        Move time by *seconds*.
        """
        await self.clock.advance(seconds)

    async def move_until(self, done: Callable[[], Awaitable[bool]], seconds: float | None) -> bool:
        """
        Move time until *done* holds, at most by *seconds*; None asks once, where time stands.
        """
        if seconds is None:
            return await done()
        return await self.clock.move_until(done, seconds)

    async def move_until_done(self, task: asyncio.Task[Any], seconds: float) -> bool:
        """
        Move time until *task* is done, at most by *seconds*.
        """

        async def done() -> bool:
            return task.done()

        return await self.move_until(done, seconds)

    def own(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """
        Start a task that the environment ends at the latest when it is left.
        """
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.clock.awake(task)
        return task

    async def quiesce(self) -> CaughtUp:
        """
        Wait, in real time, until everything that was accepted anywhere has been handed on and no work is under way.
        """
        while True:
            before = len(self.ledger)
            for service in self.services.values():
                await service.delivered()
            all_of_them = [await self._caught_up(gateway) for gateway in self.upstream_first()]
            await self.clock.still()
            if len(self.ledger) == before:
                return CaughtUp(
                    proved=all(one.proved for one in all_of_them),
                    paused=any(one.paused for one in all_of_them),
                    delayed=any(one.delayed for one in all_of_them),
                )

    async def is_quiet(self) -> bool:
        """
        Whether nothing waits on a slow line.
        """
        return not (await self.quiesce()).delayed

    async def _caught_up(self, gateway: GatewayUnderTest) -> CaughtUp:
        """
        Ask *gateway*, as far as the answer comes without scenario time.
        """
        task = self.own(gateway.caught_up(), f"{gateway.name} catches up")
        while not task.done():
            await self.clock.still()
            if not task.done() and not self.clock.active:
                task.cancel()
                await asyncio.wait([task])
                return CaughtUp(proved=False, paused=False, delayed=True)
        return task.result()

    def stimulated(self, count: int = 1) -> None:
        """
        Note that something was sent just now.
        """
        self.progress.stimuli += count
        self.progress.last_stimulus_s = self.clock.elapsed()

    # What steps did.

    def began(self, step: LoadedStep) -> None:
        """
        Note that *step* is being taken.
        """
        self.line = step.line
        self.ledger.record("step", step.kind, step.line)

    def ended(self, step: LoadedStep) -> None:
        """
        Note that *step* held.
        """
        if len(self.played) < PLAYED_MAX:
            self.played.append(PlayedStep(step.line, step.kind, self.clock.elapsed(), self._proofs.pop(step.line, "")))

    def proved(self, line: int, proof: str) -> None:
        """
        Note which proof the step on *line* used.
        """
        self.ledger.record("proof", line, proof)
        self._proofs[line] = proof

    def answered_when_done(self, pending: Pending) -> None:
        """
        Note the answer and the instant at which it came.
        """

        def answered(task: asyncio.Task[Response]) -> None:
            pending.answered_at = self.clock.elapsed()
            if not task.cancelled() and task.exception() is None:
                self.ledger.record("answered", pending.number, task.result().status, task.result().cause)
            if isinstance(self.clock, RealClock):
                self.clock.nudge()

        pending.task.add_done_callback(answered)

    # Bringing up.

    async def _bring_up(self) -> None:
        self._stack.push_async_callback(self._end_tasks)
        if isinstance(self.clock, RealClock):
            clock = self.clock
            self.ledger.listen(lambda _: clock.nudge())
        self._make_services()
        for name, kind in faults_in(self.scenario.steps):
            if reason := self.services[name].cannot(kind):
                raise ServiceUnavailable(name, self.services[name].provider, f"no fault `{kind}`: {reason}")
        await self._start_sensors()
        await self._start_services()
        for head in self.scenario.gateways:
            self.addresses.map_gateway(head.name)
            self.configurations[head.name] = dict(head.config_map or {})
            self.transformer_settings[head.name] = dict(head.transformer_config_map or {})
            await self.brokers.announce(head.name, self.configurations[head.name])
        for head in self.scenario.gateways:
            await self._start_gateway(head)

    def _make_services(self) -> None:
        touched = set(services_touched(self.scenario.steps))
        for name, setup in self.scenario.services.items():
            type_name, as_process = setup.type or name, setup.setup.get("process") is True
            provider = self.options.providers.of(name, type_name, setup.provider)
            service = service_class(type_name, provider, as_process=as_process).serving(setup.setup)(
                name,
                {**prepared(name, setup.setup, self.scenario.gateways), "stopped": setup.stopped},
                peers=setup.as_,
                relayed=setup.stopped or name in touched,
                time=self.time,
                died=self._told_of_death(name),
            )
            self.services[name] = service
            self._stack.push_async_callback(service.stop)
            for peer in setup.as_:
                self.addresses.map(peer, _endpoint_of(service))

    async def _start_services(self) -> None:
        async with asyncio.TaskGroup() as group:
            for service in self.services.values():
                group.create_task(service.start())
        for service in self.services.values():
            for address in service.advertised:
                self.addresses.map(f"{address[0]}:{address[1]}", partial(_same, address))

    def _told_of_death(self, name: str) -> Callable[[str], None]:
        def died(cause: str) -> None:
            self.ledger.record("died", name, cause)

        return died

    async def _start_sensors(self) -> None:
        heads = self.heads()
        for head in heads.values():
            if head.watchers is None:
                continue
            broker = self.brokers.type_for(head.name)
            for sensor in head.watchers.sensors or ():
                if broker:
                    self.brokers.hear(head.name, self._sensor(sensor.name, broker).hear)
                    continue
                await self._start_sensor(sensor.name, f"{sensor.name}-sensor-svc:{SENSOR_PORT}")
            for gateway in head.watchers.gateways or ():
                if gateway.name not in heads:
                    await self._start_sensor(gateway.name, f"{gateway.name}-gateway-svc:{gateway.port}")

    def _sensor(self, name: str, broker: str = "") -> RecordingSensor:
        """
        The sensor *name*, made where it is not there yet.
        """
        if name not in self.sensors:
            self.sensors[name] = RecordingSensor(name, self.ledger, self.time, hidden=self._is_fence, broker=broker)
        return self.sensors[name]

    async def _start_sensor(self, name: str, peer: str) -> None:
        if name not in self.sensors:
            sensor = self._sensor(name)
            self._stack.push_async_callback(sensor.stop)
            await sensor.start()
        port = self.sensors[name].port
        self.addresses.map(peer, lambda: (LOOPBACK, port))

    async def _start_gateway(self, head: Gateway) -> None:
        build = self.options.build
        gateway = ReferenceGateway(
            head.model_dump(by_alias=True, exclude_none=True),
            clock=self.clock,
            addresses=self.addresses,
            ledger=self.ledger,
            seed=self.options.seed,
            api_server=self.services[head.cluster].peers[0] if head.cluster is not None else "",
            **({"build": build} if build is not None else {}),
        )
        self.gateways[head.name] = gateway
        self._stack.push_async_callback(gateway.crash)
        await gateway.start()

    async def _end_tasks(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _is_fence(self, watcher: str, event: ReceivedEvent) -> bool:
        """
        Fences reach watchers like any event; they are noted and otherwise invisible.
        """
        if not self.progress.fences or FENCE_KEY.encode() not in event.data:
            return False
        try:
            mark = json.loads(event.data)[FENCE_KEY]
        except (ValueError, TypeError, KeyError):
            return False
        if mark not in self.progress.fences:
            return False
        self.progress.arrived_fences.add((event.attributes.get("source", ""), mark))
        return True


def _gateway_watchers(head: Gateway) -> tuple[str, ...]:
    return tuple(watcher.name for watcher in head.watchers.gateways or ()) if head.watchers is not None else ()


def watcher_names(head: Gateway) -> frozenset[str]:
    """
    Names of everyone that *head* dispatches to.
    """
    if head.watchers is None:
        return frozenset()
    sensors = (watcher.name for watcher in head.watchers.sensors or ())
    return frozenset((*sensors, *_gateway_watchers(head)))


def faults_in(steps: Iterable[LoadedStep]) -> Iterator[tuple[str, str]]:
    """
    Each fault that steps ask for: the service's name and the kind.
    """
    for step in walk(steps):
        if isinstance(step.body, Fault):
            yield step.body.service, step.body.name


def services_touched(steps: Iterable[LoadedStep]) -> Iterator[str]:
    """
    Names of the services that steps fault, heal or restart.
    """
    for step in walk(steps):
        match step.body:
            case Fault(service=str(name)) | Heal(service=str(name)) | Restart(service=str(name)):
                yield name


def _endpoint_of(service: Service) -> Callable[[], tuple[str, int]]:
    return lambda: service.endpoint


def _clock_for(scenario: Scenario, options: PlayOptions) -> VirtualClock:
    patience_s = 10.0 * options.timeout_scale
    if scenario.clock is None:
        return RealClock(patience_s=patience_s)
    return VirtualClock(scenario.clock.virtual, zone=ZoneInfo(scenario.clock.zone), patience_s=patience_s)


def _same(address: tuple[str, int]) -> tuple[str, int]:
    return address
