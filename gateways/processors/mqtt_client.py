"""
MqttClient: the client library's client on a transport of the event loop, acknowledging only what it is told to.

The library is driven by what the transport reads, in the turn in which it is read, so there is no thread and nothing to
hand over. Its answers to messages (PUBACK, PUBREC) wait until the event's outcome is known; with quality 2 a message is
handed on before PUBREC, because the server forgets it after that (MQTT 3.1.1 section 4.3.3, method B).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateways.processors.mqtt_options import MqttOptions

KEEPALIVE_S = 60
"""After one and a half of these without a word the server takes us for gone. We say one twice as often."""
_PACKET_BYTES_MAX = 32 * 1024 * 1024
"""With what waits when reading pauses it stays below what a backlog holds."""
_CONNACK = 0x20

Take = Callable[[MQTTMessage], None]
"""Takes a message in the turn in which it is read; must neither block nor wait."""
Lost = Callable[[str, Exception | None], None]
"""Told once why the connection is lost, and by which fault of our own, if any."""


class MqttClient(Client):
    """
    One connection's client.

    It overrides methods that are not documented; tests/gateways/processors/test_mqtt.py notices when a new version of
    paho-mqtt no longer calls them.
    """

    def __init__(self, client_id: str, options: MqttOptions, *, take: Take, lost: Lost) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=options.clean_session if options.version == 4 else None,
            protocol=MQTTProtocolVersion(options.version),
            reconnect_on_failure=False,
        )
        self._options = options
        self.wire = Wire(self._readable, self._gone)
        self._take = take
        self._lost = lost
        self._is_lost = False
        self._pings: deque[asyncio.Future[None]] = deque()
        self.on_message = lambda client, data, message: take(message)
        self.on_disconnect = lambda client, data, flags, reason, properties: self._dismissed(flags, reason, properties)

    def greet(self) -> None:
        """
        Say CONNECT; the transport is there.
        """
        options = self._options
        if options.version == 5:
            wanted: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            wanted.SessionExpiryInterval = options.session_expiry_s
            self.connect_async("mqtt", 1, KEEPALIVE_S, clean_start=options.clean_session, properties=wanted)
        else:
            self.connect_async("mqtt", 1, KEEPALIVE_S)
        self.reconnect()

    def ping(self) -> asyncio.Future[None]:
        """
        Say PINGREQ. The answer comes behind all that the server sent before it.
        """
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pings.append(pong)
        self._send_pingreq()
        return pong

    def acknowledge(self, number: int, qos: int) -> None:
        """
        Tell the server that the message *number* is ours to answer for.
        """
        if self._is_lost:
            return
        if qos == 1:
            super()._send_puback(number)
        else:
            super()._send_pubrec(number)

    # The library's side.

    def _create_socket(self) -> Wire:  # type: ignore[override]
        return self.wire

    def _send_puback(self, mid: int) -> MQTTErrorCode:
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _send_pubrec(self, mid: int) -> MQTTErrorCode:
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_pingresp(self) -> MQTTErrorCode:
        if self._pings:
            pong = self._pings.popleft()
            if not pong.done():
                pong.set_result(None)
        return super()._handle_pingresp()

    # The transport's side.

    def _readable(self) -> None:
        if self._is_lost:
            self.wire.forget()
            return
        try:
            self._read()
        except Exception as error:
            self._say_lost(f"{type(error).__name__}: {error}", error)

    def _read(self) -> None:
        if not self.is_connected() and not self._in_packet["command"] and self.wire.first_byte != _CONNACK:
            self._say_lost("no MQTT server answers there")
            return
        while self.wire.unread and not self._is_lost:
            failed = self.loop_read()
            if failed or self._in_packet["remaining_length"] > _PACKET_BYTES_MAX:
                self._say_lost(self._why(failed))
                return
            if self._in_messages:
                self._take_quality_2()
        self.loop_write()  # what was to be said while the library was calling us

    def _take_quality_2(self) -> None:
        """
        The library would hand them on only when the server has forgotten them.
        """
        messages = tuple(self._in_messages.values())
        self._in_messages.clear()
        for message in messages:
            self._take(message)

    def _why(self, failed: MQTTErrorCode) -> str:
        if failed == MQTTErrorCode.MQTT_ERR_CONN_REFUSED:
            return "the server refuses the connection"
        if not self.is_connected():
            return f"no MQTT {'5' if self._options.version == 5 else '3.1.1'} server answers there"
        return "the server breaks the protocol"

    def _gone(self, error: Exception | None) -> None:
        self._say_lost("the server closed the connection" if error is None else str(error), error)

    def _dismissed(self, flags: Any, reason: Any, properties: Any) -> None:
        """
        The library lets go of the connection: the server may have told it to, and why (MQTT 5 section 3.14).
        """
        if flags.is_disconnect_packet_from_server:
            self._say_lost(f"the server ends the connection: {said_by(reason, properties)}")

    def _say_lost(self, cause: str, error: Exception | None = None) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._lost(cause, error)


def said_by(reason: Any, properties: Any) -> str:
    """
    A reason code in words, with what the server adds to it.
    """
    added = getattr(properties, "ReasonString", "")
    return str(reason).lower() + (f": {added}" if added else "")


class Wire(asyncio.Protocol):
    """
    A transport of the event loop, in the place where the library wants a socket.
    """

    def __init__(self, readable: Callable[[], None], gone: Callable[[Exception | None], None]) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self._readable = readable
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._position = 0
        self._unsent: list[bytes] = []

    # As a transport's protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data = self._data[self._position :] + data if self.unread else data
        self._position = 0
        self._readable()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        self._gone(exc)

    def read(self, reading: bool) -> None:
        """
        Read, or leave what comes with the server.
        """
        if self._transport is not None and not self._transport.is_closing():
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def abort(self) -> None:
        """
        Drop the connection at once.
        """
        if self._transport is not None:
            self._transport.abort()

    def forget(self) -> None:
        """
        Whatever is unread is not wanted any more.
        """
        self._data, self._position = b"", 0

    @property
    def first_byte(self) -> int:
        """
        The next byte to be read.
        """
        return self._data[self._position] if self.unread else 0

    # As a socket.

    @property
    def unread(self) -> int:
        """
        Bytes that `recv` has.
        """
        return len(self._data) - self._position

    def recv(self, size: int) -> bytes:
        """
        The next bytes, *size* of them at most.
        """
        if not self.unread:
            raise BlockingIOError
        start = self._position
        self._position = min(start + size, len(self._data))
        return self._data[start : self._position]

    def send(self, data: bytes) -> int:
        """
        Take all of *data*. What is sent in one turn leaves together at its end, behind what the watchers are sent.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the connection is closed")
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(bytes(data))
        return len(data)

    def close(self) -> None:
        """
        Leave it to the server, which closes the connection when it has read that we leave. Or else it is aborted.
        """

    def setblocking(self, flag: bool) -> None:
        """
        It never blocks.
        """

    def fileno(self) -> int:
        """
        Nobody may select on it.
        """
        return -1

    def _flush(self) -> None:
        data, self._unsent = b"".join(self._unsent), []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
