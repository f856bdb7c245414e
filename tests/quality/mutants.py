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
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from pika import BasicProperties

from gateways import cluster_events, dispatcher, gateway, http_intake, kafka_sender, nats_sender
from gateways.cloudevent import CloudEvent, DataForm
from gateways.cluster_gateway import InCluster
from gateways.cluster_source import ClusterSource
from gateways.cluster_status import StatusWriter
from gateways.dispatcher import Dispatcher
from gateways.errors import SourceUnavailable
from gateways.http_sender import HttpTarget
from gateways.kafka_sender import KafkaTarget
from gateways.processors import calendar, kafka_connection, kafka_group, mqtt, webhook
from gateways.processors.amqp_client import AmqpClient
from gateways.processors.amqp_consumer import AmqpConsumer
from gateways.processors.amqp_identities import Expected
from gateways.processors.artifact import ArtifactProcessor
from gateways.processors.artifact_memory import BucketMemory
from gateways.processors.artifact_options import ArtifactOptions
from gateways.processors.artifact_store import StoreListener
from gateways.processors.calendar import CalendarProcessor
from gateways.processors.kafka import KafkaProcessor
from gateways.processors.kafka_group import GroupMember
from gateways.processors.kafka_position import Position
from gateways.processors.kafka_reader import PartitionReader
from gateways.processors.kafka_share import Share
from gateways.processors.mqtt import MqttProcessor
from gateways.processors.mqtt_connection import MqttConnection
from gateways.processors.mqtt_session import MqttSession, Sessions
from gateways.processors.nats import Subscription
from gateways.processors.nats_connection import NatsConnection
from gateways.processors.resource import ResourceProcessor
from gateways.processors.resource_cluster import ResourceCluster
from gateways.processors.resource_objects import KnownObjects
from gateways.processors.resource_options import ResourceOptions
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


def subject_with_dots(deliver: Any) -> Any:
    async def broken(self: NatsConnection, subject: str, *rest: Any, **options: Any) -> bytes:
        answer: bytes = await deliver(self, subject.replace("/", "."), *rest, **options)
        return answer

    return broken


def never_waits_for_a_stream(deliver: Any) -> Any:
    async def broken(self: NatsConnection, *rest: Any, stored: bool) -> bytes:
        await deliver(self, *rest, stored=False)
        return b'{"stream": "x"}'

    return broken


def any_subject_will_do(_: Any) -> Any:
    return lambda subject: ""


def errors_are_overlooked(produce: Any) -> Any:
    async def broken(self: KafkaTarget, *rest: Any) -> int:
        await produce(self, *rest)
        return 0

    return broken


def without_a_key(records: Any) -> Any:
    return lambda event, key, message: records(event, None, message)


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


def the_absent_accept(attempt: Any) -> Any:
    async def broken(self: Any, event: CloudEvent, hold: Any) -> Attempt:
        made: Attempt = await attempt(self, event, hold)
        return ACCEPTED if "refused" in made.cause else made

    return broken


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


def overlooks_what_has_gone(missing_from: Any) -> Any:
    return lambda self, objects: []


def takes_it_for_gone(is_there: Any) -> Any:
    async def broken(self: ResourceCluster, *what: Any) -> bool:
        return False

    return broken


def ignores_the_group(api_version: Any) -> Any:
    return property(lambda self: self.version)


def gives_up_what_is_refused(settled: Any) -> Any:
    return lambda self, happening, settlement: None


def deaf_after_the_first_watch(live: Any) -> Any:
    async def broken(self: ResourceProcessor, cluster: ResourceCluster, kind: Any) -> None:
        self._away = False
        await self._watch_once(cluster, kind)
        self._away = True
        await self.context.clock.sleep(86_400)

    return broken


def gives_up_after_a_failed_write(write_all: Any) -> Any:
    frozen: set[int] = set()

    async def broken(self: StatusWriter) -> str:
        if id(self) not in frozen and await write_all(self):
            frozen.add(id(self))
        if id(self) in frozen:
            self._is_due = False
            self._events.clear()
        return ""

    return broken


def knows_no_older_entries(see: Any) -> Any:
    def broken(self: StatusWriter, gateway: Any) -> None:
        see(self, gateway)
        self._stored = set()

    return broken


def takes_all_entries_away(stopping: Any) -> Any:
    return lambda self: None


def deletion_is_emptiness(next_step: Any) -> Any:
    async def broken(self: ClusterSource) -> Any:
        data = await next_step(self)
        return {} if data is None else data

    return broken


def deaf_after_the_first_configmap_watch(ended: Any) -> Any:
    def broken(self: ClusterSource) -> None:
        self._drop_watch()
        self._watch = _Silent()  # type: ignore[assignment]
        self._away = True
        self._stir()

    return broken


class _Silent:
    async def next(self) -> None:
        await asyncio.Event().wait()

    def close(self) -> None:
        pass


def lengths_do_not_matter(cut: Any) -> Any:
    return lambda text, bytes_max: text


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


def subscribes_once(subscribe: Any) -> Any:
    before: list[str] = []

    async def broken(self: MqttConnection, topic: str, qos: int) -> None:
        if not before:
            await subscribe(self, topic, qos)
        before.append(topic)

    return broken


def acknowledges_on_receipt(receive: Any) -> Any:
    def broken(self: MqttSession, context: Any, event: SourceEvent, number: int, **more: Any) -> SourceEvent | None:
        taken: SourceEvent | None = receive(self, context, event, number, **more)
        if self._link is not None:
            self._link.acknowledge(number, more["qos"])
        return taken

    return broken


def hands_on_nothing_again(hand_on_again: Any) -> Any:
    return lambda self, event: True


def takes_all_for_new(receive: Any) -> Any:
    def broken(self: MqttSession, context: Any, event: SourceEvent, number: int, *, qos: int, duplicate: bool) -> Any:
        return receive(self, context, event, number, qos=qos, duplicate=False)

    return broken


def in_any_order(claim: Any) -> Any:
    return lambda self, *whose, lasting, in_order: claim(self, *whose, lasting=lasting, in_order=False)


def says_nothing(content_type: Any) -> Any:
    return lambda message: ""


def empty_event_at_the_end(connection_lost: Any) -> Any:
    def broken(self: AmqpClient, exc: Exception | None) -> None:
        for channel in self.connection._channels.values():
            for take in channel._consumers.values():
                method = SimpleNamespace(delivery_tag=0, exchange="", routing_key="", redelivered=False)
                take(channel, method, BasicProperties(), b"")
        connection_lost(self, exc)

    return broken


def acknowledges_at_once(take: Any) -> Any:
    def broken(self: AmqpConsumer, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        channel.basic_ack(method.delivery_tag)
        take(self, channel, method, properties, body)
        self._unsettled.pop(method.delivery_tag, None)

    return broken


def knows_nobody(take: Any) -> Any:
    return lambda self, digest: ""


def settles_all_as_accepted(settled: Any) -> Any:
    return lambda self, tag, settlement: settled(self, tag, Settlement(()))


def without_subject(transform: Any) -> Any:
    return lambda self, event: transform(self, event._replace(subject=""))


def filter_is_ignored(parse: Any) -> Any:
    @classmethod  # type: ignore[misc]  # it takes a class method's place
    def broken(cls: type[ArtifactOptions], text: str) -> ArtifactOptions:
        return replace(parse.__func__(cls, text), prefix="", suffix="")

    return broken


def deaf_after_the_end(hand_on: Any) -> Any:
    async def broken(self: ArtifactProcessor, listener: StoreListener) -> None:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            self._hand_on_what_fits(listener)

    return broken


def knows_everything(knows: Any) -> Any:
    return lambda self, stored: True


def knows_nothing(knows: Any) -> Any:
    return lambda self, stored: False


def ends_where_it_fails(objects: Any) -> Any:
    async def broken(self: StoreListener) -> Any:
        try:
            async for page in objects(self):
                yield page
        except SourceUnavailable:
            return

    return broken


def every_tenth_is_missing(hand_over: Any) -> Any:
    def broken(self: StoreListener, event: SourceEvent) -> None:
        if not event.subject.endswith("9"):
            hand_over(self, event)

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


def says_once_that_it_lives(stay: Any) -> Any:
    async def broken(self: Share, shared_anew: Any) -> None:
        await self._member.heartbeat()
        await self._context.clock.sleep(1_000_000.0)

    return broken


def leaves_without_a_word(leave: Any) -> Any:
    async def broken(self: GroupMember) -> None:
        pass

    return broken


def gives_everybody_everything(shared_out: Any) -> Any:
    def broken(members: Any, partitions: Any) -> Any:
        return {each.member: dict(partitions) for each in members}

    return broken


def believes_every_certificate(context: Any) -> Any:
    def broken(tls: Any) -> Any:
        made = context(tls)
        made.check_hostname = False
        return made

    return broken


def reads_the_first_partition(run: Any) -> Any:
    async def broken(self: KafkaProcessor) -> None:
        self.options = replace(self.options, partition=0)
        await run(self)

    return broken


GATEWAYS = (
    Mutant("a list is taken for known", "artifact/what-is-put-while-the-notification-stream-is-lost-makes-events-once-there-is-one-again",
           "not-received", replaced(BucketMemory, "knows", knows_everything)),
    Mutant("everything listed is taken for news", "artifact/at-its-start-a-configuration-makes-no-events-of-what-is-in-the-bucket",
           "unexpected", replaced(BucketMemory, "knows", knows_nothing)),
    Mutant("a list that fails counts as complete", "artifact/a-list-that-the-store-refuses-is-asked-for-again-until-nothing-is-missing",
           "wrong-status", replaced(StoreListener, "objects", ends_where_it_fails)),
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
    Mutant("a sender is told before its event is accepted",
           "webhook/under-a-guarantee-no-sender-is-told-before-its-event-is-accepted",
           "acknowledged-early", replaced(webhook, "answering", answered_at_once)),
    Mutant("a request is answered 200 whatever came of it", "webhook/watchers-that-refuse-to-the-end-make-a-503",
           "wrong-response", replaced(http_intake, "_answer", success_whatever_came)),
    Mutant("NATS is published to under another subject", "dispatch/over-nats-an-event-goes-to-the-subject-of-its-gateway-and-configuration",
           "received-not-dispatched", replaced(NatsConnection, "deliver", subject_with_dots)),
    Mutant("a stream's answer is not waited for", "dispatch/with-jetstream-an-event-that-no-stream-takes-is-refused-and-its-sender-is-told",
           "wrong-response", replaced(NatsConnection, "deliver", never_waits_for_a_stream)),
    Mutant("a key with an empty token is published all the same", "dispatch/a-key-that-would-give-an-empty-token-cannot-be-dispatched-over-nats-and-says-so",
           "wrong-response", replaced(nats_sender, "problem_of", any_subject_will_do)),
    Mutant("a broker's error counts as accepted", "dispatch/an-event-follows-the-partition-to-its-new-leader",
           "received-not-dispatched", replaced(KafkaTarget, "_produce", errors_are_overlooked)),
    Mutant("Kafka gets no key", "dispatch/over-kafka-an-event-goes-to-the-topic-under-its-source-as-key",
           "accepted-different", replaced(kafka_sender, "_records", without_a_key)),
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
    Mutant("a new MQTT connection subscribes to nothing", "mqtt/after-each-restart-of-the-server-the-gateway-subscribes-again",
           "not-received", replaced(MqttConnection, "subscribe", subscribes_once)),
    Mutant("an MQTT message is acknowledged on receipt", "mqtt/a-session-that-is-kept-survives-a-crash-of-the-gateway",
           "dispatched-not-accepted", replaced(MqttSession, "receive", acknowledges_on_receipt)),
    Mutant("a refused MQTT message is not dispatched again", "mqtt/with-quality-1-and-2-a-message-is-acknowledged-only-after-every-watcher-accepted-it",
           "dispatched-not-accepted", replaced(MqttProcessor, "_hand_on_again", hands_on_nothing_again)),
    Mutant("an MQTT message that comes again is a new event", "mqtt/a-connection-that-breaks-between-receipt-and-acknowledgement-gives-no-event-twice",
           "unexpected", replaced(MqttSession, "receive", takes_all_for_new)),
    Mutant("MQTT 5 messages are acknowledged as they are accepted", "mqtt/with-mqtt-5-a-message-is-acknowledged-only-after-every-watcher-accepted-it",
           "unexpected", replaced(Sessions, "claim", in_any_order)),
    Mutant("the content type of an MQTT 5 message is left out", "mqtt/an-mqtt-5-message-says-of-what-type-its-content-is",
           "accepted-different", replaced(mqtt, "_content_type", says_nothing)),
    Mutant("a new list overlooks what has gone", "resource/after-too-long-an-absence-objects-are-listed-again-and-only-what-changed-makes-events",
           "not-received", replaced(KnownObjects, "missing_from", overlooks_what_has_gone)),
    Mutant("the group of a kind is ignored", "resource/kinds-of-apps-v1-are-found-by-their-group",
           "wrong-status", replaced(ResourceOptions, "api_version", ignores_the_group)),
    Mutant("a refused version is not tried again", "resource/a-refused-version-is-tried-again-until-it-is-accepted",
           "dispatched-not-accepted", replaced(ResourceProcessor, "_settled", gives_up_what_is_refused)),
    Mutant("a watch that ends is not renewed", "resource/a-watch-that-ends-is-renewed-where-it-stopped",
           "not-received", replaced(ResourceProcessor, "_live", deaf_after_the_first_watch)),
    Mutant("who leaves the filter is deleted", "resource/an-object-that-leaves-the-filter-is-not-deleted",
           "unexpected", replaced(ResourceCluster, "is_there", takes_it_for_gone)),
    Mutant("an edit restarts its siblings", "configmap/a-changed-value-restarts-only-that-configuration",
           "accepted-different", replaced(gateway, "diff", restarts_everything)),
    Mutant("colliding ids hide one another", "configmap/configurations-whose-identities-collide-both-run",
           "wrong-status", replaced(gateway, "diff", ids_hide_each_other)),
    Mutant("a failed write freezes the status", "cluster/a-failed-write-loses-no-status-and-what-is-added-later-runs",
           "accepted-different", replaced(StatusWriter, "_write_all", gives_up_after_a_failed_write)),
    Mutant("entries of an earlier process stay", "cluster/after-a-restart-the-entries-are-those-of-what-runs-and-none-is-left-behind",
           "not-received", replaced(StatusWriter, "_see", knows_no_older_entries)),
    Mutant("a stop takes the entries away", "cluster/a-gateway-that-stops-leaves-its-entries-as-they-were",
           "unexpected", replaced(InCluster, "stopping", takes_all_entries_away)),
    Mutant("a deleted ConfigMap stops everything", "cluster/in-a-cluster-a-deleted-configmap-leaves-its-configurations-running-and-an-emptied-one-stops-them",
           "not-received", replaced(ClusterSource, "_next", deletion_is_emptiness)),
    Mutant("the end of a watch of the ConfigMap goes unnoticed", "cluster/a-change-that-was-made-while-the-api-server-was-away-is-taken-in-when-it-is-back",
           "wrong-status", replaced(ClusterSource, "_ended", deaf_after_the_first_configmap_watch)),
    Mutant("long causes are told to nobody", "cluster/names-that-are-no-labels-and-causes-that-are-long-are-told-as-well",
           "not-received", replaced(cluster_events, "_cut", lengths_do_not_matter)),
    Mutant("a stop settles nothing", "pipeline/a-graceful-stop-settles-what-is-in-flight",
           "dispatched-not-accepted", replaced(RunningConfiguration, "finish", settles_nothing_when_stopped)),
    Mutant("the old envelope carries another hour", "pipeline/in-the-old-envelope-a-calendar-carries-the-instant-as-it-did-then",
           "accepted-different", replaced(calendar, "protobuf_time", local_time)),
    Mutant("a lost AMQP connection makes empty events", "amqp/a-lost-connection-never-makes-an-event-out-of-nothing",
           "unexpected", replaced(AmqpClient, "connection_lost", empty_event_at_the_end)),
    Mutant("AMQP messages are acknowledged on delivery", "amqp/what-a-durable-queue-keeps-survives-a-crash-of-the-gateway",
           "dispatched-not-accepted", replaced(AmqpConsumer, "_take", acknowledges_at_once)),
    Mutant("what comes again has another id", "amqp/a-message-goes-back-after-a-refusal-and-comes-again-with-its-id",
           "unexpected", replaced(Expected, "take", knows_nobody)),
    Mutant("what a watcher refused is thrown away", "amqp/a-message-goes-back-after-a-refusal-and-comes-again-with-its-id",
           "dispatched-not-accepted", replaced(AmqpConsumer, "_settled", settles_all_as_accepted)),
    Mutant("a removed consumer stays", "amqp/a-removed-configuration-is-silent-and-leaves-no-queue-behind",
           "unexpected", lives_on_after_its_removal),
    Mutant("a watcher that is not there has accepted", "faults/whatever-breaks-what-a-durable-amqp-queue-takes-is-delivered",
           "not-received", replaced(HttpTarget, "attempt", the_absent_accept)),
    Mutant("while a watcher fails, messages are thrown away", "faults/whatever-breaks-what-a-durable-amqp-queue-takes-is-delivered",
           "not-received", replaced(AmqpConsumer, "_settled", settles_all_as_accepted)),
    Mutant("the routing key is left out of the event", "amqp/the-amqp-example-of-the-guide-works",
           "accepted-different", replaced(Transformer, "transform", without_subject)),
    Mutant("prefix and suffix are ignored", "artifact/prefix-and-suffix-of-a-key-must-both-be-those-of-the-filter",
           "unexpected", replaced(ArtifactOptions, "parse", filter_is_ignored)),
    Mutant("the end of a stream goes unnoticed", "artifact/after-a-kill-of-the-store-the-gateway-listens-again",
           "wrong-status", replaced(ArtifactProcessor, "_hand_on_until_ended", deaf_after_the_end)),
    Mutant("of a burst some events are missing", "artifact/a-thousand-objects-in-a-burst-make-a-thousand-events-in-their-order",
           "not-received", replaced(StoreListener, "_hand_over", every_tenth_is_missing)),
    Mutant("a removed listener lives on", "artifact/a-removed-configuration-hears-nothing-more-and-comes-back-when-it-is-there-again",
           "unexpected", lives_on_after_its_removal),
    Mutant("a list is taken for known", "artifact/what-is-put-while-the-notification-stream-is-lost-makes-events-once-there-is-one-again",
           "not-received", replaced(BucketMemory, "knows", knows_everything)),
    Mutant("everything listed is taken for news", "artifact/at-its-start-a-configuration-makes-no-events-of-what-is-in-the-bucket",
           "unexpected", replaced(BucketMemory, "knows", knows_nothing)),
    Mutant("a list that fails counts as complete", "artifact/a-list-that-the-store-refuses-is-asked-for-again-until-nothing-is-missing",
           "wrong-status", replaced(StoreListener, "objects", ends_where_it_fails)),
    Mutant("an error looks like a success", "nats/a-server-that-is-not-there-is-an-error-and-listened-to-once-it-is",
           "wrong-status", replaced(Status, "mark", completed_instead_of_error)),
    Mutant("a lost connection to Kafka begins at the newest message", "kafka/a-restart-of-the-brokers-loses-nothing",
           "not-received", replaced(PartitionReader, "run", always_the_newest)),
    Mutant("offsets are committed on receipt", "kafka/a-group-commits-nothing-that-a-watcher-has-not-accepted",
           "dispatched-not-accepted", replaced(Position, "settled", commits_what_it_has_received)),
    Mutant("a refused Kafka message is forgotten", "kafka/a-message-that-a-watcher-refuses-is-handed-on-again",
           "dispatched-not-accepted", replaced(Position, "_told", forgets_refused_messages)),
    Mutant("another partition is read", "kafka/the-kafka-example-of-the-guide-works",
           "accepted-different", replaced(KafkaProcessor, "run", reads_the_first_partition)),
    Mutant("a partition is given away with what is in flight committed",
           "kafka/a-message-that-is-in-flight-when-its-partition-goes-to-another-gateway-comes-again-from-there",
           "not-received", replaced(Position, "settled", commits_what_it_has_received)),
    Mutant("a member says only once that it lives", "kafka/a-gateway-whose-watcher-hangs-stays-in-its-group",
           "unexpected", replaced(Share, "stay", says_once_that_it_lives)),
    Mutant("a member leaves its group without a word", "kafka/what-a-gateway-that-leaves-had-not-read-another-one-reads",
           "wrong-status", replaced(GroupMember, "leave", leaves_without_a_word)),
    Mutant("every member of a group reads everything", "kafka/two-gateways-share-the-partitions-of-a-topic",
           "wrong-status", replaced(kafka_group.kafka_assignment, "shared_out", gives_everybody_everything)),
    Mutant("a Kafka broker's name is not verified", "kafka/over-tls-each-kafka-broker-has-to-be-who-it-says",
           "wrong-status", replaced(kafka_connection, "tls_context", believes_every_certificate)),
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
