"""
Service: what a gateway talks to, the same to the runner whatever it is; its providers, and where it can be reached.

A service knows how to publish its own kind of stimulus, to prove who listens, and to break. It is imported only when
a scenario needs it; its shape (keys, addresses, faults), which `lint` needs, is in shapes.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, TypedDict, Unpack

from simulator.errors import SimulatorError
from simulator.relay import Relay

SocketAddress = tuple[str, int]
LOOPBACK = "127.0.0.1"
ServiceClass: TypeAlias = "type[Service]"
"""Has a name because a service's own `type` is in the way of the built-in one."""


class ServiceTime(Protocol):
    """
    What services need of the scenario's time.
    """

    def now(self) -> datetime:
        """
        The instant, in UTC and aware.
        """

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """
        Call *callback* in *seconds* of scenario time.

        Returns:
            Call it to cancel.
        """

    def stall_peer(self, peer: str) -> Callable[[], None]:
        """
        All work on *peer* (`host:port` as texts name it) waits for scenario time until the returned function is called.
        """


class Around(TypedDict):
    """
    What a service is given beside its name and set-up: see Service.
    """

    peers: Sequence[str]
    relayed: bool
    time: ServiceTime
    died: Callable[[str], None]


class Stimulus(NamedTuple):
    """
    Something published, once.
    """

    coordinates: tuple[tuple[str, str], ...]
    """Where to, in the service's own words: (("subject", "foo"),)."""
    payload: bytes
    headers: tuple[tuple[str, str], ...] = ()
    verb: str = "publish"
    """What is asked of the service: the kind of the step."""

    def get(self, name: str) -> str:
        """
        One coordinate; empty where it has none of that name.
        """
        return dict(self.coordinates).get(name, "")


class Published(NamedTuple):
    """
    What the service said to a stimulus.
    """

    taken: bool
    """The service has it for certain."""
    cause: str = ""
    """Why not; empty when taken."""


class Dispatching(NamedTuple):
    """
    How a gateway dispatches to a broker.
    """

    gateway: str
    topic: str = ""
    """Of Kafka."""
    stored: bool = False
    """Of NATS: to its streams."""


class BrokerMessage(NamedTuple):
    """
    What a gateway dispatched to a broker.
    """

    place: tuple[tuple[str, str], ...]
    """Where it stands there, in the service's own words: (("subject", "gw/foo"),)."""
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes


class Service(ABC):
    """
    One service of one scenario, on one provider.

    Args:
        name: As the scenario names it.
        setup: The scenario's `services.<name>` mapping, as given.
        peers: The addresses in texts that mean this service, `host:port`.
        relayed: Whether a relay stands in front, because the scenario restarts or faults it.
        time: For delays and stalls.
        died: Told the cause when the service ends without having been asked to.
    """

    type: ClassVar[str]

    def __init__(
        self,
        name: str,
        setup: Mapping[str, Any],
        *,
        peers: Sequence[str],
        relayed: bool,
        time: ServiceTime,
        died: Callable[[str], None],
    ) -> None:
        self.name = name
        self.setup = setup
        self.own_setup = {key: value for key, value in setup.items() if key != "stopped"}
        """What of it only this type of service knows."""
        self.peers = tuple(peers)
        self.relayed = relayed
        self.time = time
        self.died = died
        self.known_as: Sequence[SocketAddress] = ()
        """Where clients are to be told that it is, in place of where it listens; empty for there."""

    @classmethod
    def serving(cls, setup: Mapping[str, Any]) -> ServiceClass:
        """
        The class whose service has that *setup*: this one, unless a type is served by several.
        """
        return cls

    @property
    @abstractmethod
    def endpoint(self) -> SocketAddress:
        """
        Where gateways connect; the same for the whole scenario. Valid after `start`.
        """

    @property
    def advertised(self) -> Sequence[SocketAddress]:
        """
        Addresses that it tells its clients of; each leads where it says. Valid after `start`.
        """
        return ()

    @property
    def provider(self) -> str:
        """
        `embedded`, `local`, `container` or `external`.
        """
        return "embedded"

    @property
    @abstractmethod
    def version(self) -> str:
        """
        What runs, for reports: `nats-server 2.15.1`.
        """

    @abstractmethod
    async def start(self) -> None:
        """
        Bring it up, set-up included, and return once it answers. With `stopped: true` in the set-up only its address
        is reserved.

        Raises:
            ServiceUnavailable: It cannot be had here; the error says why and how to get it.
        """

    @abstractmethod
    async def stop(self) -> None:
        """
        End it and leave nothing behind. May be called at any time, also after a failed start.
        """

    @abstractmethod
    async def restart(self, how: str) -> None:
        """
        Stop it (`stop`: in an orderly way; `kill`: SIGKILL) and start it again on the same address with the same data;
        returns once it answers. Starts one that is stopped or killed.
        """

    @abstractmethod
    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """
        Publish *stimuli* in order, each by its verb; returns once the service has them for certain, or why it has not.
        """

    async def delivered(self) -> None:  # noqa: B027 - most services have it on its way once it is published
        """
        Return once everything that it has for those who listen is on its way to them, ahead of whatever they ask for
        from then on, and those who `watch` have been told; within a limit of real time.
        """

    @abstractmethod
    async def fault(self, kind: str, value: Any) -> None:
        """
        Break it. *kind* is one of the shape's faults; *value* as the scenario has it (true, seconds, ...).
        """

    def cannot(self, fault: str) -> str:
        """
        Why this provider has no such fault though the shape has; empty where it has. Asked before anything starts: a
        scenario with a fault that cannot be had is skipped with this reason.
        """
        return ""

    @abstractmethod
    async def heal(self) -> None:
        """
        Undo every fault; a service that was killed by a fault is started again.
        """

    @abstractmethod
    def covers(self, text: str, stimulus: Stimulus) -> bool:
        """
        Whether a configuration with that *text* listens to what *stimulus* is published to.
        """

    def watch(self, dispatch: Dispatching, heard: Callable[[BrokerMessage], None]) -> None:
        """
        Tell *heard* of everything that is so dispatched to this service, in order, also after restarts. Called before
        `start`; what is there when `delivered` returns has been told.

        Raises:
            SimulatorError: Nothing is dispatched to a service of this type.
        """
        raise SimulatorError(f"service {self.name}: no gateway dispatches to a service of type {self.type}")

    async def dispatching(self, gateway: str, configurations: Iterable[str]) -> None:  # noqa: B027 - most need no names
        """
        Told of the names of a gateway's configurations before it knows them itself, where it dispatches here.
        """

    def share_of(self, text: str) -> str:
        """
        Under which name configurations share what they listen to, so that each stimulus becomes an event of one of
        them; empty where a configuration with that *text* shares with nobody.
        """
        return ""

    def mark_of(self, stimulus: Stimulus) -> bytes:
        """
        By what the event that *stimulus* makes is known as its own: the payload, where events carry that as it is.
        """
        return stimulus.payload

    def mark_in(self, payload: bytes) -> bytes:
        """
        The same, read from an event's payload.
        """
        return payload

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """
        Whether the service proves that nobody listens any more as a removed configuration with that *text* did.

        Args:
            text: Of the removed configuration.
            living: Texts of configurations that may listen; some may be alike.

        Returns:
            None where it cannot tell.
        """
        return None

    async def fence(self, text: str, mark: str) -> bool:
        """
        Publish a marked stimulus on the path of a configuration with that *text*: the payload is the JSON object
        `{"gatesim-fence": mark}`.

        Returns:
            False where the path has no place for one.
        """
        return False

    def durable(self) -> Any:
        """
        What of its state outlives a kill, as a value that can be pickled; None where that is not kept in memory.
        """
        return None

    def restore(self, durable: Any) -> None:  # noqa: B027 - most services keep their own data
        """
        Have the state that `durable` of a former life gave; called before `start`.
        """

    def log_tail(self) -> str:
        """
        The last lines of its log that tell of trouble; a healthy service's chatter explains nothing.
        """
        return ""


class RelayedService(Service):
    """
    A service with one server at one address, behind a relay where the scenario restarts or faults it. The server
    listens on loopback, at `_port` once it is up.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._relay = Relay(self.peers, self.time) if self.relayed else None
        self._port = 0

    @property
    def endpoint(self) -> SocketAddress:
        """See Service."""
        return LOOPBACK, self._relay.port if self._relay is not None else self._port

    async def _lead_to_server(self) -> None:
        """
        It serves: whoever connects from now on is led to it.
        """
        if self._relay is not None:
            await self._relay.lead_to((LOOPBACK, self._port))

    async def _break_line(self, kind: str, value: Any) -> None:
        """
        Take a fault that befalls connections.

        Raises:
            SimulatorError: There is no such fault.
        """
        assert self._relay is not None, "a service that is faulted has a relay"
        if not await self._relay.take_fault(kind, value):
            raise SimulatorError(f"service {self.name}: {self.type} knows no fault {kind!r}")
