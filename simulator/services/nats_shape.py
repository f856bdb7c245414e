"""
What a scenario file may say of a NATS service.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from simulator.scenario_file.shape import Shape, Texts
from simulator.services.shapes import ServiceShape


class NatsPublish(Shape):
    """
    Where a message goes.
    """

    subject: str = Field(pattern=r"^[^\s*>]+$", description="The NATS subject, without wildcards.", examples=["foo"])
    reply_to: str | None = Field(default=None, pattern=r"^[^\s*>]+$", description="The NATS reply subject.")


class NatsStream(Shape):
    """
    One JetStream stream. Further keys go to the server as they are.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, alias_generator=to_camel)

    subjects: Texts = Field(min_length=1, description="The subjects that the stream keeps.", examples=[["orders.>"]])
    storage: Literal["memory", "file"] = Field(default="memory", description="Where messages are kept.")

    @property
    def options(self) -> dict[str, Any]:
        """
        What else is said of the stream.
        """
        return dict(self.model_extra or {})


class NatsSetup(Shape):
    """
    How a NATS server is prepared.
    """

    streams: dict[str, NatsStream] = Field(
        default={}, description="JetStream streams by name.", examples=[{"ORDERS": {"subjects": ["orders.>"]}}]
    )
    users: dict[str, str] = Field(default={}, description="User names to passwords; nobody else is let in.")
    tls: bool = Field(default=False, description="Take connections over TLS only.")
    jetstream: bool = Field(default=False, description="Turn JetStream on; `streams` do that by themselves.")


SHAPE = ServiceShape(
    type="nats",
    publish=NatsPublish,
    setup=NatsSetup,
    address_key="url",
    default_port=4222,
    addresses=("nats.argo-events:4222",),
    faults=frozenset({"disconnect", "refuse", "blackhole", "latency", "rate", "reset", "pause", "kill"}),
)
