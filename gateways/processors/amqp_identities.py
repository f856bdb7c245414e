"""
Identities: the ids of messages that a server will deliver again, which says nothing by which they can be told.

AMQP numbers deliveries, not messages. A redelivered message is one whose content we have had and given back, or had in
hands when its connection was lost; of several with the same content the first comes first. What was lost comes before
anything new, so with the first new message it is no longer waited for: nothing is taken for a repetition that is none.
"""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from typing import Any
from uuid import UUID, uuid5

ID_NAMESPACE = UUID("0d3c3c1f-52a5-5f0e-8d0e-3c1f52a55f0e")
"""Ids of messages that carry one of their own are uuid5 of this, the content and that."""


def digest_of(exchange: str, routing_key: str, properties: Any, body: bytes) -> bytes:
    """
    Sixteen bytes that stand for the content of a message.
    """
    digest = blake2b(digest_size=16)
    for part in (exchange.encode(), routing_key.encode(), b"".join(properties.encode()), body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def id_of(message_id: str, digest: bytes) -> str:
    """
    The id of a message that carries *message_id*; two with different content are two.
    """
    return str(uuid5(ID_NAMESPACE, f"{digest.hex()}/{message_id}"))


class Expected:
    """
    Messages that will come again: their content, and the ids that they had.

    Args:
        limit: Contents kept; of more the oldest are forgotten.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ids: dict[bytes, deque[str]] = {}

    def add(self, digest: bytes, event_id: str) -> None:
        """
        The message with that content will come again.
        """
        self._ids.setdefault(digest, deque()).append(event_id)
        if len(self._ids) > self._limit:
            del self._ids[next(iter(self._ids))]

    def take(self, digest: bytes) -> str:
        """
        The id of a message that came again; empty where it was not expected.
        """
        ids = self._ids.get(digest)
        if not ids:
            return ""
        found = ids.popleft()
        if not ids:
            del self._ids[digest]
        return found

    def move_to(self, other: Expected) -> None:
        """
        Let *other* expect them.
        """
        for digest, ids in self._ids.items():
            for event_id in ids:
                other.add(digest, event_id)
        self._ids.clear()

    def clear(self) -> None:
        """
        None will come again.
        """
        self._ids.clear()


class Identities:
    """
    What each configuration of one gateway had in hands when its connection was lost.

    A processor lives as long as its connection alone, so this is what they share.

    Args:
        limit: Contents kept for each configuration.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lost: dict[str, Expected] = {}

    def lost(self, configuration: str) -> Expected:
        """
        What *configuration* had.
        """
        return self._lost.setdefault(configuration, Expected(self._limit))

    # See gateways.processor.Shared.

    async def reconcile(self) -> None:
        """See Shared."""

    async def close(self) -> None:
        """See Shared."""

    def abort(self) -> None:
        """See Shared."""
