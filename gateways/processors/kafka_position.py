"""
Position: how far one partition has been handed on, and what of it is still on its way.

It outlives a lost connection, for as long as its configuration stands: that is how nothing is lost or told twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

from gateways.processor import Context
from gateways.processors.kafka_group import Membership
from gateways.source_event import Settlement, SourceEvent


class Position:
    """
    One partition's.
    """

    def __init__(self) -> None:
        self.next: int | None = None
        """Offset of the next message to hand on; None before that is known."""
        self.again: deque[tuple[int, SourceEvent]] = deque()
        """Messages that not every watcher accepted, to be handed on again."""
        self.stirred: Callable[[], None] = lambda: None
        """Called when something was settled."""
        self._unsettled: dict[int, None] = {}

    @property
    def settled(self) -> int | None:
        """
        Every message before this offset was accepted by every watcher; None before anything is known.
        """
        return next(iter(self._unsettled), self.next)

    @property
    def in_flight(self) -> int:
        """
        How many messages were handed on and not accepted by every watcher.
        """
        return len(self._unsettled)

    def hand_on(self, offset: int, event: SourceEvent, context: Context) -> bool:
        """
        Hand *event*, the message at *offset*, on without waiting.

        Returns:
            False where there is no room.
        """
        is_new = offset not in self._unsettled
        self._unsettled.setdefault(offset)  # before it is handed on: without watchers it is settled at once
        taken = context.emit(event._replace(settle=partial(self._told, offset, event)))
        if is_new and not taken:
            del self._unsettled[offset]
        return taken

    def _told(self, offset: int, event: SourceEvent, settlement: Settlement) -> None:
        if settlement.accepted:
            self._unsettled.pop(offset, None)
        else:
            self.again.append((offset, event))
        self.stirred()


class Positions:
    """
    The positions of every configuration of one gateway: a Shared of its processors.
    """

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Context, dict[int, Position]] = WeakKeyDictionary()
        self._memberships: WeakKeyDictionary[Context, Membership] = WeakKeyDictionary()

    def of(self, context: Context) -> dict[int, Position]:
        """
        Partition to position, of one incarnation of one configuration.
        """
        return self._known.setdefault(context, {})

    def membership_of(self, context: Context) -> Membership:
        """
        Who one incarnation of one configuration is in its group.
        """
        return self._memberships.setdefault(context, Membership())

    async def reconcile(self) -> None:
        """See Shared."""

    async def close(self) -> None:
        """See Shared."""

    def abort(self) -> None:
        """See Shared."""
