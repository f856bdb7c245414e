"""
Identities: the ids of messages that a server will deliver again, which says nothing by which they can be told.

AMQP numbers deliveries, not messages. A redelivered message is one whose content we have had and given back, or had in
hands when its connection was lost; of several with the same content the first comes first. An id that was accepted is
never given again, so that nothing is taken for a repetition that is none.
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


class Identities:
    """
    For all configurations of one gateway, because a processor lives as long as its connection alone.

    Args:
        limit: Ids kept for each configuration.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._expected: dict[str, dict[bytes, deque[str]]] = {}

    def expect(self, configuration: str, digest: bytes, event_id: str) -> None:
        """
        The message with that content will come again.
        """
        expected = self._expected.setdefault(configuration, {})
        expected.setdefault(digest, deque()).append(event_id)
        if len(expected) > self._limit:
            del expected[next(iter(expected))]

    def recognised(self, configuration: str, digest: bytes) -> str:
        """
        The id of a message that came again; empty where it was never here.
        """
        expected = self._expected.get(configuration, {})
        ids = expected.get(digest)
        if not ids:
            return ""
        found = ids.popleft()
        if not ids:
            del expected[digest]
        return found

    # See gateways.processor.Shared.

    async def reconcile(self) -> None:
        """See Shared."""

    async def close(self) -> None:
        """See Shared."""

    def abort(self) -> None:
        """See Shared."""
