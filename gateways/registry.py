"""
Which processor serves which gateway type; imported only when a gateway of that type is made.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from gateways.errors import ConfigurationError, ManifestError
from gateways.processor import Processor

BUILT_IN = {
    "amqp": "gateways.processors.amqp:AmqpProcessor",
    "artifact": "gateways.processors.artifact:ArtifactProcessor",
    "calendar": "gateways.processors.calendar:CalendarProcessor",
    "kafka": "gateways.processors.kafka:KafkaProcessor",
    "mqtt": "gateways.processors.mqtt:MqttProcessor",
    "nats": "gateways.processors.nats:NatsProcessor",
    "resource": "gateways.processors.resource:ResourceProcessor",
    "webhook": "gateways.processors.webhook:WebhookProcessor",
}

ENTRY_POINT_GROUP = "gatesim.processors"
"""A distribution announces its own types here: the name is the type, the value `module:class`."""


def processor_for(type_name: str, *, may_lack: bool = False) -> type[Processor]:
    """
    The processor class of *type_name*.

    Args:
        may_lack: A type that nobody serves gives NoProcessor.

    Raises:
        ManifestError: Nobody serves that type; the message lists the types there are.
    """
    if type_name in BUILT_IN:
        module, _, name = BUILT_IN[type_name].partition(":")
        found = getattr(import_module(module), name)
    else:
        announced = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
        if type_name not in announced and may_lack:
            return NoProcessor
        if type_name not in announced:
            known = ", ".join(sorted({*BUILT_IN, *announced}))
            raise ManifestError([f"no processor serves gateway type {type_name!r}; there are {known}"])
        found = announced[type_name].load()
    if not (isinstance(found, type) and issubclass(found, Processor)):
        raise ManifestError([f"what serves gateway type {type_name!r} is no subclass of gateways.Processor: {found!r}"])
    return found


class NoProcessor(Processor):
    """
    For gateways of a type that nobody here serves: their events are handed over at the transformer's port.
    """

    type = ""

    @classmethod
    def parse(cls, key: str, text: str) -> Any:
        """See Processor."""
        raise ConfigurationError(
            "no processor here serves this gateway's type; its events come by the transformer's port"
        )

    async def run(self) -> None:
        """See Processor. Never called, because no text is accepted."""
