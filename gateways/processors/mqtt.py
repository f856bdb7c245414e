"""
MQTT 3.1.1 and 5: a topic with wildcards, quality of service 0 to 2, and sessions that the server keeps.

A run lasts as long as its connection. A message of quality 0 that cannot be dispatched is dropped and counted; one of
quality 1 or 2 is acknowledged only when every watcher has accepted it, and handed on again until then.
"""

from __future__ import annotations

import hashlib
from typing import cast

from paho.mqtt.client import MQTTMessage

from gateways.clock import Wakeup
from gateways.errors import GatewayError
from gateways.processor import Context, Delivery, Guarantee, Processor, Shared, Surroundings
from gateways.processors.backlog import Backlog
from gateways.processors.mqtt_connection import MqttConnection
from gateways.processors.mqtt_options import MqttOptions, covers
from gateways.processors.mqtt_session import Link, MqttSession, Sessions
from gateways.processors.servers import answered, has_received
from gateways.source_event import Certainty, DispatchResult, Settlement, SourceEvent

_NO_ROOM = Settlement((DispatchResult("", Certainty.REFUSED, 0, "the gateway stopped before it had room"),))


class MqttProcessor(Processor):
    """
    Listens to one topic.

    Source: G-MQTT-2, G-MQTT-13, G-MQTT-14; docs/types/mqtt.md.
    """

    type = "mqtt"
    redelivers = True
    guarantee = Guarantee(
        told="quality 0: nothing. 1 and 2: acknowledged only after every watcher accepted",
        by_default=Delivery.AT_MOST_ONCE,
        stronger=(
            "`qos: 1` or `2`: at least once while connected; "
            "with `clientId` and `cleanSession: false` across restarts too"
        ),
        at_best=Delivery.AT_LEAST_ONCE,
    )

    options: MqttOptions

    def __init__(self, options: MqttOptions, context: Context, shared: Shared | None = None) -> None:
        super().__init__(options, context, shared)
        self._sessions = cast(Sessions, shared) if shared is not None else Sessions()
        self._stirred = Wakeup(context.clock)
        self._backlog = Backlog(context, self._stirred.set)
        self._client_id = options.client_id or _own_client_id(context)
        self._session: MqttSession | None = None
        self._link: Link | None = None
        self._connection: MqttConnection | None = None
        self._listening = False
        self._leaving = False
        self._aborted = False

    @classmethod
    def parse(cls, key: str, text: str) -> MqttOptions:
        """See Processor."""
        return MqttOptions.parse(text)

    @classmethod
    def make_shared(cls, surroundings: Surroundings) -> Shared | None:
        """See Processor."""
        return Sessions()

    async def run(self) -> None:
        """See Processor."""
        options, context = self.options, self.context
        peer, lasting = options.server.peer, not options.clean_session
        self._session = self._sessions.claim(
            peer, self._client_id, context.configuration, self, lasting=lasting, in_order=options.version == 5
        )
        connection = self._connection = MqttConnection(options, self._client_id, context, self)
        try:
            await connection.open()
            await answered(self.context, self.options.server.peer, connection.subscribe(options.topic, options.qos))
            self._listening = True
            context.running(f"subscribed to {options.topic} at {peer}")
            await self._hand_on_until_lost(connection)
        except BaseException as error:
            if isinstance(error, Exception):
                await self.close()
            else:
                await self._leave(connection)
            raise

    async def caught_up(self) -> bool:
        """
        See Processor. Without a connection nothing can be handed on.

        A server answers a ping behind all that it had sent, so this proves it wherever a server sends what it has taken
        before it answers others.
        """
        connection = self._connection
        if connection is None or connection.cause or not self._listening or self._backlog.crowded:
            return True
        return await has_received(self.context, connection.peer, connection.round_trip())

    def paused(self) -> bool:
        """See Processor."""
        return bool(self._backlog)

    async def close(self) -> None:
        """See Processor."""
        connection, self._connection = self._connection, None
        self._listening = False
        self._end_link()
        if connection is not None:
            await connection.close()
        own = self.options.client_id == ""
        self._sessions.give_back(self.options.server.peer, self._client_id, self, forget=own)

    def abort(self) -> None:
        """See Processor."""
        self._aborted = True
        if self._connection is not None:
            self._connection.abort()

    # The connection's user.

    def connected(self, resumed: bool) -> None:
        """See mqtt_connection.User."""
        connection, session = self._connection, self._session
        assert connection is not None
        assert session is not None
        self._link = Link(connection.acknowledge, self._hand_on_again)
        session.begin(self._link, resumed=resumed)

    def take(self, message: MQTTMessage) -> None:
        """See mqtt_connection.User."""
        if self._leaving and not self.options.clean_session:
            return  # the server keeps it for the session's next connection
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        connection = self._connection
        assert connection is not None
        if not self.options.clean_session and not covers(self.options.topic, topic):
            # A session that is kept still has the subscriptions of an earlier text.
            if message.qos and self._session is not None:
                self._session.decline(message.mid, message.qos)
            return
        event = SourceEvent(bytes(message.payload), self.context.clock.now(), topic, _content_type(message))
        to_hand_on = self._remembered(event, message) if message.qos else event
        if to_hand_on is not None:
            self._backlog.hand_on(to_hand_on)
        if self.options.qos and self._backlog.crowded:
            connection.pause(True)

    def lost(self) -> None:
        """
        See mqtt_connection.User. The run goes on while what was received waits for room.
        """
        self._end_link()
        if self._backlog and self._connection is not None:
            self.context.failing(str(self._connection.failure))
        self._stirred.set()

    def _remembered(self, event: SourceEvent, message: MQTTMessage) -> SourceEvent | None:
        """
        The event of a message of quality 1 or 2, with its id; None where there is nothing to hand on.
        """
        session = self._session
        assert session is not None
        return session.receive(self.context, event, message.mid, qos=message.qos, duplicate=message.dup)

    def _hand_on_again(self, event: SourceEvent) -> bool:
        if self._leaving:
            return False
        self._backlog.hand_on(event)
        return True

    # A run.

    async def _hand_on_until_lost(self, connection: MqttConnection) -> None:
        while not connection.cause:
            await self._stirred.wait()
            self._stirred.clear()
            await self._backlog.empty()
            connection.pause(False)
        raise connection.failure

    async def _leave(self, connection: MqttConnection) -> None:
        """
        Stop receiving. The connection stays for as long as something has to be acknowledged over it.
        """
        self._leaving = True
        if not self._aborted and self.options.clean_session and self._listening:
            try:
                await answered(self.context, self.options.server.peer, connection.unsubscribe(self.options.topic))
            except GatewayError as error:
                self.context.log.warning("did not leave in an orderly way: %s", error)
        self._backlog.hand_on_what_fits()
        for event in self._backlog.give_up():
            assert event.settle is not None
            event.settle(_NO_ROOM)
        if self._aborted or self._session is None or not self._session.unsettled:
            await self.close()

    def _end_link(self) -> None:
        if self._session is not None and self._link is not None:
            self._session.end(self._link)


def _content_type(message: MQTTMessage) -> str:
    """
    As whoever published *message* states it, which only MQTT 5 has a place for.
    """
    return getattr(message.properties, "ContentType", "")


def _own_client_id(context: Context) -> str:
    """
    An id that nobody else has, of letters and digits and short enough for every server.

    Source: MQTT 3.1.1 section 3.1.3.1.
    """
    unique = f"{context.gateway}/{context.configuration}/{context.chance.new_id()}"
    return "gatesim" + hashlib.sha256(unique.encode()).hexdigest()[:16]
