"""
Which class serves which type of service; imported only when a scenario needs it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from simulator.errors import ServiceUnavailable
from simulator.services.service import Service

BUILT_IN = {
    "amqp": "simulator.services.amqp:EmbeddedAmqp",
    "kubernetes": "simulator.services.kubernetes:EmbeddedKubernetes",
    "kafka": "simulator.services.kafka:EmbeddedKafka",
    "mqtt": "simulator.services.mqtt:EmbeddedMqtt",
    "nats": "simulator.services.nats:EmbeddedNats",
    "s3": "simulator.services.s3:EmbeddedS3",
}

ENTRY_POINT_GROUP = "gatesim.services"
"""A distribution announces its own services here: the name is the type, the value `module:class`."""


def service_class(type_name: str, *, as_process: bool = False) -> type[Service]:
    """
    The service class of *type_name*.

    Args:
        as_process: The form of it that runs as a process of its own, where it would else run in this one.

    Raises:
        ServiceUnavailable: Nobody serves that type.
    """
    if type_name in BUILT_IN:
        module, _, name = BUILT_IN[type_name].partition(":")
        found: type[Service] = getattr(import_module(module), name)
        return _child(found) if as_process else found
    announced = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    if type_name not in announced:
        known = ", ".join(sorted({*BUILT_IN, *announced}))
        raise ServiceUnavailable(type_name, "embedded", "there is no service of that type", f"there are {known}")
    loaded: type[Service] = announced[type_name].load()
    return loaded


def _child(local: type[Service]) -> type[Service]:
    from simulator.services.child import in_process_of_its_own  # noqa: PLC0415 - only where it is asked for

    return in_process_of_its_own(local)
