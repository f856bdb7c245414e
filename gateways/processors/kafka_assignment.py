"""
Assignment: which member of a group reads which partitions, and how members tell each other; pure.

Source: Apache Kafka, `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`, and its range assignor.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gateways.processors.kafka_library import consumer

PROTOCOL_TYPE = "consumer"
RANGE = "range"
_VERSION = 0
_MALFORMED = (struct.error, ValueError, IndexError, TypeError)


class Subscriber(NamedTuple):
    """
    One member, as its leader knows it.
    """

    member: str
    instance: str
    """Of a static member; empty for any other."""
    topics: Sequence[str]


def subscription(topic: str) -> bytes:
    """
    What a member says that reads *topic*.
    """
    return bytes(consumer.ConsumerProtocolSubscription(version=_VERSION, topics=[topic], user_data=b"").encode())


def subscribers(members: Iterable[Any]) -> list[Subscriber]:
    """
    The *members* of a JoinGroup answer. Who says what cannot be read gets nothing.
    """
    return [Subscriber(each.member_id, each.group_instance_id or "", _topics(bytes(each.metadata))) for each in members]


def shared_out(
    members: Sequence[Subscriber], partitions: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, Sequence[int]]]:
    """
    Member to topic to the partitions that it is given: of each topic a range, as even as can be.

    Args:
        members: All of a group.
        partitions: Those that each topic has; a topic that is not there is left out.
    """
    shares: dict[str, dict[str, Sequence[int]]] = {each.member: {} for each in members}
    for topic, numbers in partitions.items():
        readers = [each for each in sorted(members, key=_rank) if topic in each.topics]
        each_has, one_more = divmod(len(numbers), len(readers)) if readers else (0, 0)
        begin = 0
        for place, reader in enumerate(readers):
            end = begin + each_has + (place < one_more)
            if end > begin:
                shares[reader.member][topic] = sorted(numbers)[begin:end]
            begin = end
    return shares


def assignment(share: Mapping[str, Sequence[int]]) -> bytes:
    """
    What the leader tells a member that is given *share*.
    """
    parts = [(topic, list(numbers)) for topic, numbers in sorted(share.items())]
    return bytes(
        consumer.ConsumerProtocolAssignment(version=_VERSION, assigned_partitions=parts, user_data=b"").encode()
    )


def assigned(told: bytes, topic: str) -> tuple[int, ...]:
    """
    The partitions of *topic* in what a leader has *told*, which is empty for a member that is given nothing.

    Raises:
        ValueError: It cannot be read.
    """
    if not told:
        return ()
    try:
        parts = consumer.ConsumerProtocolAssignment.decode(told).assigned_partitions
    except _MALFORMED as error:
        raise ValueError("it cannot be read") from error
    return tuple(sorted(number for part in parts if part.topic == topic for number in part.partitions))


def _rank(member: Subscriber) -> tuple[bool, str, str]:
    return not member.instance, member.instance, member.member


def _topics(metadata: bytes) -> Sequence[str]:
    try:
        return tuple(consumer.ConsumerProtocolSubscription.decode(metadata).topics)
    except _MALFORMED:
        return ()
