"""
The services that must keep the contract. A new one joins by a file of its own beside this one, and a line here.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

from simulator.services.child import in_process_of_its_own
from tests.simulator.services import (
    contract_amqp,
    contract_kafka,
    contract_kubernetes,
    contract_mqtt,
    contract_mqtt5,
    contract_nats,
    contract_s3,
)

CONTRACTS = (
    contract_amqp.CONTRACT,
    contract_amqp.LOCAL,
    contract_kafka.CONTRACT,
    contract_kubernetes.CONTRACT,
    contract_kubernetes.LOCAL,
    contract_mqtt.CONTRACT,
    contract_mqtt.LOCAL,
    *((contract_mqtt5.CONTRACT,) if find_spec("iotcore") else ()),
    contract_mqtt5.LOCAL,
    contract_nats.CONTRACT,
    contract_s3.CONTRACT,
    contract_s3.LOCAL,
)

CHILDREN = tuple(
    replace(
        each,
        name=each.name.replace("embedded", "process"),
        service=in_process_of_its_own(each.service),
        usual={**each.usual, "process": True},
        is_process=True,
    )
    for each in CONTRACTS
    if not each.is_process and not each.program
)
"""Our own servers as processes of their own: they keep the basic part."""
