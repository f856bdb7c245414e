"""
BrokerDispatch: where a gateway dispatches to, as its head says, where that is a broker and not its watchers' doors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from simulator.scenario_file.head import Gateway
from simulator.services.shapes import SHAPES, address_of

_SERVICES = {"NATSGateway": "nats", "NATS": "nats", "KafkaGateway": "kafka", "Kafka": "kafka"}


class BrokerDispatch(NamedTuple):
    """
    What a gateway's `dispatchMechanism` and `gatesim.dispatch` say.
    """

    service: str
    """The type of the service."""
    addresses: tuple[str, ...]
    """`host:port`, as the url names them; none where it names nothing that can be read."""
    topic: str
    """Of Kafka; empty where none is named."""
    stored: bool
    """Of NATS: whether streams store what is dispatched."""


def broker_of(gateway: Gateway) -> BrokerDispatch | None:
    """
    The broker that *gateway* dispatches to; None where it dispatches over HTTP. What is wrong there, the gateway says.
    """
    service = _SERVICES.get(gateway.dispatch_mechanism)
    if service is None:
        return None
    options: Any = (gateway.gatesim or {}).get("dispatch")
    given: Mapping[str, Any] = options if isinstance(options, Mapping) else {}
    url = given.get("url")
    addresses = [each for each in url.split(",") if each.strip()] if isinstance(url, str) else []
    port = SHAPES[service].default_port
    named = tuple(address_of(each, port) for each in addresses)
    return BrokerDispatch(service, named, str(given.get("topic") or ""), given.get("jetstream") is True)
