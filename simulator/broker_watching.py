"""
BrokerWatching: has sensors hear what gateways dispatch to a scenario's brokers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from simulator.scenario_file.broker_dispatch import BrokerDispatch, broker_of
from simulator.scenario_file.scenario import Gateway
from simulator.services.service import BrokerMessage, Dispatching, Service


class BrokerWatching:
    """
    The brokers that gateways dispatch to.

    Args:
        heads: The gateways as the scenario describes them, by name.
        services: Every service by name.
    """

    def __init__(self, heads: Mapping[str, Gateway], services: Mapping[str, Service]) -> None:
        self._services = services
        self._brokers = {name: broker for name, head in heads.items() if (broker := broker_of(head)) is not None}

    def type_for(self, gateway: str) -> str:
        """
        The type of the broker that *gateway* dispatches to; empty for HTTP.
        """
        broker = self._brokers.get(gateway)
        return broker.service if broker is not None else ""

    def hear(self, gateway: str, heard: Callable[[BrokerMessage], None]) -> None:
        """
        Have *heard* told of all that *gateway* dispatches. Where its url means no service, the gateway says so.
        """
        broker = self._brokers[gateway]
        service = self._service(broker)
        if service is not None:
            service.watch(Dispatching(gateway, broker.topic, broker.stored), heard)

    async def announce(self, gateway: str, configurations: Iterable[str]) -> None:
        """
        Tell the broker the names of the configurations of *gateway*, before the gateway has them.
        """
        broker = self._brokers.get(gateway)
        service = self._service(broker) if broker is not None else None
        if service is not None:
            await service.dispatching(gateway, configurations)

    def _service(self, broker: BrokerDispatch) -> Service | None:
        alike = [service for service in self._services.values() if service.type == broker.service]
        return next((service for service in alike if set(service.peers) & set(broker.addresses)), None)
