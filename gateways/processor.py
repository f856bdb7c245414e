"""
Processor: what every gateway type provides; one configuration in, SourceEvents out.

A processor turns what it hears into SourceEvents and says when it provably listens. It does not retry, count or
report: the gateway around it does, the same for every type.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from gateways.addresses import AddressBook
from gateways.chance import Chance
from gateways.clock import Clock
from gateways.limits import Limits, Retry
from gateways.secrets import Secrets
from gateways.source_event import SourceEvent


class Surroundings(Protocol):
    """
    What all configurations of one gateway share.
    """

    @property
    def gateway(self) -> str:
        """Name of the Gateway."""

    @property
    def clock(self) -> Clock:
        """The only source of time."""

    @property
    def addresses(self) -> AddressBook:
        """Where to connect and bind."""

    @property
    def chance(self) -> Chance:
        """The only source of chance."""

    @property
    def limits(self) -> Limits:
        """Every limit."""

    @property
    def retry(self) -> Retry:
        """The backoff, of reconnects too."""

    @property
    def secrets(self) -> Secrets:
        """Where values are that texts only name."""


class Context(Surroundings, Protocol):
    """
    What a processor is given: its surroundings, and the ways to hand on events and to say how it stands.
    """

    @property
    def configuration(self) -> str:
        """Key of the configuration."""

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """Carries gateway and configuration; secrets never go in."""

    def emit(self, event: SourceEvent) -> bool:
        """
        Hand *event* on without waiting.

        Returns:
            False where a lane is full: the event was not taken and will not be settled.
        """

    async def room(self) -> None:
        """
        Wait until every lane has room. Time is not held meanwhile.
        """

    def running(self, message: str = "") -> None:
        """
        Say that the configuration provably listens from now on: phase Running.
        """

    def failing(self, cause: str) -> None:
        """
        Say that it does not listen at present though `run` goes on trying: phase Error.
        """

    def count(self, counter: str, by: int = 1) -> None:
        """
        Add to one of status.COUNTERS.
        """


class Delivery(StrEnum):
    """
    How often an event is accepted by each watcher.
    """

    AT_MOST_ONCE = "at most once"
    AT_LEAST_ONCE = "at least once"


@dataclass(frozen=True, slots=True)
class Guarantee:
    """
    What a type promises of its events; the tables in docs/ are printed from it.
    """

    told: str
    """What the source is told of an event, and when."""
    by_default: Delivery
    """Without optional keys."""
    extent: str = ""
    """How far that reaches, or by which means."""
    stronger: str = ""
    """Optional keys, and what they add; empty where there are none."""
    at_best: Delivery | None = None
    """With those keys; None: no other than by default."""

    @property
    def strongest(self) -> Delivery:
        """
        The most that can be had of the type.
        """
        return self.at_best or self.by_default


class Processor(ABC):
    """
    Listens for one configuration of one type.

    Subclasses set `type` and provide `parse`, `run` and `caught_up`. A distribution announces its own types by the
    entry point group `gatesim.processors`.
    """

    type: ClassVar[str]
    """The Gateway's `spec.type` that this class serves."""

    guarantee: ClassVar[Guarantee | None] = None
    """What it promises; None where a type of somebody else's does not say."""

    redelivers: ClassVar[bool] = False
    """Whether the source may hand over an event again under the same id."""

    side_by_side: ClassVar[bool] = False
    """Whether events of one configuration have no order among each other."""

    def __init__(self, options: Any, context: Context, shared: Any = None) -> None:
        self.options = options
        self.context = context
        self.shared = shared

    @classmethod
    @abstractmethod
    def parse(cls, key: str, text: str) -> Any:
        """
        Read the *text* of the configuration named *key*; pure.

        Raises:
            ConfigurationError: What is wrong with it and what would be right.
        """

    @classmethod
    def make_shared(cls, surroundings: Surroundings) -> Shared | None:
        """
        What all configurations of one gateway have in common (a listener, say); None for nothing.
        """
        return None

    @abstractmethod
    async def run(self) -> None:
        """
        Listen until cancelled. Calls `context.running` once it provably listens.

        When cancelled it stops receiving promptly; events already handed on are settled by the gateway, and then
        `close` is called.

        Raises:
            ConfigurationError: The text is at fault; it is not tried again.
            SourceUnavailable: It is tried again, after a backoff.

        Returns: only where the source ended by itself; the configuration is then Completed.
        """

    async def caught_up(self) -> bool:
        """
        Return once everything that the service had accepted before this call has been handed on (or waits for room).

        Returns:
            False where this type cannot tell; the simulator then looks for another proof.
        """
        return False

    def paused(self) -> bool:
        """
        Whether it does not read at present because there is no room.
        """
        return False

    async def close(self) -> None:  # noqa: B027 - most types have nothing left by then
        """
        Called after `run` has ended and what it had handed on is settled: tell the source what is still to be told, and
        leave it. Within limits.
        """

    def abort(self) -> None:  # noqa: B027 - a type without connections has nothing to drop
        """
        Drop every connection at once, as a crash would: nothing is said to the source and nothing is settled.
        """


class Shared(Protocol):
    """
    State that all configurations of one gateway have in common.
    """

    async def reconcile(self) -> None:
        """
        Called after each change of the set of configurations, when the new ones were started.
        """

    async def close(self) -> None:
        """
        Called when the gateway stops, after its configurations.
        """

    def abort(self) -> None:
        """
        As Processor.abort.
        """
