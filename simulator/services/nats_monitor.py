"""
NatsMonitor: what a NATS server tells of its subscribers over its monitoring port.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from simulator.http_client import SocketAddress, send

_NO_BOUND = 1 << 62


class NatsMonitor:
    """
    One server's monitoring port.
    """

    def __init__(self, endpoint: SocketAddress) -> None:
        self._endpoint = endpoint

    async def subscribers(self, subject: str, *, except_for: str) -> int | None:
        """
        How many subscriptions there are to exactly *subject*, those of connections named *except_for* left out (of MQTT
        the client id is the name).

        Returns:
            None where the server does not answer.
        """
        connections = await self._get("/connz?subs=1&limit=65536", "connections")
        if connections is None:
            return None
        names = ("name", "mqtt_client")
        others = (each for each in connections if except_for not in [each.get(name) for name in names])
        lists: Iterable[list[str]] = (connection.get("subscriptions_list") or [] for connection in others)
        return sum(subjects.count(subject) for subjects in lists)

    async def undelivered(self, stream: str) -> int:
        """
        How many messages of *stream* wait to be pushed to somebody who is there and would take one now.

        Returns:
            0 where the server does not answer.
        """
        return sum(
            consumer["num_pending"]
            for each, consumer in await self._consumers() or ()
            if each == stream
            and consumer.get("push_bound")
            and consumer["num_ack_pending"] < (consumer["config"].get("max_ack_pending") or _NO_BOUND)
        )

    async def nobody_pulls(self, stream: str, durable: str) -> bool | None:
        """
        Whether nobody waits for messages of that consumer. The consumer itself stays: that is what durable means.

        Returns:
            None where the server does not answer.
        """
        consumers = await self._consumers()
        if consumers is None:
            return None
        return not any(
            consumer.get("num_waiting") or consumer.get("push_bound")
            for each, consumer in consumers
            if (each, consumer["name"]) == (stream, durable)
        )

    async def _consumers(self) -> list[tuple[str, dict[str, Any]]] | None:
        """
        Every consumer with the name of its stream; None where the server does not answer.
        """
        accounts = await self._get("/jsz?streams=1&consumers=1&config=1", "account_details")
        if accounts is None:
            return None
        return [
            (each["name"], consumer)
            for account in accounts
            for each in account.get("stream_detail", ())
            for consumer in each.get("consumer_detail") or ()
        ]

    async def _get(self, target: str, key: str) -> list[dict[str, Any]] | None:
        response = await send(
            self._endpoint, method="GET", target=target, headers=(), body=b"", host="nats", hold=_NoHold()
        )
        if response.status != 200:
            return None
        found: list[dict[str, Any]] = json.loads(response.body).get(key) or []
        return found


class _NoHold:
    """
    Time may move while we look.
    """

    def sent_from(self, address: SocketAddress) -> None:
        """See http_client.SenderHold."""
