"""
NatsTarget: dispatches the events of a gateway to NATS, each to the subject `<gateway>/<configuration>`.

An event counts as accepted once the server has it, and with `jetstream: true` once a stream has stored it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from gateways.addresses import AddressBook
from gateways.broker_message import nats_message
from gateways.clock import Clock, Hold, within
from gateways.cloudevent import CloudEvent
from gateways.encoder import ContentMode, Encoder, idempotency_key
from gateways.errors import ConfigurationError, GatewayError
from gateways.gateway_spec import Dispatch, GatewaySpec
from gateways.limits import Limits
from gateways.processors.nats_connection import NatsConnection, PublishDenied, connect
from gateways.processors.nats_options import NatsOptions
from gateways.processors.servers import Caller
from gateways.source_event import Certainty
from gateways.watcher import ACCEPTED, Attempt, Watcher

NAME = "NATS"
"""What results and status call the target."""
_SUBJECT_BYTES_MAX = 1_000


class _Line:
    """
    The connection to the server that all configurations of a gateway share; made anew when it is needed and lost.
    """

    def __init__(self, options: NatsOptions, caller: Caller) -> None:
        self.peer = options.servers[0].peer
        self.limits: Limits = caller.limits
        self._options = options
        self._caller = caller
        self._connection: NatsConnection | None = None
        self._connecting: asyncio.Task[NatsConnection] | None = None

    async def connected(self) -> NatsConnection:
        """
        A connection that lives. Whoever asks meanwhile waits for the same one.

        Raises:
            SourceUnavailable, ConfigurationError: There is none.
        """
        connection = self._connection
        if connection is not None and not connection.cause:
            return connection
        connecting = self._connecting
        if connecting is None or connecting.done():
            connecting = self._connecting = asyncio.ensure_future(self._connect())
        await asyncio.wait([connecting])
        return connecting.result()

    async def close(self) -> None:
        """
        Leave the server.
        """
        await self._end_connecting()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def abort(self) -> None:
        """
        Drop the connection, or whatever is to become one.
        """
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.abort()

    async def _connect(self) -> NatsConnection:
        former, self._connection = self._connection, None
        if former is not None:
            await former.close()
        self._connection = await connect(self._options, self._caller, lambda: None)
        return self._connection

    async def _end_connecting(self) -> None:
        connecting, self._connecting = self._connecting, None
        if connecting is not None and not connecting.done():
            connecting.cancel()
            await asyncio.wait([connecting])


class NatsTarget:
    """
    One configuration's way to its subject. See Target.
    """

    __slots__ = ("_encoder", "_line", "_mode", "_stored", "name", "peer")

    def __init__(self, line: _Line, encoder: Encoder, *, mode: ContentMode, stored: bool) -> None:
        self.name = NAME
        self.peer = line.peer
        self._line = line
        self._encoder = encoder
        self._mode = mode
        self._stored = stored

    async def attempt(self, event: CloudEvent, hold: Hold) -> Attempt:
        """See Target."""
        subject = event.source
        if problem := problem_of(subject):
            return Attempt(Certainty.REFUSED, problem)
        message = nats_message(event, self._mode, self._encoder)
        headers = dict(message.headers)
        if self._stored:
            headers["Nats-Msg-Id"] = idempotency_key(f"{subject}/{event.id}")
        body = message.body or b""
        try:
            connection = await self._line.connected()
        except GatewayError as error:
            return Attempt(Certainty.REFUSED, str(error))
        if (size := len(body) + _size_of(headers)) > connection.bytes_max:
            cause = f"the message has {size:,} bytes, and the server takes {connection.bytes_max:,}"
            return Attempt(Certainty.REFUSED, f"{connection.peer}: {cause}")
        limit_s = self._line.limits.answer_s
        try:
            answer = await within(hold, limit_s, connection.deliver(subject, body, headers, stored=self._stored))
        except TimeoutError as error:
            connection.give_up(str(error))  # what follows on it would be answered late as well
            return Attempt(Certainty.UNCERTAIN, f"{connection.peer}: {error}")
        except PublishDenied as error:
            return Attempt(Certainty.REFUSED, str(error))
        except GatewayError as error:
            return Attempt(Certainty.UNCERTAIN, str(error))
        return _stored(answer, connection.peer) if self._stored else ACCEPTED


class NatsTargets:
    """
    The targets of one gateway. See Targets.

    Args:
        spec: The Gateway's.
        dispatch: What it says of the server.
        clock: Time.
        addresses: Where to connect.

    Raises:
        ConfigurationError: The url cannot be used.
    """

    def __init__(self, spec: GatewaySpec, dispatch: Dispatch, *, clock: Clock, addresses: AddressBook) -> None:
        self._spec = spec
        self._dispatch = dispatch
        self._clock = clock
        options = NatsOptions.to_publish(dispatch.text)
        self._line = _Line(options, Caller(spec.name, "dispatch", clock, addresses, spec.limits))

    def of(self, configuration: str) -> tuple[NatsTarget, ...]:
        """See Targets."""
        if problem := problem_of(f"{self._spec.name}/{configuration}"):
            raise ConfigurationError(problem)
        return self.to(())

    def to(self, watchers: Iterable[Watcher], *, version: str | None = None) -> tuple[NatsTarget, ...]:
        """See Targets."""
        spec = self._spec
        encoder = Encoder(version=spec.version if version is None else version, clock=self._clock)
        return (NatsTarget(self._line, encoder, mode=ContentMode.of(spec), stored=self._dispatch.jetstream),)

    async def close(self) -> None:
        """See Targets."""
        await self._line.close()

    def abort(self) -> None:
        """See Targets."""
        self._line.abort()


def problem_of(subject: str) -> str:
    """
    Why nothing can be published to *subject*; empty where it can.
    """
    if "" in subject.split("."):
        return f"events cannot go to the NATS subject {subject[:80]!r}: it has an empty token, between or beside dots"
    if len(subject.encode()) > _SUBJECT_BYTES_MAX:
        return f"events cannot go to a NATS subject of more than {_SUBJECT_BYTES_MAX} bytes"
    return ""


def _size_of(headers: dict[str, str]) -> int:
    lines = sum(len(name) + len(value) + len(": \r\n") for name, value in headers.items())
    return lines + len("NATS/1.0\r\n\r\n")


def _stored(answer: bytes, peer: str) -> Attempt:
    """
    What a stream's answer means.
    """
    try:
        told: dict[str, Any] = json.loads(answer)
    except ValueError:
        told = {}
    if "stream" in told and "error" not in told:
        return ACCEPTED
    cause = told.get("error", {}).get("description", "the answer is none of a stream's")
    return Attempt(Certainty.REFUSED, f"{peer}: {cause}")
