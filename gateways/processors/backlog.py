"""
Backlog: events of one configuration that were received and found no room yet, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gateways.processor import Context
from gateways.source_event import SourceEvent

EVENTS_MAX = 65_536
BYTES_MAX = 64 * 1024 * 1024
"""Of payloads. A server keeps about as much for a reader that is too slow, and then drops it."""


class Backlog:
    """
    Hands events on, and keeps those that found no room.

    Args:
        context: The configuration's.
        stirred: Called when the first event has to wait; `empty` should then be awaited.
    """

    def __init__(self, context: Context, stirred: Callable[[], None]) -> None:
        self._context = context
        self._stirred = stirred
        self._events: deque[SourceEvent] = deque()
        self._bytes = 0
        self._overflowing = False

    def __len__(self) -> int:
        return len(self._events)

    @property
    def crowded(self) -> bool:
        """
        Whether a source that can wait should be told to, long before anything has to be dropped.
        """
        return len(self._events) * 4 > EVENTS_MAX or self._bytes * 4 > BYTES_MAX

    def hand_on(self, event: SourceEvent) -> None:
        """
        Hand *event* on, after those that wait. Beyond the bounds it is dropped, which is counted and logged.
        """
        if not self._events:
            if self._context.emit(event):
                return
            self._stirred()
        if len(self._events) >= EVENTS_MAX or self._bytes + len(event.payload) > BYTES_MAX:
            self._drop(1)
            return
        self._events.append(event)
        self._bytes += len(event.payload)

    async def empty(self) -> None:
        """
        Wait for room until every event is handed on.
        """
        while self._events:
            await self._context.room()
            self.hand_on_what_fits()

    def hand_on_what_fits(self) -> None:
        """
        Hand on as many as there is room for now.
        """
        events = self._events
        while events and self._context.emit(events[0]):
            self._bytes -= len(events.popleft().payload)
        if not events:
            self._overflowing = False

    def give_up(self) -> tuple[SourceEvent, ...]:
        """
        Forget the rest; those that nobody will send again are counted and logged as dropped.

        Returns:
            Those that have a source to tell.
        """
        rest, self._bytes = tuple(self._events), 0
        self._events.clear()
        to_settle = tuple(event for event in rest if event.settle is not None)
        if len(rest) > len(to_settle):
            self._drop(len(rest) - len(to_settle))
        return to_settle

    def _drop(self, number: int) -> None:
        self._context.count("dropped", number)
        if not self._overflowing:
            self._overflowing = True
            self._context.log.warning("dropping messages: the watchers are too slow and no more may wait")
