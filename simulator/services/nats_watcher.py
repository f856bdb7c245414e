"""
NatsWatcher: hears what is published to subjects of a NATS server, or stored there, on a connection past every relay.

Where streams store what gateways dispatch, it reads the streams: a subscription to the subject itself would count as
somebody who answers, and hide that no stream takes it.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.errors import SimulatorError
from simulator.server_process import Access
from simulator.services.nats_publisher import LIMIT_S, connected
from simulator.services.service import BrokerMessage

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription


class NatsWatcher:
    """
    One connection.

    Args:
        heard: Told of each message, in the order in which the server sent them.
        read: Streams to the number of the last message that was heard of each, kept from connection to connection.
    """

    def __init__(self, heard: Callable[[BrokerMessage], None], read: dict[str, int]) -> None:
        self._heard = heard
        self._read = read
        self._client: Client | None = None
        self._subscriptions: dict[str, Subscription] = {}
        """By subject."""
        self._taken: Counter[str] = Counter()
        """Messages that were heard, by the subject that was subscribed to."""
        self._streams: list[str] = []
        self._stirred = asyncio.Event()

    async def start(self, access: Access) -> None:
        """
        Connect.
        """
        async with asyncio.timeout(LIMIT_S):
            self._client = await connected(access)

    async def hear(self, subjects: Iterable[str]) -> None:
        """
        Subscribe to *subjects*; the server knows of it when this returns.
        """
        client = self._client
        new = [subject for subject in subjects if subject not in self._subscriptions]
        if client is None or not new:
            return
        async with asyncio.timeout(LIMIT_S):
            for subject in new:
                self._subscriptions[subject] = await client.subscribe(subject, cb=self._taker(subject, self._told))
            await _round_trip(client)

    async def follow(self, streams: Iterable[str]) -> None:
        """
        Read each of *streams* from where it was read last.
        """
        client = self._client
        assert client is not None
        for stream in streams:
            if await self._newest(stream) < self._read.get(stream, 0):
                self._read[stream] = 0  # it did not outlive its server, and begins anew
            inbox = client.new_inbox()
            await client.subscribe(inbox, cb=self._taker(inbox, partial(self._stored, stream)))
            wanted = {
                "deliver_subject": inbox,
                "ack_policy": "none",
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": self._read.get(stream, 0) + 1,
            }
            await self._ask(f"$JS.API.CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": wanted})
            self._streams.append(stream)

    async def heard_all(self) -> None:
        """
        Return once everything is heard that the server had before the call.
        """
        client = self._client
        if client is None or client.is_closed:
            return
        async with asyncio.timeout(LIMIT_S):
            for stream in self._streams:
                newest = await self._newest(stream)
                while self._read.get(stream, 0) < newest:
                    await self._stir()
            await _round_trip(client)
            for subject, subscription in self._subscriptions.items():
                sent = subscription.delivered
                while self._taken[subject] < sent:
                    await self._stir()

    async def close(self) -> None:
        """
        Leave the server, which may be gone already.
        """
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _taker(self, subscribed: str, told: Callable[[Msg], None]) -> Callable[[Msg], Awaitable[None]]:
        async def take(message: Msg) -> None:
            told(message)
            self._taken[subscribed] += 1
            self._stirred.set()

        return take

    def _told(self, message: Msg) -> None:
        headers = tuple((name.lower(), value) for name, value in (message.headers or {}).items())
        self._heard(BrokerMessage((("subject", message.subject),), headers, message.data))

    def _stored(self, stream: str, message: Msg) -> None:
        self._read[stream] = message.metadata.sequence.stream
        self._told(message)

    async def _stir(self) -> None:
        """
        Wait until one more message is heard.
        """
        self._stirred.clear()
        await self._stirred.wait()

    async def _newest(self, stream: str) -> int:
        """
        The number of the last message that *stream* stored.
        """
        return int((await self._ask(f"$JS.API.STREAM.INFO.{stream}", {}))["state"]["last_seq"])

    async def _ask(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
        assert self._client is not None
        message = await self._client.request(subject, json.dumps(body).encode(), timeout=LIMIT_S)
        answer: dict[str, Any] = json.loads(message.data)
        if "error" in answer:
            raise SimulatorError(f"{subject}: {answer['error'].get('description', answer['error'])}")
        return answer


async def _round_trip(client: Client) -> None:
    """
    Return once the server has answered, and all that it sent before is with its subscription.

    The library's first PING may overtake what it has yet to write; the second one cannot.
    """
    await client.flush(int(LIMIT_S))
    await client.flush(int(LIMIT_S))
