"""
The services that must keep the contract. A new one joins by a file of its own beside this one, and a line here.
"""

from __future__ import annotations

from importlib.util import find_spec

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
    contract_kafka.CONTRACT,
    contract_kubernetes.CONTRACT,
    contract_mqtt.CONTRACT,
    *((contract_mqtt5.CONTRACT,) if find_spec("iotcore") else ()),
    contract_nats.CONTRACT,
    contract_s3.CONTRACT,
)
