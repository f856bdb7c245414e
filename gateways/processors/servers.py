"""
Servers that the urls of a configuration name, and the limit within which each of them answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import SplitResult, urlsplit

from gateways.addresses import AddressBook
from gateways.clock import Clock
from gateways.errors import ConfigurationError, GatewayError, SourceUnavailable
from gateways.limits import Limits

T = TypeVar("T")


class Client(Protocol):
    """
    Who talks to a server: a configuration's Context, or a Caller.
    """

    @property
    def gateway(self) -> str:
        """Name of the Gateway."""

    @property
    def configuration(self) -> str:
        """What of the gateway it is: the key of a configuration, or a word for something else."""

    @property
    def clock(self) -> Clock:
        """The only source of time."""

    @property
    def addresses(self) -> AddressBook:
        """Where to connect."""

    @property
    def limits(self) -> Limits:
        """Every limit."""


@dataclass(frozen=True, slots=True)
class Caller:
    """
    A Client that is no configuration.
    """

    gateway: str
    configuration: str
    clock: Clock
    addresses: AddressBook
    limits: Limits


class Server(NamedTuple):
    """
    One server that a url names.
    """

    host: str
    port: int
    tls: bool
    """TLS or nothing."""

    @property
    def peer(self) -> str:
        """
        `host:port`, as the text names it.
        """
        return f"{self.host}:{self.port}"


def each_url(text: str) -> list[str]:
    """
    The urls that *text* separates by commas.

    Raises:
        ConfigurationError: There is none.
    """
    if not text.strip():
        raise ConfigurationError("url must be specified")
    return [each.strip() for each in text.split(",")]


def split_url(text: str, schemes: Sequence[str], wanted: str, *, whom: str = "a host and a port") -> SplitResult:
    """
    One url, whose host is there. What is wrong is said without showing it, because a password may be in there.

    Args:
        text: As it stands in the configuration, without blanks around it.
        schemes: Those that it may have; the first where it names none.
        wanted: What would be right, for people: `such as nats://nats.argo-events:4222`.
        whom: What it has to name.

    Raises:
        ConfigurationError: It is no such url.
    """
    try:
        url = urlsplit(text if "://" in text else f"{schemes[0]}://{text}")
        port, host = url.port, url.hostname
    except ValueError:
        raise ConfigurationError(f"url must name a host and a port, {wanted}") from None
    if url.scheme not in schemes:
        shown = [f"{scheme}://" for scheme in schemes]
        either = " or ".join(shown) if len(shown) == 2 else f"one of {', '.join(shown)}"
        raise ConfigurationError(f"url must begin with {either}, {wanted}")
    if not host or port == 0 or not host.isprintable() or " " in host:
        raise ConfigurationError(f"url must name {whom}, {wanted}")
    return url


def ends_after_the_port(url: SplitResult, wanted: str) -> None:
    """
    Refuse a *url* that says more.

    Raises:
        ConfigurationError: It does.
    """
    if url.path.strip("/") or url.query or url.fragment:
        raise ConfigurationError(f"url must end after the port, {wanted}; in a password write / as %2F and # as %23")


async def first_opened(connections: Iterable[T], opened: Callable[[T], Awaitable[None]]) -> T:
    """
    The first of *connections* that can be opened; each is made when it is its turn.

    Raises:
        SourceUnavailable: None can; says why of each.
    """
    causes: list[str] = []
    for connection in connections:
        try:
            await opened(connection)
        except SourceUnavailable as error:
            causes.append(str(error))
        else:
            return connection
    raise SourceUnavailable("; ".join(causes))


async def answered(client: Client, peer: str, io: Awaitable[T]) -> T:
    """
    What *io* gives, within the limit for an answer of *peer*.

    Raises:
        SourceUnavailable: There is none by then.
    """
    limit_s = client.limits.connect_s
    try:
        return await client.clock.limit(limit_s, io, peer=peer)
    except TimeoutError:
        raise SourceUnavailable(f"{peer}: no answer within {limit_s:g} s") from None


async def has_received(client: Client, peer: str, received_all: Awaitable[None]) -> bool:
    """
    Whether *received_all* proves, within the limit, that nothing more of *peer* is to be handed on. Over a connection
    that is lost meanwhile nothing can come.
    """
    try:
        await client.clock.limit(client.limits.connect_s, received_all, peer=peer)
    except TimeoutError:
        return False
    except GatewayError:
        return True
    return True
