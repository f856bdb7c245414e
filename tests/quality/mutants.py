"""
Mutants: reference gateways and simulators that each break one promise.

Each names the scenario that must notice, and the class of the reason. A mutant is a context manager that breaks the code
for as long as it is entered.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import Any
from unittest.mock import patch

from gateways import dispatcher, gateway, http_intake
from gateways.cloudevent import CloudEvent, DataForm
from gateways.dispatcher import Dispatcher
from gateways.http_sender import HttpTarget
from gateways.processors import calendar, webhook
from gateways.processors.calendar import CalendarProcessor
from gateways.processors.kafka import KafkaProcessor
from gateways.processors.kafka_position import Position
from gateways.processors.kafka_reader import PartitionReader
from gateways.processors.nats import Subscription
from gateways.processors.webhook import WebhookProcessor
from gateways.running_configuration import RunningConfiguration
from gateways.source_event import Certainty, Settlement, SourceEvent
from gateways.status import Phase, Status
from gateways.transformer import Transformer
from gateways.watcher import ACCEPTED, Attempt
from simulator.holds import VirtualHold
from simulator.virtual_clock import VirtualClock

Breaks = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    One way to be broken.
    """

    name: str
    scenario: str
    """The file that must notice, below scenarios/, without its ending."""
    reason: str
    """The class that it must be noticed for; empty where any will do."""
    breaks: Breaks


def replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Breaks:
    """
    Put what *make* makes of an attribute in its place.
    """
    return lambda: patch.object(
        owner, name, make(owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name))
    )


# Gateways, by what they break.


def completed_instead_of_error(mark: Any) -> Any:
    def broken(self: Status, node: Any, phase: Phase, message: str, **rest: Any) -> None:
        failed = phase is Phase.ERROR
        mark(self, node, Phase.COMPLETED if failed else phase, "configuration completed" if failed else message, **rest)

    return broken


def crash_on_empty(run: Any) -> Any:
    async def broken(self: RunningConfiguration) -> None:
        if not self.entry.text.partition("#")[0].strip("~ \n").replace("null", ""):
            raise RuntimeError("nil pointer dereference")
        await run(self)

    return broken


def schedule_in_utc(plan: Any) -> Any:
    def broken(self: CalendarProcessor, started_at: Any) -> Any:
        self.options = replace(self.options, zone=UTC)
        return plan(self, started_at)

    return broken


def fires_again(emit: Any) -> Any:
    def broken(self: CalendarProcessor, instant: Any) -> None:
        emit(self, instant)
        emit(self, instant)

    return broken


def late_by(seconds: float) -> Callable[[Any], Any]:
    def make(sleep_until: Any) -> Any:
        async def broken(self: VirtualClock, instant: Any) -> None:
            await sleep_until(self, instant + timedelta(seconds=seconds))

        return broken

    return make


def first_method_names_all(take: Any) -> Any:
    first: dict[str, WebhookProcessor] = {}

    def broken(self: WebhookProcessor, request: Any, path: str) -> None:
        take(first.setdefault(path, self), request, path)

    return broken


def answered_at_once(answering: Any) -> Any:
    def broken(request: Any) -> Any:
        request.respond(200, http_intake.SUCCESS)
        return lambda settlement: None

    return broken


def success_whatever_came(answer: Any) -> Any:
    def broken(request: Any, settlement: Settlement) -> None:
        request.respond(200, http_intake.SUCCESS)

    return broken


def never_again(wait_s: Any) -> Any:
    def broken(self: Dispatcher, failures: int) -> float | None:
        return None

    return broken


def redelivers_to_all(accepted_by: Any) -> Any:
    return lambda self, event_id: 0


def drops_silently(push: Any) -> Any:
    def broken(self: Any, item: Any) -> None:
        item.delivery.lane_done(self, dispatcher.DispatchResult(self.target.name, Certainty.ACCEPTED, 0, ""))

    return broken


def no_first_in_first_out(popped: Any) -> Any:
    def broken(self: Any, item: Any, result: Any) -> Any:
        self.waiting.reverse()
        return popped(self, item, result)

    return broken


def again_two_seconds_later(emit: Any) -> Any:
    def broken(self: RunningConfiguration, event: SourceEvent) -> bool:
        taken: bool = emit(self, event)
        self.clock.alarm(2, lambda: emit(self, event._replace(settle=None)) and None)
        return taken

    return broken


def reencodes(transform: Any) -> Any:
    def broken(self: Transformer, event: SourceEvent) -> CloudEvent:
        made: CloudEvent = transform(self, event)
        return made._replace(data=json.dumps(json.loads(made.data)).encode()) if made.form is DataForm.JSON else made

    return broken


def upper_case_text(transform: Any) -> Any:
    def broken(self: Transformer, event: SourceEvent) -> CloudEvent:
        made: CloudEvent = transform(self, event)
        return made._replace(data=made.data.upper()) if made.form is DataForm.TEXT else made

    return broken


def empty_id(transform: Any) -> Any:
    return lambda self, event: transform(self, event)._replace(id="")


def any_status_accepts(attempt: Any) -> Any:
    async def broken(self: Any, event: CloudEvent, hold: Any) -> Attempt:
        made: Attempt = await attempt(self, event, hold)
        return ACCEPTED if made.cause.startswith("answered") else made

    return broken


def phantom_at_the_start(running: Any) -> Any:
    def broken(self: RunningConfiguration, message: str = "") -> None:
        running(self, message)
        self.emit(SourceEvent(b"", self.clock.now()))

    return broken


def lives_on_after_its_removal() -> Any:
    """
    A removed configuration goes on listening for a while, and hands on what it hears fifty milliseconds later.
    """
    stop, finish, emit = RunningConfiguration.stop_receiving, RunningConfiguration.finish, RunningConfiguration.emit

    async def not_stopped(self: RunningConfiguration) -> None:
        self._frame.status.remove(self.node)

    async def stopped_later(self: RunningConfiguration) -> int:
        with self.clock.idle():
            await asyncio.sleep(0.3)
        await stop(self)
        return await finish(self)

    def later(self: RunningConfiguration, event: SourceEvent) -> bool:
        if self._frame.status.nodes.get(self.node.id) is self.node:
            return emit(self, event)
        asyncio.get_running_loop().call_later(0.05, lambda: emit(self, event))
        return True

    return patch.multiple(RunningConfiguration, stop_receiving=not_stopped, finish=stopped_later, emit=later)


def deaf_after_reconnect(listen: Any) -> Any:
    listened: set[str] = set()

    async def broken(self: Subscription) -> None:
        if self.description not in listened:
            await listen(self)
        listened.add(self.description)

    return broken


def always_the_newest(run: Any) -> Any:
    """
    Every run begins anew, as if nothing had been read.
    """

    async def broken(self: PartitionReader, begin: int | None, listening: Any) -> None:
        self._position.next = None
        await run(self, begin, listening)

    return broken


def commits_what_it_has_received(settled: Any) -> Any:
    return property(lambda self: self.next)


def forgets_refused_messages(told: Any) -> Any:
    def broken(self: Position, offset: int, event: SourceEvent, settlement: Settlement) -> None:
        self._unsettled.pop(offset, None)
        self.stirred()

    return broken


def reads_the_first_partition(run: Any) -> Any:
    async def broken(self: KafkaProcessor) -> None:
        self.options = replace(self.options, partition=0)
        await run(self)

    return broken


def restarts_everything(diff: Any) -> Any:
    def broken(current: Any, wanted: Any) -> Any:
        stale, new = diff((), list(current))[1], diff((), list(wanted))[1]
        return stale, new

    return broken


def ids_hide_each_other(diff: Any) -> Any:
    def broken(current: Any, wanted: Any) -> Any:
        return diff(current, {entry.id: entry for entry in wanted}.values())

    return broken


def settles_nothing_when_stopped(finish: Any) -> Any:
    async def broken(self: RunningConfiguration) -> int:
        if self._dispatcher is not None:
            self._dispatcher.give_up("stopped")
        done: int = await finish(self)
        return done

    return broken


def local_time(legacy: Any) -> Any:
    return lambda instant: legacy(instant + timedelta(hours=1))


GATEWAYS = (
    Mutant("an error looks like a success", "nats/a-server-that-is-not-there-is-an-error-and-listened-to-once-it-is",
           "wrong-status", replaced(Status, "mark", completed_instead_of_error)),
    Mutant("an empty text takes the gateway down", "configmap/an-empty-value-is-an-error-of-its-own-and-harms-no-other",
           "gateway-died", replaced(RunningConfiguration, "run", crash_on_empty)),
    Mutant("the time zone is not heeded", "calendar/a-schedule-is-read-in-the-zone-that-it-names",
           "accepted-different", replaced(CalendarProcessor, "_plan", schedule_in_utc)),
    Mutant("each instant fires twice", "calendar/no-instant-fires-twice",
           "duplicate", replaced(CalendarProcessor, "_emit", fires_again)),
    Mutant("instants come a second late", "calendar/schedules-hold-in-far-years",
           "late", replaced(VirtualClock, "sleep_until", late_by(1))),
    Mutant("the first configuration of an endpoint names all", "webhook/two-methods-on-one-endpoint-keep-their-own-names",
           "accepted-different", replaced(WebhookProcessor, "take", first_method_names_all)),
    Mutant("a request is answered before it is dispatched", "webhook/a-request-is-answered-only-after-every-watcher-has-accepted",
           "wrong-response", replaced(webhook, "answering", answered_at_once)),
    Mutant("a request is answered 200 whatever came of it", "webhook/watchers-that-refuse-to-the-end-make-a-503",
           "wrong-response", replaced(http_intake, "_answer", success_whatever_came)),
    Mutant("a refusal is not tried again", "pipeline/of-two-watchers-one-refuses-twice-and-both-get-the-same-event-once",
           "dispatched-not-accepted", replaced(Dispatcher, "wait_s", never_again)),
    Mutant("a redelivery goes to everyone", "webhook/a-retried-request-goes-only-to-the-watcher-that-lacks-it",
           "duplicate", replaced(dispatcher._Memory, "accepted_by", redelivers_to_all)),
    Mutant("events are dropped between receipt and dispatch", "nats/the-nats-example-of-the-guide-works",
           "received-not-dispatched", replaced(dispatcher._Lane, "push", drops_silently)),
    Mutant("lanes are last in, first out", "nats/messages-of-one-subject-arrive-in-their-order-through-refusals-too",
           "reordered", replaced(dispatcher._Lane, "_finish", no_first_in_first_out)),
    Mutant("each event comes again two seconds later", "calendar/no-instant-fires-twice",
           "duplicate", replaced(RunningConfiguration, "emit", again_two_seconds_later)),
    Mutant("each message comes again two seconds later", "nats/a-removed-configuration-is-silent",
           "unexpected", replaced(RunningConfiguration, "emit", again_two_seconds_later)),
    Mutant("a removed configuration lives on", "nats/a-removed-configuration-is-silent",
           "unexpected", lives_on_after_its_removal),
    Mutant("JSON is encoded anew", "nats/each-message-becomes-one-event-with-its-bytes",
           "altered", replaced(Transformer, "transform", reencodes)),
    Mutant("text is changed", "webhook/headers-query-and-path-are-not-part-of-the-payload",
           "altered", replaced(Transformer, "transform", upper_case_text)),
    Mutant("events have no id", "webhook/a-request-becomes-one-event-and-is-answered-success",
           "invalid-cloudevent", replaced(Transformer, "transform", empty_id)),
    Mutant("any answer counts as accepted", "pipeline/of-two-watchers-one-refuses-twice-and-both-get-the-same-event-once",
           "dispatched-not-accepted", replaced(HttpTarget, "attempt", any_status_accepts)),
    Mutant("a start makes an event out of nothing", "nats/under-a-guarantee-every-event-is-explained-by-a-message",
           "fabricated", replaced(RunningConfiguration, "running", phantom_at_the_start)),
    Mutant("a new connection subscribes to nothing", "nats/after-each-restart-of-the-server-the-gateway-listens-again",
           "not-received", replaced(Subscription, "listen", deaf_after_reconnect)),
    Mutant("a lost connection to Kafka begins at the newest message", "kafka/a-restart-of-the-brokers-loses-nothing",
           "not-received", replaced(PartitionReader, "run", always_the_newest)),
    Mutant("offsets are committed on receipt", "kafka/a-group-commits-nothing-that-a-watcher-has-not-accepted",
           "dispatched-not-accepted", replaced(Position, "settled", commits_what_it_has_received)),
    Mutant("a refused Kafka message is forgotten", "kafka/a-message-that-a-watcher-refuses-is-handed-on-again",
           "dispatched-not-accepted", replaced(Position, "_told", forgets_refused_messages)),
    Mutant("another partition is read", "kafka/the-kafka-example-of-the-guide-works",
           "accepted-different", replaced(KafkaProcessor, "run", reads_the_first_partition)),
    Mutant("an edit restarts its siblings", "configmap/a-changed-value-restarts-only-that-configuration",
           "accepted-different", replaced(gateway, "diff", restarts_everything)),
    Mutant("colliding ids hide one another", "configmap/configurations-whose-identities-collide-both-run",
           "wrong-status", replaced(gateway, "diff", ids_hide_each_other)),
    Mutant("a stop settles nothing", "pipeline/a-graceful-stop-settles-what-is-in-flight",
           "dispatched-not-accepted", replaced(RunningConfiguration, "finish", settles_nothing_when_stopped)),
    Mutant("the old envelope carries another hour", "pipeline/in-the-old-envelope-a-calendar-carries-the-instant-as-it-did-then",
           "accepted-different", replaced(calendar, "protobuf_time", local_time)),
)  # fmt: skip


# Simulators that look too early, or at too little.


def never_waits(still: Any) -> Any:
    async def broken(self: VirtualClock) -> None:
        await asyncio.sleep(0)

    return broken


def holds_nothing(active: Any) -> Any:
    return property(lambda self: False)


SIMULATORS = (
    Mutant("time does not wait for work", "calendar/no-instant-fires-twice",
           "", replaced(VirtualClock, "still", never_waits)),
    Mutant("holds hold nothing", "nats/a-message-that-jetstream-keeps-is-delivered-again-after-a-refusal",
           "", replaced(VirtualHold, "active", holds_nothing)),
)  # fmt: skip
