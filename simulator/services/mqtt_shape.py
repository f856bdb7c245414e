"""
What a scenario file may say of an MQTT service.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simulator.scenario_file.key_rules import Excludes
from simulator.scenario_file.shape import Duration, Shape
from simulator.services.shapes import ServiceShape


class MqttPublish(Shape):
    """
    Where a message goes, and how surely.
    """

    topic: str = Field(pattern=r"^[^+#\x00]+$", description="The MQTT topic, without wildcards.", examples=["foo"])
    qos: int = Field(default=0, ge=0, le=2, description="Quality of service: 0, 1 or 2.")
    retain: bool = Field(
        default=False, description="Kept by the server for whoever subscribes later; an empty `text` clears it."
    )


class MqttSetup(Shape):
    """
    How an MQTT server is prepared.
    """

    version: Literal[5, "3.1.1"] = Field(
        default="3.1.1", description="Of the protocol. MQTT 5 needs the extra `mqtt5`.", examples=[5]
    )
    users: dict[str, str] = Field(default={}, description="User names to passwords; nobody else is let in.")
    tls: bool = Field(default=False, description="Take connections over TLS only.")
    ack_wait: Duration = Field(
        default=30.0,
        description="A message that was not acknowledged for so long, of real time, is sent again.",
        examples=["500ms"],
    )

    key_rules = (
        Excludes("version", ("ackWait",), "leave `version` out: only the server of 3.1.1 sends again after a wait"),
    )


SHAPE = ServiceShape(
    type="mqtt",
    publish=MqttPublish,
    setup=MqttSetup,
    address_key="url",
    default_port=1883,
    addresses=("mqtt.argo-events:1883",),
    faults=frozenset({"disconnect", "refuse", "blackhole", "latency", "rate", "reset", "pause", "kill"}),
)
