"""
Kafka's error codes, those that we answer with, and the number of each by its name.

Source: the Kafka protocol guide, "Error Codes".
"""

from __future__ import annotations

import inspect
from typing import Any

from simulator.services.embedded.kafka.library import errors as kafka_errors

NONE = 0
OFFSET_OUT_OF_RANGE = 1
CORRUPT_MESSAGE = 2
UNKNOWN_TOPIC_OR_PARTITION = 3
NOT_LEADER_OR_FOLLOWER = 6
NOT_COORDINATOR = 16
INVALID_TOPIC = 17
ILLEGAL_GENERATION = 22
INCONSISTENT_GROUP_PROTOCOL = 23
INVALID_GROUP_ID = 24
UNKNOWN_MEMBER_ID = 25
INVALID_SESSION_TIMEOUT = 26
REBALANCE_IN_PROGRESS = 27
UNSUPPORTED_SASL_MECHANISM = 33
ILLEGAL_SASL_STATE = 34
UNSUPPORTED_VERSION = 35
TOPIC_ALREADY_EXISTS = 36
INVALID_PARTITIONS = 37
INVALID_REQUEST = 42
UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
INVALID_PRODUCER_EPOCH = 47
SASL_AUTHENTICATION_FAILED = 58
NON_EMPTY_GROUP = 68
GROUP_ID_NOT_FOUND = 69
FETCH_SESSION_ID_NOT_FOUND = 70
INVALID_FETCH_SESSION_EPOCH = 71
FENCED_LEADER_EPOCH = 74
UNKNOWN_LEADER_EPOCH = 75
MEMBER_ID_REQUIRED = 79
FENCED_INSTANCE_ID = 82


class Refused(Exception):
    """
    A request, or its part about one partition, cannot be done.
    """

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


def code_of(error: str | int) -> int | None:
    """
    The number that *error* (a number, a name, or the beginning of one name) means; None where it means none.
    """
    classes: list[Any] = [found for _, found in inspect.getmembers(kafka_errors, inspect.isclass)]
    known = [each for each in classes if issubclass(each, kafka_errors.BrokerResponseError)]
    ours = {name: code for name, code in globals().items() if name.isupper() and isinstance(code, int)}
    names = {str(each.message): each.errno for each in known if isinstance(each.errno, int)} | ours
    if isinstance(error, int) or error.lstrip("-").isdigit():
        return int(error) if int(error) in names.values() else None
    wanted = error.upper()
    exact = names.get(wanted)
    alike = {code for name, code in names.items() if name.startswith(wanted)}
    return exact if exact is not None else alike.pop() if len(alike) == 1 else None
