"""
NatsPublisher: the simulator's own connection to a NATS server, straight to it and never through a relay.

The client library is imported when the first connection is made.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simulator.server_process import Access
from simulator.services.service import Published, Stimulus

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

CLIENT_NAME = "gatesim"
LIMIT_S = 10.0
"""Real time in which the server, which runs on this machine, answers anything."""
_NEVER_S = 86_400
"""For limits of the client library that ours replaces."""


class NatsRefused(Exception):
    """
    The server answered a request with an error.
    """


class NatsPublisher:
    """
    Publishes, and asks the server's JetStream API.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._client: Client | None = None
        self._streams: JetStreamContext | None = None
        self._broken = ""

    async def publish(self, stimuli: Sequence[Stimulus], kept: Sequence[bool]) -> Published:
        """
        Publish in order; returns once the server has all of it.

        Args:
            stimuli: What.
            kept: For each, whether a stream keeps it and therefore acknowledges it.
        """
        try:
            async with asyncio.timeout(LIMIT_S):
                client = await self._connected()
                sent = [await self._publish(client, *each) for each in zip(stimuli, kept, strict=True)]
                # The library's first PING may overtake what it has yet to write; the second one cannot.
                await client.flush(_NEVER_S)
                await client.flush(_NEVER_S)
                await asyncio.gather(*filter(None, sent))
        except TimeoutError:
            return Published(False, f"no answer within {LIMIT_S:g} s")
        except Exception as error:
            return Published(False, self._broken or str(error) or type(error).__name__)
        return Published(not self._broken, self._broken)

    async def ask(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """
        Ask the JetStream API.

        Raises:
            NatsRefused: It answered with an error, or not at all.
        """
        try:
            async with asyncio.timeout(LIMIT_S):
                client = await self._connected()
                message = await client.request(subject, json.dumps(body).encode(), timeout=_NEVER_S)
        except Exception as error:
            raise NatsRefused(self._broken or str(error) or type(error).__name__) from error
        answer: dict[str, Any] = json.loads(message.data)
        if "error" in answer:
            raise NatsRefused(str(answer["error"].get("description", answer["error"])))
        return answer

    async def close(self) -> None:
        """
        Leave the server.
        """
        client, self._client, self._streams = self._client, None, None
        if client is not None:
            await client.close()

    async def _publish(self, client: Client, stimulus: Stimulus, kept: bool) -> asyncio.Future[Any] | None:
        subject, headers = stimulus.get("subject"), dict(stimulus.headers) or None
        if kept:
            if self._streams is None:
                self._streams = client.jetstream(timeout=_NEVER_S)
            return await self._streams.publish_async(subject, stimulus.payload, headers=headers)
        await client.publish(subject, stimulus.payload, stimulus.get("replyTo"), headers)
        return None

    async def _connected(self) -> Client:
        if self._client is not None and not self._client.is_closed:
            return self._client
        self._streams = None
        self._broken = ""
        self._client = await connected(self._access, self._breaks)
        return self._client

    def _breaks(self, cause: str) -> None:
        self._broken = cause


async def connected(access: Access, failed: Callable[[str], None] = lambda _: None) -> Client:
    """
    A connection of the simulator's own.

    Args:
        access: How the server is reached.
        failed: Told the cause when something goes wrong on it.
    """
    from nats.aio.client import Client  # noqa: PLC0415 - takes a tenth of a second

    client = Client()

    async def on_error(error: Exception) -> None:
        failed(str(error) or type(error).__name__)
        if not client.is_connected:
            raise error

    async def told() -> None:
        """The client logs what nobody listens to."""

    context = ssl.create_default_context(cafile=access.certificate) if access.certificate else None
    await client.connect(
        f"nats://{access.host}:{access.port}",
        name=CLIENT_NAME,
        error_cb=on_error,
        closed_cb=told,
        disconnected_cb=told,
        allow_reconnect=False,
        connect_timeout=_NEVER_S,
        ping_interval=_NEVER_S,
        user=access.user or None,
        password=access.password or None,
        tls=context,
        tls_hostname=access.name or None,
    )
    _know_of_tls(client)
    return client


def _know_of_tls(client: Client) -> None:
    """
    Keep asyncio from warning, when the server ends a TLS connection, that a stream cannot stay half open there: the
    library does not tell the stream that it is over TLS.
    """
    writer = getattr(client._transport, "_io_writer", None)
    if writer is not None and writer.get_extra_info("sslcontext") is not None:
        writer.transport.get_protocol()._over_ssl = True
