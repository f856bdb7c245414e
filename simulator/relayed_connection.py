"""
RelayedConnection: one client's connection through a relay, with whatever fault the relay has at the time.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

SocketAddress = tuple[str, int]
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: close sends RST."""
_ON_THE_WAY_MAX = 1024 * 1024
"""Bytes of one direction kept for later; beyond that they are left with their sender."""
_SLICE_S = 0.1
"""At a rate, bytes are handed on in slices of so much time."""


class RelayTime(Protocol):
    """
    What a relay needs of the scenario's time.
    """

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """As SensorTime.later."""

    def stall_peer(self, peer: str) -> Callable[[], None]:
        """All work on *peer* waits for scenario time until the returned function is called."""


@dataclass(frozen=True, slots=True)
class RelayFault:
    """
    What the relay does to traffic. The default lets everything pass.
    """

    blackhole: bool = False
    """Swallow every byte; healing resets the connections that lost some."""
    pause: bool = False
    """Keep every byte until healed."""
    latency_s: float = 0.0
    """Each piece is handed on so much later."""
    rate_bytes_s: float = 0.0
    """At most so many bytes a second, each direction."""

    @property
    def lets_pass(self) -> bool:
        """
        Whether bytes are handed on as they come.
        """
        return not (self.pause or self.latency_s or self.rate_bytes_s)

    @property
    def keeps_waiting(self) -> bool:
        """
        Whether a peer gets no answer until it is healed.
        """
        return self.blackhole or self.pause


class Rules(Protocol):
    """
    What a relay tells its connections.
    """

    @property
    def fault(self) -> RelayFault:
        """How traffic is treated now."""

    @property
    def time(self) -> RelayTime:
        """For delays."""

    def stall(self) -> Callable[[], None]:
        """Everybody's work on the relay's address waits for scenario time until the returned function is called."""


class Side(asyncio.Protocol):
    """
    One end of a relayed connection.
    """

    def __init__(self, made: Callable[[Side], None]) -> None:
        self._made = made
        self._pauses: set[str] = set()
        self.transport: asyncio.Transport | None = None
        self.got: Callable[[bytes], None] = lambda data: None
        self.ended: Callable[[], None] = lambda: None
        self.other: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop has classes of its own
        self._made(self)

    def data_received(self, data: bytes) -> None:
        self.got(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.ended()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.read(False, "full")

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.read(True, "full")

    @property
    def is_open(self) -> bool:
        """
        Whether it takes bytes.
        """
        return self.transport is not None and not self.transport.is_closing()

    def read(self, reading: bool, why: str) -> None:
        """
        Read, or leave bytes with the sender; it reads again once every reason to pause is gone.
        """
        if reading:
            self._pauses.discard(why)
        else:
            self._pauses.add(why)
        if self.transport is not None and self.is_open:
            if self._pauses:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        if self.transport is not None:
            raw = self.transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


class RelayedConnection:
    """
    A client's connection and the one to the service.
    """

    def __init__(
        self, rules: Rules, client: Side, target: SocketAddress, over: Callable[[RelayedConnection], None]
    ) -> None:
        self._rules = rules
        self._client = client
        self._service = service = Side(lambda side: None)
        self._target = target
        self._over = over
        self._unstall: Callable[[], None] | None = None
        self._lost_bytes = False
        self._connecting = True
        self._up = _Direction(rules, client, service)
        self._down = _Direction(rules, service, client)
        client.other, service.other = service, client
        client.got = lambda data: self._take(self._up, data)
        service.got = lambda data: self._take(self._down, data)
        client.ended = lambda: self._ended(self._up, self._down)
        service.ended = lambda: self._ended(self._down, self._up)
        self.fault_changed()

    @property
    def client(self) -> SocketAddress | None:
        """
        Where the client is; None once it is gone.
        """
        transport = self._client.transport
        return transport.get_extra_info("peername")[:2] if transport is not None else None

    @property
    def address(self) -> SocketAddress | None:
        """
        From where the service is reached; None while it is not.
        """
        transport = self._service.transport
        return transport.get_extra_info("sockname")[:2] if transport is not None else None

    async def connect(self) -> None:
        """
        Connect to the service; what the client sends meanwhile is kept.
        """
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._service, *self._target)
        except OSError:
            self.reset()
        self._connecting = False
        self.fault_changed()
        self._end_if_both_are_gone()

    def fault_changed(self) -> None:
        """
        The relay treats traffic differently from now on.
        """
        fault = self._rules.fault
        if self._lost_bytes and not fault.blackhole:
            self.reset()
            return
        if fault.keeps_waiting and self._unstall is None:
            self._unstall = self._rules.stall()
        elif not fault.keeps_waiting:
            self._release()
        self._up.fault_changed()
        self._down.fault_changed()

    def close(self) -> None:
        """
        End both sides in an orderly way.
        """
        self._drop()
        self._client.close()
        self._service.close()

    def reset(self) -> None:
        """
        End both sides at once.
        """
        self._drop()
        self._client.reset()
        self._service.reset()

    def _take(self, direction: _Direction, data: bytes) -> None:
        if self._rules.fault.blackhole:
            self._lost_bytes = True
        else:
            direction.push(data)

    def _ended(self, outgoing: _Direction, incoming: _Direction) -> None:
        """
        One side is gone; the other gets what was on its way to it, and is closed behind that.
        """
        incoming.drop()
        outgoing.finish()
        self._end_if_both_are_gone()

    def _end_if_both_are_gone(self) -> None:
        if self._client.transport is None and self._service.transport is None and not self._connecting:
            self._drop()
            self._over(self)

    def _drop(self) -> None:
        self._up.drop()
        self._down.drop()
        self._release()

    def _release(self) -> None:
        if self._unstall is not None:
            self._unstall()
            self._unstall = None


class _Direction:
    """
    The bytes on their way from one side to the other: sent at the rate, carried for the latency, kept while paused.
    """

    def __init__(self, rules: Rules, source: Side, sink: Side) -> None:
        self._rules = rules
        self._source = source
        self._sink = sink
        self._to_send: deque[bytes] = deque()
        self._sending: Callable[[], None] | None = None
        self._carried: deque[tuple[bytes, Callable[[], None]]] = deque()
        self._kept: deque[bytes] = deque()
        self._bytes = 0
        self._release: Callable[[], None] | None = None
        self._ending = False

    def push(self, data: bytes) -> None:
        """
        Hand *data* on, now or later; never before what came earlier.
        """
        if not self._bytes and self._rules.fault.lets_pass and self._sink.is_open:
            self._sink.write(data)
            return
        self._bytes += len(data)
        if self._bytes > _ON_THE_WAY_MAX:
            self._source.read(False, "delayed")
        self._to_send.append(data)
        self._send()
        self._stall_while_delayed()

    def fault_changed(self) -> None:
        """
        What no longer waits for anything is handed on at once.
        """
        if self._sending is not None:
            self._sending()
            self._sending = None
        if not self._rules.fault.latency_s:
            while self._carried:
                data, cancel = self._carried.popleft()
                cancel()
                self._kept.append(data)
        self._hand_on()
        self._send()
        self._stall_while_delayed()

    def finish(self) -> None:
        """
        The source is gone: close the sink behind the last byte. A service that is stopped never sees the bytes of a
        client that gave up meanwhile.
        """
        if self._rules.fault.keeps_waiting:
            self.drop()
        self._ending = True
        self._end_if_idle()

    def drop(self) -> None:
        """
        Forget what is on its way.
        """
        if self._sending is not None:
            self._sending()
            self._sending = None
        for _, cancel in self._carried:
            cancel()
        self._to_send.clear()
        self._carried.clear()
        self._kept.clear()
        self._bytes = 0
        self._end_if_idle()

    def _send(self) -> None:
        """
        Send what waits for that: at once, or slice by slice.
        """
        rate = self._rules.fault.rate_bytes_s
        while self._to_send and self._sending is None:
            data = self._to_send.popleft()
            if not rate:
                self._carry(data)
                continue
            size = max(1, int(rate * _SLICE_S))
            if data[size:]:
                self._to_send.appendleft(data[size:])
            self._send_slice(data[:size], rate)

    def _send_slice(self, data: bytes, rate: float) -> None:
        def sent() -> None:
            self._sending = None
            self._carry(data)
            self._send()

        cancel = self._rules.time.later(len(data) / rate, sent)

        def put_back() -> None:
            cancel()
            self._to_send.appendleft(data)

        self._sending = put_back

    def _carry(self, data: bytes) -> None:
        latency_s = self._rules.fault.latency_s
        if latency_s:
            self._carried.append((data, self._rules.time.later(latency_s, self._arrived)))
        else:
            self._kept.append(data)
            self._hand_on()

    def _arrived(self) -> None:
        self._kept.append(self._carried.popleft()[0])
        self._hand_on()

    def _hand_on(self) -> None:
        while self._kept and self._sink.is_open and not self._rules.fault.pause:
            data = self._kept.popleft()
            self._bytes -= len(data)
            self._sink.write(data)
        if self._bytes <= _ON_THE_WAY_MAX:
            self._source.read(True, "delayed")
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        self._stall_while_delayed()
        if self._ending and not self._bytes:
            self._sink.close()

    def _stall_while_delayed(self) -> None:
        """
        What merely waits for the connection to the service is work under way, and holds time.
        """
        delayed = bool(self._bytes) and not self._rules.fault.lets_pass
        if delayed and self._release is None:
            self._release = self._rules.stall()
        elif not delayed and self._release is not None:
            self._release()
            self._release = None
