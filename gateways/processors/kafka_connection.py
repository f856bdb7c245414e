"""
KafkaConnection: one connection to one broker, through the address book, until it is lost.

It speaks kafka-python's protocol classes over a transport of the gateway's own loop: no thread, no reconnect of its
own, and every wait goes through the Clock. A lost connection ends whatever was asked over it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Mapping
from secrets import token_hex
from typing import Any, TypeVar, cast

from gateways.clock import closing
from gateways.errors import SourceUnavailable
from gateways.processors.credential_files import tls_context
from gateways.processors.kafka_library import consumer, metadata, producer, sasl
from gateways.processors.kafka_library import errors as kafka_errors
from gateways.processors.kafka_options import KafkaAccess, KafkaBroker
from gateways.processors.kafka_sasl import NotFollowed, exchange
from gateways.processors.servers import Client, answered

T = TypeVar("T")

_LENGTH = struct.Struct(">i")
_CORRELATION = struct.Struct(">i")
_FRAME_MAX = 128 * 1024 * 1024
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds, seconds, probes: a peer that has vanished without a word is noticed after a minute, in real time."""
_VERSIONS: dict[str, tuple[Any, int, int]] = {
    "SaslHandshake": (sasl, 1, 1),
    "SaslAuthenticate": (sasl, 0, 1),
    "Metadata": (metadata, 1, 8),
    "FindCoordinator": (metadata, 0, 2),
    "Fetch": (consumer, 4, 11),
    "ListOffsets": (consumer, 1, 5),
    "JoinGroup": (consumer, 0, 5),
    "SyncGroup": (consumer, 0, 3),
    "Heartbeat": (consumer, 0, 3),
    "LeaveGroup": (consumer, 0, 2),
    "OffsetCommit": (consumer, 2, 7),
    "OffsetFetch": (consumer, 1, 5),
    "Produce": (producer, 3, 8),
}
"""What we ask, where it stands, and in which versions; brokers since 0.11 (for a login since 1.0) know the first."""
_UNSUPPORTED_MECHANISM, _LOGIN_OUT_OF_PLACE = 33, 34
_TLS_ALERT = b"\x15\x03"
"""How a TLS server begins its complaint about plain text."""
_FIRST_QUESTION = "Metadata"
"""What is asked over the first connection to a cluster, after which requests it knows."""
_NONCE_BYTES = 24
_CLOSED = "the connection was closed"
_NO_BROKER = "it is no Kafka broker: its answer cannot be read"


class KafkaConnection(asyncio.Protocol):
    """
    One connection. Its `cause` says why it is lost; empty while it is not.

    Args:
        broker: Whom it leads to.
        context: Who talks to it.
        access: Whether there is TLS and a login.
    """

    def __init__(self, broker: KafkaBroker, context: Client, access: KafkaAccess | None = None) -> None:
        self.broker = broker
        self.peer = broker.peer
        self.cause = ""
        self._access = access or KafkaAccess()
        self._answers = 0
        self._question = ""
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._bytes = bytearray()
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._correlation = 0
        self._offered: Mapping[int, tuple[int, int]] = {}

    async def open(self) -> None:
        """
        Connect, learn which requests the broker knows, and log in; within the limit.

        Raises:
            SourceUnavailable: It cannot be had now, is no Kafka broker, or does not let us in.
        """
        host, port = self._context.addresses.dial(self.broker.host, self.broker.port)
        try:
            await self.within_limit(self._open(host, port))
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise SourceUnavailable(f"{self.peer}: {self._cause_of(error)}") from error
            raise

    async def within_limit(self, io: Awaitable[T]) -> T:
        """
        Await *io*, which needs only a prompt answer of this broker.

        Raises:
            SourceUnavailable: It does not come.
        """
        return await answered(self._context, self.peer, io)

    async def ask(self, name: str, *, patiently: bool = False, **fields: Any) -> Any:
        """
        Ask, and return the answer; the caller limits it.

        Args:
            name: Kind of request, as in _VERSIONS.
            patiently: The broker answers when it likes; waiting for it does not hold time.
            fields: Of the request; those that a version does not have are left out.

        Raises:
            SourceUnavailable: The connection is lost, or the broker does not know such a request.
        """
        module, first, last = _VERSIONS[name]
        request_type, response_type = getattr(module, f"{name}Request"), getattr(module, f"{name}Response")
        offered = self._offered.get(request_type.API_KEY, (1, 0))
        version = min(last, offered[1])
        if version < max(first, offered[0]):
            raise SourceUnavailable(f"{self.peer}: the broker offers no {name} request that we speak")
        request = request_type(version=version, **fields)
        self._question = name
        return await self._exchange(request, response_type, version, patiently=patiently)

    async def ask_and_wait(self, name: str, limit_s: float, **fields: Any) -> Any:
        """
        Ask what is answered when others have done their part, and return the answer.

        Raises:
            SourceUnavailable: The connection is lost, the broker does not know such a request, or it takes too long.
        """
        clock, task = self._context.clock, asyncio.current_task()
        assert task is not None
        with closing(clock.work(self.peer)) as hold:
            if self._transport is not None:
                hold.sent_from(self._transport.get_extra_info("sockname")[:2])
            alarm = hold.alarm(limit_s, lambda: self._lose(f"no answer within {limit_s:g} s"))
            try:
                return await self.ask(name, **fields)
            finally:
                alarm.cancel()
                clock.awake(task)

    def close(self) -> None:
        """
        Drop the connection.
        """
        self._lose("the connection was dropped")
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lose(str(exc) if exc is not None else self._why_closed())

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        while len(self._bytes) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes)
            if not _CORRELATION.size <= length <= _FRAME_MAX:
                speaks_tls = self._bytes.startswith(_TLS_ALERT)
                self._lose("the broker speaks TLS there, and `tls` is missing" if speaks_tls else _NO_BROKER)
                self.close()
                return
            end = _LENGTH.size + length
            if len(self._bytes) < end:
                return
            frame = bytes(self._bytes[_LENGTH.size : end])
            del self._bytes[:end]
            self._answers += 1
            answered = self._asked.pop(_CORRELATION.unpack_from(frame)[0], None)
            if answered is not None and not answered.done():
                answered.set_result(frame)

    async def _open(self, host: str, port: int) -> None:
        tls = self._access.tls
        encryption = tls_context(tls) if tls is not None else None
        name = (tls.server_name or self.broker.host) if tls is not None else None
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, host, port, ssl=encryption, server_hostname=name)
        # Version 0 of this request is the one that every broker knows, whatever else it does.
        answer = await self._exchange(metadata.ApiVersionsRequest(version=0), metadata.ApiVersionsResponse, 0)
        if answer.error_code:
            raise SourceUnavailable(f"{self.peer}: the broker refuses us with error {answer.error_code}")
        self._offered = {each.api_key: (each.min_version, each.max_version) for each in answer.api_keys}
        if self._access.mechanism:
            await self._log_in(self._access.mechanism)

    async def _log_in(self, mechanism: str) -> None:
        username, password = self._access.login.read()
        agreed = await self.ask("SaslHandshake", mechanism=mechanism)
        if agreed.error_code == _UNSUPPORTED_MECHANISM:
            known = ", ".join(agreed.mechanisms) or "none"
            raise SourceUnavailable(f"{self.peer}: the broker has no login by {mechanism}; it has {known}")
        if agreed.error_code:
            out_of_place = agreed.error_code == _LOGIN_OUT_OF_PLACE
            why = "the broker wants no login there; leave `auth` out" if out_of_place else said(agreed.error_code)
            raise SourceUnavailable(f"{self.peer}: {why}")
        # A nonce has to be unpredictable, so it is not one of the seed's.
        login = exchange(mechanism, username or "", password or "", token_hex(_NONCE_BYTES))
        saying: bytes | None = login.first()
        while saying is not None:
            answer = await self.ask("SaslAuthenticate", auth_bytes=saying)
            if answer.error_code:
                why = answer.error_message or said(answer.error_code)
                raise SourceUnavailable(f"{self.peer}: the broker refuses the login: {why}")
            try:
                saying = login.answer(bytes(answer.auth_bytes or b""))
            except NotFollowed as error:
                raise SourceUnavailable(f"{self.peer}: {error}") from error

    async def _exchange(self, request: Any, response_type: Any, version: int, *, patiently: bool = False) -> Any:
        if self.cause or self._transport is None:
            raise self._failure
        self._correlation = (self._correlation + 1) & 0x7FFFFFFF
        number = self._correlation
        client = f"{self._context.gateway}/{self._context.configuration}"
        request.with_header(correlation_id=number, client_id=client)
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = answered
        self._transport.write(request.encode(header=True, framed=True))
        try:
            frame = await (self._patiently(answered) if patiently else answered)
        finally:
            self._asked.pop(number, None)
        try:
            return response_type.decode(frame, version=version, header=True)
        except (struct.error, ValueError, IndexError, TypeError) as error:
            self._lose(_NO_BROKER)
            self.close()
            raise self._failure from error

    async def _patiently(self, answered: asyncio.Future[bytes]) -> bytes:
        """
        Wait as for outside input; from the moment of the answer on its reader holds time.
        """
        clock, task = self._context.clock, asyncio.current_task()
        assert task is not None
        answered.add_done_callback(lambda _: clock.awake(task))
        with clock.idle():
            return await answered

    @property
    def _failure(self) -> SourceUnavailable:
        return SourceUnavailable(f"{self.peer}: {self.cause or _CLOSED}")

    def _why_closed(self) -> str:
        """
        What a broker means that closes a connection without a word.
        """
        if not self._asked or self._access.mechanism:
            return _CLOSED
        if not self._answers and self._access.tls is None:
            return f"{_CLOSED} before it answered: it is no Kafka broker, or wants TLS and `tls` is missing"
        if self._answers == 1 and self._question == _FIRST_QUESTION:
            return f"{_CLOSED} at the first question: a broker does so that wants a login, and `auth` is missing"
        return _CLOSED

    def _cause_of(self, error: OSError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"TLS: {error.verify_message}"
        cut_off = isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError)
        if self._access.tls is not None and (cut_off or isinstance(error, ssl.SSLError)):
            reason = getattr(error, "reason", None) or _CLOSED
            return f"TLS: {reason}; a broker that speaks plain text there does so"
        return str(error.strerror or error)

    def _lose(self, cause: str) -> None:
        if not self.cause:
            self.cause = cause
            for answered in self._asked.values():
                if not answered.done():
                    answered.set_exception(self._failure)
                    answered.exception()  # who asked may be gone


def said(code: int) -> str:
    """
    An error code in words.
    """
    found = kafka_errors.for_code(code)
    return f"error {code} ({str(found.message).lower().replace('_', ' ')})"
