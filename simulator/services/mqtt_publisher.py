"""
MqttPublisher: the simulator's own connection to an MQTT server, straight to it and never through a relay.

The client library blocks, so it runs in threads of its own; it is imported when the first connection is made.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.server_process import Access
from simulator.services.service import Published, Stimulus

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessageInfo

CLIENT_ID = "gatesim-simulator"
LIMIT_S = 10.0
"""Real time in which the server, which runs on this machine, answers anything."""
_OWN_TOPIC = "$gatesim/echo"
_OWN_TOPIC_5 = "gatesim/simulator"
"""rumqttd lets nobody subscribe to topics that begin with `$`. Nothing is published there."""
_AT_ONCE = 10_000
"""Messages on their way to the server at a time; their numbers have 16 bits."""
_GONE = "the connection is closed"


class MqttPublisher:
    """
    Publishes, and sends itself a message where somebody wants to know that all others are under way.
    """

    def __init__(self, access: Access, *, version: int = 4) -> None:
        self._access = access
        self._version = version
        self._line: _Line | None = None
        self._one_at_a_time = asyncio.Lock()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """
        Publish in order; returns once the server has all of it.
        """
        return await self._do(lambda line: line.publish(stimuli))

    async def answered(self) -> Published:
        """
        Return once the server has answered.
        """
        return await self._do(lambda line: line.ask())

    async def echo(self) -> Published:
        """
        Return once a message of quality 1 to ourselves has come back.
        """
        return await self._do(lambda line: line.echo())

    async def close(self) -> None:
        """
        Leave the server.
        """
        line, self._line = self._line, None
        if line is not None:
            await asyncio.to_thread(line.close)

    async def _do(self, work: Callable[[_Line], None]) -> Published:
        async with self._one_at_a_time:
            try:
                await asyncio.to_thread(self._on_line, work)
            except (OSError, ValueError) as error:
                return Published(False, str(error) or type(error).__name__)
        return Published(True)

    def _on_line(self, work: Callable[[_Line], None]) -> None:
        if self._line is None or self._line.broken:
            if self._line is not None:
                self._line.close()
            self._line = _Line(self._access, self._version)
        work(self._line)


class _Line:
    """
    One connection. Its methods block, within the limit, and raise OSError.
    """

    def __init__(self, access: Access, version: int) -> None:
        self.broken = ""
        self._version = version
        self._changed = threading.Condition()
        self._answered: set[Any] = set()
        self._echoes = 0
        self._client = self._made(access)
        try:
            self._client.connect(access.host, access.port)
            self._client.loop_start()
            self._until(lambda: "connected" in self._answered)
            self.ask()
        except BaseException:
            self.close()
            raise

    def publish(self, stimuli: Sequence[Stimulus]) -> None:
        for start in range(0, len(stimuli), _AT_ONCE):
            sent = deque(self._publish(each) for each in stimuli[start : start + _AT_ONCE])
            # The server answers in the order of what it is asked, so this stands for messages of quality 0.
            self.ask()
            self._until(partial(_all_taken, sent))

    def echo(self) -> None:
        before = self._echoes
        self._client.publish(_OWN_TOPIC, b"", 1)
        self._until(lambda: self._echoes > before)

    def ask(self) -> None:
        """
        Subscribe to a topic of our own, once more; return when the server has answered.
        """
        number = self._client.subscribe(_OWN_TOPIC if self._version == 4 else _OWN_TOPIC_5, 1)[1]
        self._until(lambda: number in self._answered)
        self._answered.discard(number)

    def close(self) -> None:
        self._break(_GONE)
        self._client.disconnect()
        self._client.loop_stop()

    def _made(self, access: Access) -> Client:
        from paho.mqtt.client import Client  # noqa: PLC0415 - only where it is used
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: PLC0415 - the same

        protocol = MQTTProtocolVersion(self._version)
        client = Client(CallbackAPIVersion.VERSION2, client_id=CLIENT_ID, protocol=protocol, reconnect_on_failure=False)
        client.max_inflight_messages_set(0)
        client.on_socket_open = lambda client, data, opened: _send_at_once(opened)
        client.on_connect = lambda client, data, flags, reason, properties: self._connected(reason)
        client.on_disconnect = lambda client, data, flags, reason, properties: self._break(_GONE)
        client.on_publish = lambda client, data, number, reason, properties: self._tell()
        client.on_subscribe = lambda client, data, number, reasons, properties: self._answer(number)
        client.on_unsubscribe = lambda client, data, number, reasons, properties: self._answer(number)
        client.on_message = lambda client, data, message: self._echoed()
        if access.user:
            client.username_pw_set(access.user, access.password)
        if access.certificate is not None:
            context = ssl.create_default_context(cafile=access.certificate)
            context.check_hostname = False  # it is for the names in texts, and nobody else has it
            client.tls_set_context(context)
        return client

    def _publish(self, stimulus: Stimulus) -> MQTTMessageInfo:
        qos, retain = int(stimulus.get("qos") or 0), stimulus.get("retain") == "True"
        properties = _properties_of(stimulus) if stimulus.headers else None
        return self._client.publish(stimulus.get("topic"), stimulus.payload, qos, retain, properties)

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        with self._changed:
            while not done():
                if self.broken:
                    raise ConnectionError(self.broken)
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"no answer within {LIMIT_S:g} s")

    # Called by the library, in its own thread.

    def _connected(self, reason: Any) -> None:
        if reason.is_failure:
            self._break(f"the server refuses us: {reason}")
        else:
            self._answer("connected")

    def _answer(self, number: Any) -> None:
        with self._changed:
            self._answered.add(number)
            self._changed.notify_all()

    def _echoed(self) -> None:
        with self._changed:
            self._echoes += 1
            self._changed.notify_all()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _break(self, cause: str) -> None:
        with self._changed:
            self.broken = self.broken or cause
            self._changed.notify_all()


def _properties_of(stimulus: Stimulus) -> Any:
    """
    A message's properties (MQTT 5): `Content-Type` is its content type, other headers are user properties.
    """
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415 - only where it is used
    from paho.mqtt.properties import Properties  # noqa: PLC0415 - the same

    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in stimulus.headers:
        if name.lower() == "content-type":
            properties.ContentType = value
        else:
            properties.UserProperty = (name, value)
    return properties


def _send_at_once(opened: Any) -> None:
    """
    The library leaves Nagle's algorithm on: a second small packet would wait 40 ms for the first one's acknowledgement.
    """
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _all_taken(sent: deque[MQTTMessageInfo]) -> bool:
    """
    Whether none of *sent* is left; those that the server has taken are taken out, as this is asked after each of them.
    """
    while sent and sent[0].is_published():
        sent.popleft()
    return not sent
