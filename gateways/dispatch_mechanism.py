"""
Dispatch mechanisms: which targets a Gateway dispatches to; a broker's client is imported only where one is named.
"""

from __future__ import annotations

from gateways.addresses import AddressBook
from gateways.clock import Clock
from gateways.gateway_spec import GatewaySpec
from gateways.http_sender import HttpTargets
from gateways.watcher import Targets


def targets_of(spec: GatewaySpec, *, clock: Clock, addresses: AddressBook) -> Targets:
    """
    The maker of targets for the mechanism that *spec* names.

    Raises:
        ConfigurationError: What it says of the broker cannot be used.
    """
    dispatch = spec.dispatch
    if dispatch is None:
        return HttpTargets(spec, clock=clock, addresses=addresses)
    if dispatch.mechanism == "NATS":
        from gateways.nats_sender import NatsTargets  # noqa: PLC0415 - imports the client

        return NatsTargets(spec, dispatch, clock=clock, addresses=addresses)
    from gateways.kafka_sender import KafkaTargets  # noqa: PLC0415 - as above

    return KafkaTargets(spec, dispatch, clock=clock, addresses=addresses)
