"""
What a scenario file may say of a Kafka service.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from simulator.scenario_file.shape import Shape, TextMap
from simulator.services.shapes import OwnServer, ServiceShape

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
_TOPIC = r"^[a-zA-Z0-9._-]{1,249}$"


class KafkaPublish(Shape):
    """
    Where a message goes.
    """

    topic: str = Field(pattern=_TOPIC, description="The topic.", examples=["foo"])
    partition: int | None = Field(
        default=None,
        ge=0,
        description="The partition; by the key, as Kafka's clients do it, where it is left out, else 0.",
    )
    key: str | None = Field(default=None, description="The message's key.", examples=["order-7"])
    timestamp: int | None = Field(
        default=None, ge=0, description="Milliseconds since 1970; the scenario's time where it is left out."
    )
    tombstone: bool = Field(default=False, description="A message without a value; write `text: ''` beside it.")


class KafkaTopic(Shape):
    """
    One topic.
    """

    partitions: int = Field(default=1, ge=1, le=1_000, description="How many partitions it has.", examples=[2])


class KafkaSetup(OwnServer):
    """
    How a Kafka cluster is prepared.
    """

    topics: dict[str, KafkaTopic] = Field(
        default={}, description="Topics by name.", examples=[{"foo": {"partitions": 2}}]
    )
    brokers: int = Field(default=1, ge=1, le=9, description="How many brokers there are; they share the partitions.")
    auto_create: bool = Field(default=False, description="Make a topic, of one partition, when a client asks for it.")
    users: TextMap = Field(default={}, description="User names to passwords; nobody else is let in.")
    mechanisms: Annotated[tuple[Mechanism, ...], Strict(False)] = Field(
        default=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        min_length=1,
        description="The SASL mechanisms by which users log in.",
        examples=[["SCRAM-SHA-512"]],
    )
    tls: bool = Field(default=False, description="Take connections over TLS only.")


SHAPE = ServiceShape(
    type="kafka",
    publish=KafkaPublish,
    setup=KafkaSetup,
    address_key="url",
    default_port=9092,
    addresses=("kafka.argo-events:9092",),
    faults=frozenset(
        {"disconnect", "refuse", "blackhole", "latency", "rate", "reset", "pause", "kill", "leaderChange", "reply"}
    ),
)
