"""
RunningConfiguration: one configuration from its start to its last settled event, kept apart from its siblings.

Whatever goes wrong in here ends in phase Error with the cause, and is tried again where that can help.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateways.addresses import AddressBook
from gateways.chance import Chance
from gateways.clock import Clock, Wakeup, end, start
from gateways.configmap import Configuration
from gateways.dispatcher import Dispatcher
from gateways.errors import ConfigurationError, SourceUnavailable
from gateways.limits import Limits, Retry
from gateways.observer import Observer
from gateways.processor import Processor, Shared
from gateways.secrets import KnownSecrets, Secrets
from gateways.source_event import Certainty, Settlement, SourceEvent
from gateways.status import Node, Phase, Status
from gateways.transformer import Transformer
from gateways.watcher import Target, Targets

_log = logging.getLogger("gateways")


@dataclass(frozen=True, slots=True)
class Frame:
    """
    What all configurations of one gateway share; the Surroundings of its processors.
    """

    gateway: str
    type: str
    version: str
    ordered: bool
    clock: Clock
    addresses: AddressBook
    chance: Chance
    limits: Limits
    retry: Retry
    status: Status
    observer: Observer | None = None
    secrets: Secrets = field(default_factory=KnownSecrets)


class RunningConfiguration:
    """
    One incarnation of one configuration; also the Context of its processor.

    Args:
        configuration: Key, text and id.
        frame: What it shares with its siblings.
        processor_type: Serves the gateway's type.
        shared: What that type's configurations have in common.
        targets: Makes the ways to the watchers.
    """

    def __init__(
        self,
        configuration: Configuration,
        frame: Frame,
        *,
        processor_type: type[Processor],
        shared: Shared | None,
        targets: Targets,
    ) -> None:
        self.entry = configuration
        self.node: Node = frame.status.add(configuration.key, configuration.id, at=frame.clock.now())
        self.log = _Log(_log, {"gateway": frame.gateway, "configuration": configuration.key})
        self._frame = frame
        self._type = processor_type
        self._shared = shared
        self._targets = targets
        self._transformer = Transformer(
            gateway=frame.gateway,
            configuration=configuration.key,
            type=frame.type,
            version=frame.version,
            chance=frame.chance,
        )
        self._processor: Processor | None = None
        self._dispatcher: Dispatcher | None = None
        self._source: asyncio.Task[None] | None = None
        self._failures = 0
        self._taken_up = Wakeup(frame.clock)
        self._over = Wakeup(frame.clock)

    # Surroundings and Context: see gateways.processor.

    @property
    def gateway(self) -> str:
        """See Surroundings."""
        return self._frame.gateway

    @property
    def clock(self) -> Clock:
        """See Surroundings."""
        return self._frame.clock

    @property
    def addresses(self) -> AddressBook:
        """See Surroundings."""
        return self._frame.addresses

    @property
    def chance(self) -> Chance:
        """See Surroundings."""
        return self._frame.chance

    @property
    def limits(self) -> Limits:
        """See Surroundings."""
        return self._frame.limits

    @property
    def retry(self) -> Retry:
        """See Surroundings."""
        return self._frame.retry

    @property
    def secrets(self) -> Secrets:
        """See Surroundings."""
        return self._frame.secrets

    @property
    def configuration(self) -> str:
        """See Context."""
        return self.entry.key

    def emit(self, event: SourceEvent) -> bool:
        """See Context."""
        dispatcher = self._dispatcher
        if dispatcher is None or not dispatcher.has_room():
            return False
        self.node.counters["received"] += 1
        cloud_event = self._transformer.transform(event)
        if self._frame.observer is not None:
            self._frame.observer.received(self.entry.key, cloud_event)

        def settled(settlement: Settlement) -> None:
            self._count_settled(settlement, droppable=event.settle is None)
            if event.settle is not None:
                event.settle(settlement)

        stable = bool(event.id) and self._type.redelivers
        dispatcher.dispatch(cloud_event, settled, stable_id=stable, deadline_s=event.deadline_s)
        return True

    async def room(self) -> None:
        """See Context."""
        if self._dispatcher is not None:
            await self._dispatcher.room()

    def running(self, message: str = "") -> None:
        """See Context."""
        self._failures = 0
        self._mark(Phase.RUNNING, message or "configuration running")

    def failing(self, cause: str) -> None:
        """See Context."""
        self._mark(Phase.ERROR, cause)

    def count(self, counter: str, by: int = 1) -> None:
        """See Context."""
        self.node.counters[counter] += by

    # The gateway's side.

    @property
    def in_flight(self) -> int:
        """
        Events taken in and not settled yet.
        """
        return self._dispatcher.in_flight if self._dispatcher is not None else 0

    @property
    def processor(self) -> Processor | None:
        """
        The processor at work; None before the first and after the last.
        """
        return self._processor

    @property
    def known(self) -> bool:
        """
        Whether its phase has left Initialized.
        """
        return self._taken_up.is_set

    async def taken_up(self) -> None:
        """
        Wait until it is known whether the configuration listens: its phase has left Initialized.
        """
        await self._taken_up.wait()

    async def run(self) -> None:
        """
        Live until `finish` has been called and is done. Never raises but for cancellation.
        """
        try:
            options = self._type.parse(self.entry.key, self.entry.text)
            targets = self._targets.of(self.entry.key)
        except ConfigurationError as error:
            self._mark(Phase.ERROR, str(error))
            await self._over.wait()
            return
        except Exception as error:
            self.log.exception("the text cannot be read")
            self._mark(Phase.ERROR, f"internal error: {type(error).__name__}: {error}")
            await self._over.wait()
            return
        while not self._over.is_set:
            try:
                await self._run_lanes(options, targets)
            except* Exception as group:
                self._crashed(group)
            if not self._over.is_set:
                await self.clock.sleep(self._next_wait())

    async def stop_receiving(self) -> None:
        """
        End the processor; what it has handed on stays in flight.
        """
        self._frame.status.remove(self.node)
        self._taken_up.set()
        source, self._source = self._source, None
        if source is not None:
            await end(self.clock, source)

    async def finish(self) -> int:
        """
        Settle what is in flight, within the stop limit.

        Returns:
            How many events were given up.
        """
        given_up = 0
        dispatcher = self._dispatcher
        if dispatcher is not None and dispatcher.in_flight:

            def give_up() -> None:
                nonlocal given_up
                given_up = dispatcher.give_up("the gateway stopped")

            alarm = self.clock.alarm(self.limits.stop_s, give_up)
            await dispatcher.quiet()
            alarm.cancel()
        if given_up:
            self.log.warning("gave up %d events that were not accepted within %g s", given_up, self.limits.stop_s)
        self._over.set()
        return given_up

    def abort(self) -> None:
        """
        Drop every connection at once, as a crash would.
        """
        if self._processor is not None:
            self._processor.abort()
        if self._dispatcher is not None:
            self._dispatcher.close()

    async def _run_lanes(self, options: Any, targets: Sequence[Target]) -> None:
        frame = self._frame
        ordered = frame.ordered and not self._type.side_by_side
        try:
            async with asyncio.TaskGroup() as group:
                dispatcher = self._dispatcher = Dispatcher(
                    self.entry.key,
                    targets,
                    group=group,
                    clock=frame.clock,
                    chance=frame.chance,
                    retry=frame.retry,
                    waiting=frame.limits.waiting,
                    width=1 if ordered else frame.limits.webhook_in_flight,
                    remembered=frame.limits.remembered if self._type.redelivers else 0,
                    observer=frame.observer,
                )
                source = start(frame.clock, group, self._listen(options), name=f"configuration {self.entry.key}")
                self._source = source
                try:
                    await self._over.wait()
                finally:
                    source.cancel()
                    dispatcher.close()
        finally:
            if self._processor is not None:
                await self._processor.close()

    async def _listen(self, options: Any) -> None:
        """
        Run processors one after another until one ends by itself or its text proves to be at fault.
        """
        while True:
            self._processor = self._type(options, self, self._shared)
            try:
                await self._processor.run()
            except ConfigurationError as error:
                self._mark(Phase.ERROR, str(error))
                return
            except SourceUnavailable as error:
                cause = str(error)
            except Exception as error:
                self.log.exception("the processor failed")
                cause = f"internal error: {type(error).__name__}: {error}"
            else:
                self._mark(Phase.COMPLETED, "the source ended")
                return
            self._mark(Phase.ERROR, f"{cause}; trying again")
            await self.clock.sleep(self._next_wait())

    def _next_wait(self) -> float:
        self._failures += 1
        return self.chance.spread(self.retry.wait_s(min(self._failures, 64)), self.retry.jitter)

    def _crashed(self, group: BaseExceptionGroup[Exception]) -> None:
        self.log.error("a lane failed", exc_info=group)
        if self._dispatcher is not None:
            self._dispatcher.give_up("internal error")
        first = group.exceptions[0]
        self._mark(Phase.ERROR, f"internal error: {type(first).__name__}: {first}; trying again")

    def _count_settled(self, settlement: Settlement, *, droppable: bool) -> None:
        counters = self.node.counters
        worst = Certainty.ACCEPTED
        for result in settlement.results:
            if result.attempts > 1:
                counters["retries"] += result.attempts - 1
            if result.certainty is Certainty.REFUSED or worst is Certainty.ACCEPTED:
                worst = result.certainty
        counters[worst.value] += 1
        if droppable and worst is not Certainty.ACCEPTED:
            counters["dropped"] += 1
            self.log.warning("dropped an event: %s", settlement.cause)

    def _mark(self, phase: Phase, message: str) -> None:
        if phase is Phase.ERROR:
            self.log.error("%s", message)
        self._frame.status.mark(self.node, phase, message, at=self.clock.now())
        self._taken_up.set()


class _Log(logging.LoggerAdapter[logging.Logger]):
    """
    Every line names its gateway and configuration.
    """

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = self.extra or {}
        return f"{extra['gateway']}/{extra['configuration']}: {msg}", kwargs
