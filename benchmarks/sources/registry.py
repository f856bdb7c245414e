"""
Which sources there are, by the names under which they are benchmarked.
"""

from __future__ import annotations

from benchmarks.sources.amqp import AmqpSource
from benchmarks.sources.artifact import ArtifactSource
from benchmarks.sources.calendar import CalendarSource
from benchmarks.sources.kafka import KafkaSource
from benchmarks.sources.mqtt import Mqtt1Source, MqttSource
from benchmarks.sources.nats import NatsSource
from benchmarks.sources.resource import ResourceSource
from benchmarks.sources.source import Source
from benchmarks.sources.webhook import WebhookSource

COMPARED: dict[str, type[Source]] = {
    "webhook": WebhookSource,
    "nats": NatsSource,
    "amqp": AmqpSource,
    "mqtt": MqttSource,
    "mqtt1": Mqtt1Source,
    "kafka": KafkaSource,
    "artifact": ArtifactSource,
    "resource": ResourceSource,
}
"""Those for which there is a bare relay."""
ALL: dict[str, type[Source]] = {**COMPARED, "calendar": CalendarSource}
