"""
MqttSession: what is remembered of the messages of quality 1 and 2 of one client id, across its connections.

A server sends again, under the same number, what it has heard nothing of. Such a message keeps its event's id, so that
it goes only to watchers that lack it; one that is accepted is only acknowledged; one that is in flight is let be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from gateways.errors import SourceUnavailable
from gateways.processor import Context
from gateways.source_event import Settlement, SourceEvent


class Link(NamedTuple):
    """
    The connection at present, as a session needs it.
    """

    acknowledge: Callable[[int, int], None]
    """Takes the message's number and quality."""
    again: Callable[[SourceEvent], bool]
    """Hands an event on once more; False where nothing is handed on any more."""


class _Delivery:
    """
    One message that the server was not told of, or whose acknowledgement it may have missed.
    """

    __slots__ = ("accepted", "event", "fingerprint", "id", "number", "qos")

    def __init__(self, number: int, qos: int, fingerprint: int, id: str) -> None:
        self.number = number
        self.qos = qos
        self.fingerprint = fingerprint
        self.id = id
        self.event: SourceEvent | None = None
        """None once it is accepted, or refused and not under way again."""
        self.accepted = False


class MqttSession:
    """
    One client id's messages.

    Args:
        lasting: Whether the server keeps the session while nobody is connected.
        in_order: Whether messages are acknowledged in the order of their receipt only. MQTT asks for it (MQTT 5 section
            4.6), and servers of MQTT 5 may end the connection of a client that does otherwise. A message that is
            refused then holds back the acknowledgements, not the events, of those behind it.
    """

    def __init__(self, lasting: bool, *, in_order: bool = False) -> None:
        self._lasting = lasting
        self._in_order = in_order
        self._unacknowledged: deque[_Delivery] = deque()
        """In order of receipt over the present connection."""
        self._link: Link | None = None
        self._deliveries: dict[int, _Delivery] = {}
        self._accepted: deque[_Delivery] = deque()
        self.unsettled = 0
        """Events handed on whose outcome is not known."""

    def begin(self, link: Link, *, resumed: bool) -> None:
        """
        There is a connection; what was remembered counts only where the server had kept the session.
        """
        self._link = link
        self._unacknowledged.clear()
        if not resumed:
            self._deliveries.clear()
            self._accepted.clear()

    def end(self, link: Link) -> None:
        """
        That connection receives no more.
        """
        if self._link is link:
            self._link = None

    def receive(
        self, context: Context, event: SourceEvent, number: int, *, qos: int, duplicate: bool
    ) -> SourceEvent | None:
        """
        What to hand on of a message that was read; None where it is known already.
        """
        fingerprint = hash((event.subject, event.payload))
        known = self._deliveries.get(number) if duplicate else None
        if known is not None and known.fingerprint == fingerprint:
            self._wait_in_line(known)
            if known.accepted:
                self._acknowledge(known)
            if known.accepted or known.event is not None:
                return None
            delivery = known
        else:
            delivery = self._deliveries[number] = _Delivery(number, qos, fingerprint, context.chance.new_id())
            self._wait_in_line(delivery)
        settle = partial(self._settled, context, delivery)
        delivery.event = event._replace(id=delivery.id, settle=settle)
        self.unsettled += 1
        return delivery.event

    def decline(self, number: int, qos: int) -> None:
        """
        Acknowledge a message that makes no event.
        """
        delivery = _Delivery(number, qos, 0, "")
        delivery.accepted = True
        self._deliveries.pop(number, None)
        self._wait_in_line(delivery)
        self._acknowledge(delivery)

    def _wait_in_line(self, delivery: _Delivery) -> None:
        if self._in_order:
            self._unacknowledged.append(delivery)

    def _acknowledge(self, delivery: _Delivery) -> None:
        """
        Tell the server of *delivery*, which is accepted, or of all those whose turn it is.
        """
        link = self._link
        if link is None:
            return
        if not self._in_order:
            link.acknowledge(delivery.number, delivery.qos)
            return
        waiting = self._unacknowledged
        while waiting and waiting[0].accepted:
            first = waiting.popleft()
            link.acknowledge(first.number, first.qos)

    def _settled(self, context: Context, delivery: _Delivery, settlement: Settlement) -> None:
        event, link = delivery.event, self._link
        current = self._deliveries.get(delivery.number) is delivery
        if settlement.accepted:
            delivery.accepted, delivery.event = True, None
            self.unsettled -= 1
            self._remember(delivery, context.limits.remembered)
            if current:
                self._acknowledge(delivery)
        elif not (current and link is not None and event is not None and link.again(event)):
            delivery.event = None
            self.unsettled -= 1
            if not self._lasting:
                context.count("dropped")
                context.log.warning("dropped a message that nobody will send again: %s", settlement.cause)

    def _remember(self, delivery: _Delivery, limit: int) -> None:
        """
        Keep an accepted message for as long as it is among the last *limit* of them: a server sends it again only
        where it missed its acknowledgement.
        """
        self._accepted.append(delivery)
        if len(self._accepted) > limit:
            oldest = self._accepted.popleft()
            if self._deliveries.get(oldest.number) is oldest:
                del self._deliveries[oldest.number]


class Sessions:
    """
    The sessions of all configurations of one gateway; a client id belongs to one of them.
    """

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], MqttSession] = {}
        self._owners: dict[tuple[str, str], tuple[str, object]] = {}

    def claim(
        self, peer: str, client_id: str, configuration: str, owner: object, *, lasting: bool, in_order: bool
    ) -> MqttSession:
        """
        The session of *client_id* at *peer*, for *configuration* alone until *owner* gives it back.

        Raises:
            SourceUnavailable: A sibling has it. A server would drop one of them for the other, again and again.
        """
        key = peer, client_id
        name, _ = self._owners.get(key, (configuration, None))
        if name != configuration:
            raise SourceUnavailable(f"{peer}: the clientId {client_id} is taken by configuration {name}")
        self._owners[key] = configuration, owner
        if key not in self._sessions:
            self._sessions[key] = MqttSession(lasting, in_order=in_order)
        return self._sessions[key]

    def give_back(self, peer: str, client_id: str, owner: object, *, forget: bool) -> None:
        """
        *owner* is done. With *forget* nobody will come back under that id.
        """
        key = peer, client_id
        if key in self._owners and self._owners[key][1] is owner:
            del self._owners[key]
            if forget:
                self._sessions.pop(key, None)

    async def reconcile(self) -> None:
        """See Shared."""

    async def close(self) -> None:
        """See Shared."""

    def abort(self) -> None:
        """See Shared."""
