"""
Which class serves which type of service; imported only when a scenario needs it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from simulator.errors import ServiceUnavailable
from simulator.providers import EMBEDDED
from simulator.services.service import Service

BUILT_IN: dict[str, dict[str, str]] = {
    "embedded": {
        "amqp": "simulator.services.amqp:EmbeddedAmqp",
        "kafka": "simulator.services.kafka:EmbeddedKafka",
        "kubernetes": "simulator.services.kubernetes:EmbeddedKubernetes",
        "mqtt": "simulator.services.mqtt:EmbeddedMqtt",
        "nats": "simulator.services.nats:EmbeddedNats",
        "s3": "simulator.services.s3:EmbeddedS3",
    },
    "local": {
        "amqp": "simulator.services.local.rabbitmq:LocalRabbitMq",
        "kubernetes": "simulator.services.local.kubernetes:LocalKubernetes",
        "mqtt": "simulator.services.local.mosquitto:LocalMosquitto",
        "nats": "simulator.services.local.nats:LocalNats",
        "s3": "simulator.services.local.s3:LocalS3",
    },
}
"""By provider and type."""

ENTRY_POINT_GROUP = "gatesim.services"
"""
A distribution announces its own services here: the name is the type, the value `module:class`. They serve whatever the
provider, and say which they are.
"""


def service_class(type_name: str, provider: str = EMBEDDED, *, as_process: bool = False) -> type[Service]:
    """
    The service class of *type_name* on *provider*.

    Args:
        as_process: The form of it that runs as a process of its own, where it would else run in this one.

    Raises:
        ServiceUnavailable: Nobody serves that type there.
    """
    built_in = BUILT_IN.get(provider, {})
    if type_name in built_in:
        module, _, name = built_in[type_name].partition(":")
        found: type[Service] = getattr(import_module(module), name)
        return _child(found) if as_process and provider == EMBEDDED else found
    announced = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    if type_name in announced:
        loaded: type[Service] = announced[type_name].load()
        return loaded
    if type_name in BUILT_IN[EMBEDDED]:
        there = ", ".join(name for name, types in BUILT_IN.items() if type_name in types)
        raise ServiceUnavailable(type_name, provider, "this provider does not serve it", f"it comes from {there}")
    known = ", ".join(sorted({*BUILT_IN[EMBEDDED], *announced}))
    raise ServiceUnavailable(type_name, provider, "there is no service of that type", f"there are {known}")


def _child(local: type[Service]) -> type[Service]:
    from simulator.services.child import in_process_of_its_own  # noqa: PLC0415 - only where it is asked for

    return in_process_of_its_own(local)
