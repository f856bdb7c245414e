"""
GatewayUnderTest: the gateway that a scenario is played against; the reference gateway in this process, so far.

The only file of the simulator that imports the gateway. Everything else sees a gateway by this shape alone, because
the judge must be able to judge somebody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from gateways.addresses import Cluster, Endpoint
from gateways.chance import Chance
from gateways.clock import Wakeup, end, join
from gateways.cloudevent import CloudEvent
from gateways.configmap import MemorySource
from gateways.errors import AddressRefused, GatewayError, SourceUnavailable
from gateways.gateway import Gateway
from gateways.gateway_spec import gateway_from_mapping
from gateways.limits import Retry
from gateways.secrets import KnownSecrets
from gateways.source_event import Certainty, DispatchResult, Settlement
from gateways.status import Node
from simulator.addresses import Addresses, UnknownAddress
from simulator.cluster_objects import NAMESPACE, config_map_name
from simulator.errors import SimulatorError
from simulator.ledger import Ledger
from simulator.real_clock import RealClock
from simulator.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from gateways.cluster_gateway import InCluster


class ConfigurationStatus(NamedTuple):
    """
    What a gateway says of one configuration.
    """

    phase: str
    message: str
    id: str
    """Of its entry in the Gateway's status."""


class CaughtUp(NamedTuple):
    """
    Whether a gateway has handed on all that its services had accepted.
    """

    proved: bool
    """Every living configuration can tell, and has."""
    paused: bool
    """One of them does not read at present, because there is no room."""
    delayed: bool = False
    """Only scenario time brings the answer: a line to a service is slow, paused or dead."""


class GatewayUnderTest(Protocol):
    """
    One gateway of a scenario.
    """

    name: str

    async def start(self) -> None:
        """Bring it up; returns when each configuration is known to listen or to have failed."""

    async def stop(self) -> None:
        """Stop it gracefully; returns when it is gone. Time must be allowed to move meanwhile."""

    async def crash(self) -> None:
        """End it as a crash would: every transport dropped, nothing settled."""

    async def configure(self, data: Mapping[str, str] | None) -> None:
        """Change its ConfigMap (None: delete it); returns when the change is applied."""

    async def configure_transformer(self, data: Mapping[str, str] | None) -> None:
        """Change the ConfigMap of its transformer's port."""

    async def caught_up(self) -> CaughtUp:
        """Return once all that its services had accepted before the call has been handed on."""

    def status(self) -> dict[str, ConfigurationStatus]:
        """What it says of each configuration, by name."""

    @property
    def is_running(self) -> bool:
        """Whether it was started and neither stopped nor died."""

    @property
    def in_flight(self) -> int:
        """Events taken in and not settled."""

    @property
    def longest_retry_s(self) -> float:
        """After so long nothing that it has taken in can still be on its way."""

    @property
    def leftover(self) -> tuple[str, ...]:
        """Names of tasks that outlived a stop and are still there; a well-made gateway leaves none."""


Builder = Callable[..., Gateway]
"""Makes the gateway: `gateways.gateway.Gateway`, or a broken one whose scenarios must notice."""


class ReferenceGateway:
    """
    The reference gateway, in this process and on the scenario's clock.

    Args:
        head: The scenario's `gateways[]` entry as a mapping.
        clock: The scenario's.
        addresses: The scenario's.
        ledger: Told of each event's way.
        seed: Of the gateway's chance.
        api_server: `host:port` of the cluster that holds what it consists of; empty for none.
        build: Makes the gateway.

    Raises:
        SimulatorError: The gateway refuses its own specification.
    """

    def __init__(
        self,
        head: Mapping[str, Any],
        *,
        clock: VirtualClock,
        addresses: Addresses,
        ledger: Ledger,
        seed: int,
        api_server: str = "",
        build: Builder = Gateway,
    ) -> None:
        self.name = str(head["name"])
        self._head = head
        self._clock = clock
        self._addresses = _Book(addresses, self.name, api_server)
        self._is_in_cluster = bool(api_server)
        self._cluster: InCluster | None = None
        self._ledger = ledger
        self._seed = seed
        self._starts = -1
        """So that a gateway that starts again draws other ids than it did."""
        self._build = build
        self._data: Mapping[str, str] | None = head.get("configMap")
        self._transformer_data: Mapping[str, str] | None = head.get("transformerConfigMap")
        self._gateway: Gateway | None = None
        self._task: asyncio.Task[None] | None = None
        self._source = MemorySource(self._data, self._clock)
        self._transformer_source = MemorySource(self._transformer_data, self._clock)
        self._before: frozenset[asyncio.Task[Any]] = frozenset()
        self._leftover: tuple[asyncio.Task[Any], ...] = ()
        try:
            mapping = {key: value for key, value in head.items() if key != "cluster"}
            self._spec = gateway_from_mapping(mapping, jitter=Retry().jitter if isinstance(clock, RealClock) else 0.0)
        except GatewayError as error:
            raise SimulatorError(f"gateway {self.name}: {error}") from error
        if self._is_in_cluster:
            self._spec = replace(self._spec, config_map=config_map_name(self.name), namespace=NAMESPACE)

    @property
    def is_running(self) -> bool:
        """See GatewayUnderTest."""
        return self._task is not None and not self._task.done()

    @property
    def in_flight(self) -> int:
        """See GatewayUnderTest."""
        return self._gateway.in_flight if self._gateway is not None else 0

    @property
    def longest_retry_s(self) -> float:
        """See GatewayUnderTest."""
        retry, limits = self._spec.retry, self._spec.limits
        answers = retry.attempts * max(limits.answer_s, limits.gateway_answer_s)
        return max(retry.total_s() + answers, limits.webhook_deadline_s, retry.backoff_s_max * (1 + retry.jitter))

    @property
    def leftover(self) -> tuple[str, ...]:
        """See GatewayUnderTest."""
        return tuple(sorted(task.get_name() for task in self._leftover if not task.done()))

    async def start(self) -> None:
        """See GatewayUnderTest."""
        self._before = frozenset(asyncio.all_tasks())
        self._starts += 1  # ids of events are drawn by chance, and no two incarnations may draw the same ones
        self._source = MemorySource(self._data, self._clock)
        self._transformer_source = MemorySource(self._transformer_data, self._clock)
        transformer_source = self._transformer_source if self._transformer_data is not None else None
        cluster = self._cluster = await self._connected() if self._is_in_cluster else None
        try:
            gateway = self._build(
                self._spec,
                self._source if cluster is None else cluster.source,
                clock=self._clock,
                addresses=self._addresses,
                chance=Chance(self._seed + self._starts),
                observer=_Observer(self.name, self._ledger),
                secrets=KnownSecrets(self._head.get("secrets")) if cluster is None else cluster.secrets,
                transformer_source=transformer_source if cluster is None else cluster.transformer_source,
            )
        except GatewayError as error:
            raise SimulatorError(f"gateway {self.name}: {error}") from error
        gateway.status.listen(_StatusObserver(self.name, self._ledger))
        if cluster is not None:
            cluster.keep_status_of(gateway)
        self._starts += 1
        self._gateway = gateway
        self._task = asyncio.create_task(self._live(gateway), name=f"gateway {self.name}")
        self._clock.awake(self._task)
        await self._until(gateway.started())
        await self._until(gateway.ready())

    async def stop(self) -> None:
        """See GatewayUnderTest."""
        if self._gateway is not None and self._task is not None and not self._task.done():
            if self._cluster is not None:
                self._cluster.stopping()
            self._gateway.stop()
            await join(self._clock, self._task)
            if self._cluster is not None:
                await self._cluster.close()
            self._note_leftover()

    async def crash(self) -> None:
        """See GatewayUnderTest."""
        if self._gateway is not None and self._task is not None and not self._task.done():
            self._gateway.abort()
            await end(self._clock, self._task)
        if self._cluster is not None:
            await self._cluster.abort()

    async def configure(self, data: Mapping[str, str] | None) -> None:
        """See GatewayUnderTest."""
        self._data = data
        await self._until(self._source.set(data) if self._cluster is None else self._follow_cluster(self._cluster))
        if self._gateway is not None:
            await self._until(self._gateway.ready())

    async def configure_transformer(self, data: Mapping[str, str] | None) -> None:
        """See GatewayUnderTest."""
        self._transformer_data = data
        source = self._transformer_source
        await self._until(source.set(data) if self._cluster is None else self._follow_cluster(self._cluster))

    async def caught_up(self) -> CaughtUp:
        """See GatewayUnderTest."""
        if self._gateway is None or not self.is_running:
            return CaughtUp(proved=True, paused=False)
        proved, paused = True, False
        if self._cluster is not None:
            proved = await self._has_followed(self._cluster)
            await self._gateway.ready()
            await self._cluster.written()
        for running in self._gateway.running:
            processor = running.processor
            if processor is not None:
                proved = await processor.caught_up() and proved
                paused = paused or processor.paused()
        return CaughtUp(proved, paused)

    def status(self) -> dict[str, ConfigurationStatus]:
        """See GatewayUnderTest."""
        if self._gateway is None:
            return {}
        nodes = self._gateway.status.nodes.values()
        return {node.name: ConfigurationStatus(node.phase.value, node.message, node.id) for node in nodes}

    async def _connected(self) -> InCluster:
        from gateways.cluster import connect  # noqa: PLC0415 - for few scenarios a large client
        from gateways.cluster_gateway import InCluster  # noqa: PLC0415 - as above

        limit_s = self._spec.limits.connect_s
        server = await connect(self._addresses.cluster(), clock=self._clock, limit_s=limit_s)
        return InCluster(server, self._spec, clock=self._clock, chance=Chance(self._seed))

    async def _follow_cluster(self, cluster: InCluster) -> None:
        await self._has_followed(cluster)

    async def _has_followed(self, cluster: InCluster) -> bool:
        """
        Whether all that the cluster had before the call is taken in, or nothing more comes before time has passed.
        """
        try:
            await cluster.caught_up()
        except TimeoutError:
            return False
        except SourceUnavailable:
            return True
        return True

    async def _live(self, gateway: Gateway) -> None:
        try:
            await gateway.run()
        except Exception as error:
            causes = getattr(error, "exceptions", (error,))
            self._ledger.record("died", self.name, "; ".join(f"{type(c).__name__}: {c}" for c in causes))

    async def _until(self, done: Coroutine[Any, Any, None]) -> None:
        """
        Wait for *done*, or until the gateway is no more.
        """
        assert self._task is not None
        waiting = asyncio.create_task(done)
        self._clock.awake(waiting)
        either = Wakeup(self._clock)

        def one_is_done(_: asyncio.Task[Any]) -> None:
            either.set()

        waiting.add_done_callback(one_is_done)
        self._task.add_done_callback(one_is_done)
        try:
            if not self._task.done():
                await either.wait()
        finally:
            self._task.remove_done_callback(one_is_done)
        if waiting.done():
            waiting.result()
        else:
            await end(self._clock, waiting)

    def _note_leftover(self) -> None:
        """
        Tasks of gateways that started later and still run are among them; those end with their gateway.
        """
        alive = asyncio.all_tasks() - self._before - {asyncio.current_task()}
        self._leftover = tuple(task for task in alive if _belongs_to_gateways(task))


def _belongs_to_gateways(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "/gateways/" in code.co_filename.replace("\\", "/")


_API_SERVER = ("kubernetes.default.svc", 443)
"""What every cluster calls its own."""


class _Book:
    """
    The gateway's AddressBook over the scenario's addresses.
    """

    def __init__(self, addresses: Addresses, gateway: str, api_server: str) -> None:
        self._addresses = addresses
        self._gateway = gateway
        host, _, port = api_server.rpartition(":")
        self._api_server = (host, int(port)) if api_server else _API_SERVER

    def dial(self, host: str, port: int) -> Endpoint:
        try:
            return self._addresses.dial(host, port)
        except UnknownAddress as error:
            raise AddressRefused(host, port, str(error)) from error

    def listen(self, port: int) -> Endpoint:
        return self._addresses.listen(self._gateway, port)

    def cluster(self) -> Cluster:
        host, port = self.dial(*self._api_server)
        return Cluster(f"http://{host}:{port}", peer=f"{self._api_server[0]}:{self._api_server[1]}")


class _Observer:
    """
    Writes an event's way through the gateway into the ledger.
    """

    def __init__(self, gateway: str, ledger: Ledger) -> None:
        self._gateway = gateway
        self._ledger = ledger

    def received(self, configuration: str, event: CloudEvent) -> None:
        self._ledger.record("received", self._gateway, configuration, event.source, event.id)

    def attempted(self, configuration: str, event: CloudEvent, result: DispatchResult) -> None:
        if result.certainty is not Certainty.ACCEPTED:
            facts = (event.id, result.watcher, result.attempts, result.certainty.value, result.cause)
            self._ledger.record("attempted", self._gateway, configuration, *facts)

    def settled(self, configuration: str, event: CloudEvent, settlement: Settlement) -> None:
        self._ledger.record("settled", self._gateway, configuration, event.id, settlement.accepted, settlement.cause)


class _StatusObserver:
    def __init__(self, gateway: str, ledger: Ledger) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._names: dict[str, str] = {}

    def __call__(self, node: Node | None, id: str) -> None:
        if node is None:
            self._ledger.record("status", self._gateway, self._names.pop(id, ""), id, "Removed", "")
        else:
            self._names[id] = node.name
            self._ledger.record("status", self._gateway, node.name, id, node.phase.value, node.message)
