"""
Dispatcher: one CloudEvent to every watcher; lanes, retries, one settlement for each event.

Each watcher of a configuration has a lane: first in, first out, one event in flight (or `width`, where events have no
order). Lanes run independently, so a watcher that hangs delays its siblings only once so many events wait for it that
there is no room for more; then the source is told to wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Coroutine, Sequence
from typing import cast

from gateways.chance import Chance
from gateways.clock import Alarm, Clock, Hold, Wakeup
from gateways.cloudevent import CloudEvent
from gateways.limits import Retry
from gateways.observer import Observer
from gateways.source_event import Certainty, DispatchResult, Settle, Settlement
from gateways.watcher import Target

_log = logging.getLogger("gateways.dispatcher")


class Dispatcher:
    """
    The lanes of one configuration.

    Args:
        configuration: Its key, for observers and logs.
        targets: One for each watcher, in the Gateway's order; none settles every event as accepted.
        group: Owns the lanes' tasks.
        waiting: Events that may wait in one lane.
        width: Events of one lane in flight at a time; 1 keeps their order.
        remembered: Ids of accepted events kept, so that a redelivery goes only to lanes that had not accepted it.

    Source: docs/delivery.md.
    """

    def __init__(
        self,
        configuration: str,
        targets: Sequence[Target],
        *,
        group: asyncio.TaskGroup,
        clock: Clock,
        chance: Chance,
        retry: Retry,
        waiting: int,
        width: int = 1,
        remembered: int = 0,
        observer: Observer | None = None,
    ) -> None:
        self._configuration = configuration
        self._clock = clock
        self._chance = chance
        self._retry = retry
        self._waiting = waiting
        self._low_water = waiting * 3 // 4
        self._observer = observer
        self._lanes = tuple(_Lane(self, number, target, width) for number, target in enumerate(targets))
        self._memory = _Memory(remembered, lanes=len(self._lanes))
        self._in_flight: dict[int, _Delivery] = {}
        self._by_id: dict[str, _Delivery] = {}
        self._want_room: list[Wakeup] = []
        self._quiet = Wakeup(clock)
        self._quiet.set()
        self._closed = False
        self._group = group
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def in_flight(self) -> int:
        """
        Events that are not settled yet.
        """
        return len(self._in_flight)

    def has_room(self) -> bool:
        """
        Whether every lane would take one more event; none does after `close`.
        """
        for lane in self._lanes:
            if len(lane.waiting) >= self._waiting:
                return False
        return not self._closed

    async def room(self) -> None:
        """
        Wait until every lane has room. Does not hold time.

        Who has to wait is woken when a quarter of each lane is free, not for every place: waking costs as much as
        handing on a few events.
        """
        while not self.has_room():
            freed = Wakeup(self._clock)
            self._want_room.append(freed)
            try:
                await freed.wait()
            finally:
                if not freed.is_set:
                    self._want_room.remove(freed)

    def dispatch(
        self, event: CloudEvent, settle: Settle | None, *, stable_id: bool = False, deadline_s: float | None = None
    ) -> None:
        """
        Take *event* to every watcher. Returns at once; the caller has made sure that there is room.

        Args:
            event: Not modified.
            settle: Told once what became of it, perhaps within this call.
            stable_id: The source may hand over the event again under the same id: lanes that accepted it are left out,
                and one that is still in flight is joined.
            deadline_s: After so many seconds it is given up wherever it was not accepted.
        """
        accepted_by = 0
        if stable_id:
            if (same := self._by_id.get(event.id)) is not None:
                same.join(settle)
                return
            accepted_by = self._memory.accepted_by(event.id)
        delivery = _Delivery(self, event, settle, stable_id)
        delivery.begin(self._lanes, accepted_by, deadline_s)

    async def quiet(self) -> None:
        """
        Wait until nothing is in flight.
        """
        while self._in_flight:
            await self._quiet.wait()

    def give_up(self, cause: str) -> int:
        """
        Settle everything that is in flight as it stands, for *cause*.

        Returns:
            How many events that were.
        """
        deliveries = tuple(self._in_flight.values())
        for delivery in deliveries:
            delivery.give_up(cause)
        return len(deliveries)

    def close(self) -> None:
        """
        End the lanes' tasks. What is in flight is dropped without being settled.
        """
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for delivery in self._in_flight.values():
            delivery.abandon()

    # What follows is for lanes and deliveries.

    def start_worker(self, work: Coroutine[None, None, None], name: str) -> None:
        """
        A lane needs one more task.
        """
        self._tasks.append(self._group.create_task(work, name=name))

    def opened(self, delivery: _Delivery) -> None:
        """
        *delivery* is in flight.
        """
        self._in_flight[id(delivery)] = delivery
        self._quiet.clear()
        if delivery.stable_id:
            self._by_id[delivery.event.id] = delivery

    def closed(self, delivery: _Delivery, settlement: Settlement) -> None:
        """
        *delivery* is settled.
        """
        self._in_flight.pop(id(delivery), None)
        if delivery.stable_id:
            self._by_id.pop(delivery.event.id, None)
        if self._observer is not None:
            self._observer.settled(self._configuration, delivery.event, settlement)
        if not self._in_flight:
            self._quiet.set()

    def attempted(self, event: CloudEvent, result: DispatchResult) -> None:
        """
        A request was made.
        """
        if self._observer is not None:
            self._observer.attempted(self._configuration, event, result)

    def accepted(self, delivery: _Delivery, lane: int) -> None:
        """
        *lane* has the event.
        """
        if delivery.stable_id:
            self._memory.remember(delivery.event.id, lane)

    def slot_freed(self) -> None:
        """
        A lane has room for one more.
        """
        if self._want_room and all(len(lane.waiting) <= self._low_water for lane in self._lanes):
            wanting, self._want_room = self._want_room, []
            for freed in wanting:
                freed.set()

    def open_hold(self, peer: str) -> Hold:
        """
        A hold for the head of a lane.
        """
        return self._clock.work(peer)

    def alarm(self, seconds: float, delivery: _Delivery) -> Alarm:
        """
        The deadline of *delivery*.
        """
        return self._clock.alarm(seconds, lambda: delivery.give_up(f"no answer within {seconds:g} s"))

    def wait_s(self, failures: int) -> float | None:
        """
        How long to wait after so many failed attempts; None when they are spent.
        """
        if failures >= self._retry.attempts:
            return None
        return self._chance.spread(self._retry.wait_s(failures), self._retry.jitter)


class _Delivery:
    """
    One event under way to all lanes.
    """

    __slots__ = ("_alarm", "_dispatcher", "_items", "_open", "_results", "_settles", "event", "stable_id")

    def __init__(self, dispatcher: Dispatcher, event: CloudEvent, settle: Settle | None, stable_id: bool) -> None:
        self.event = event
        self.stable_id = stable_id
        self._dispatcher = dispatcher
        self._settles = [settle] if settle is not None else []
        self._results: list[DispatchResult | None] = []
        self._items: list[_Item] = []
        self._open = 0
        self._alarm: Alarm | None = None

    def begin(self, lanes: Sequence[_Lane], accepted_by: int, deadline_s: float | None) -> None:
        for lane in lanes:
            if accepted_by >> lane.number & 1:
                self._results.append(DispatchResult(lane.target.name, Certainty.ACCEPTED, 0, ""))
            else:
                self._results.append(None)
                self._items.append(_Item(self, lane))
        self._open = len(self._items)
        self._dispatcher.opened(self)
        if not self._open:
            self._settle()
            return
        if deadline_s is not None:
            self._alarm = self._dispatcher.alarm(deadline_s, self)
        for item in self._items:
            item.lane.push(item)

    def join(self, settle: Settle | None) -> None:
        if settle is not None:
            self._settles.append(settle)

    def lane_done(self, lane: _Lane, result: DispatchResult) -> None:
        if result.certainty is Certainty.ACCEPTED:
            self._dispatcher.accepted(self, lane.number)
        if self._results[lane.number] is None:
            self._results[lane.number] = result
            self._open -= 1
            if not self._open:
                self._settle()

    def give_up(self, cause: str) -> None:
        """
        Settle now: a lane where it waits certainly has not sent it; a request in flight is uncertain.
        """
        for item in self._items:
            if self._results[item.lane.number] is None:
                self._results[item.lane.number] = item.give_up(cause)
                self._open -= 1
        self._settle()

    def abandon(self) -> None:
        """
        Never settle by the deadline either.
        """
        if self._alarm is not None:
            self._alarm.cancel()

    def _settle(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        settlement = Settlement(tuple(cast("list[DispatchResult]", self._results)))
        self._dispatcher.closed(self, settlement)
        for settle in self._settles:
            try:
                settle(settlement)
            except Exception:
                _log.exception("a processor failed when told what became of event %s", self.event.id)


class _Item:
    """
    One event in one lane.
    """

    __slots__ = ("asking", "attempts", "delivery", "given_up", "hold", "lane", "task", "uncertain")

    def __init__(self, delivery: _Delivery, lane: _Lane) -> None:
        self.delivery = delivery
        self.lane = lane
        self.hold: Hold | None = None
        self.task: asyncio.Task[None] | None = None
        self.attempts = 0
        self.asking = False
        self.uncertain = False
        self.given_up = False

    def result(self, cause: str) -> DispatchResult:
        """
        The result of not being accepted: uncertain if any attempt was.
        """
        certainty = Certainty.UNCERTAIN if self.uncertain else Certainty.REFUSED
        return DispatchResult(self.lane.target.name, certainty, self.attempts, cause)

    def give_up(self, cause: str) -> DispatchResult:
        self.given_up = True
        self.uncertain = self.uncertain or self.asking
        if self.hold is None:
            self.lane.withdraw(self)
        else:
            self.hold.wake()
            if self.task is not None and self.asking:
                self.task.cancel()
        return self.result(cause)


class _Lane:
    """
    The queue towards one watcher.
    """

    __slots__ = ("_dispatcher", "_heads", "_idle", "_width", "number", "target", "waiting")

    def __init__(self, dispatcher: Dispatcher, number: int, target: Target, width: int) -> None:
        self.number = number
        self.target = target
        self.waiting: deque[_Item] = deque()
        self._dispatcher = dispatcher
        self._width = width
        self._heads = 0
        self._idle: list[asyncio.Future[_Item]] = []

    def push(self, item: _Item) -> None:
        if self._heads >= self._width:
            self.waiting.append(item)
            return
        self._heads += 1
        item.hold = self._dispatcher.open_hold(self.target.peer)
        if self._idle:
            self._idle.pop().set_result(item)
        else:
            self._dispatcher.start_worker(self._work(item), f"lane to {self.target.name}")

    def withdraw(self, item: _Item) -> None:
        """
        Take *item*, which waits, out of the lane.
        """
        self.waiting.remove(item)
        self._dispatcher.slot_freed()

    async def _work(self, first: _Item) -> None:
        item: _Item | None = first
        try:
            while True:
                if item is None:
                    free: asyncio.Future[_Item] = asyncio.get_running_loop().create_future()
                    self._idle.append(free)
                    item = await free
                result = await self._deliver(item)
                item = self._finish(item, result)
        finally:
            if item is not None and item.hold is not None:
                item.hold.close()

    def _finish(self, item: _Item, result: DispatchResult) -> _Item | None:
        """
        Settle the head and make the next one active in the same turn, before the old hold ends.

        Otherwise virtual time would move past the event that waits behind a hung watcher.
        """
        following = None
        if self.waiting:
            following = self.waiting.popleft()
            following.hold = self._dispatcher.open_hold(self.target.peer)
        else:
            self._heads -= 1
        item.delivery.lane_done(self, result)
        if item.hold is not None:
            item.hold.close()
        if following is not None:
            self._dispatcher.slot_freed()
        return following

    async def _deliver(self, item: _Item) -> DispatchResult:
        hold, event = item.hold, item.delivery.event
        assert hold is not None
        item.task = asyncio.current_task()
        while not item.given_up:
            item.attempts += 1
            certainty, cause = await self._ask(item, event, hold)
            if certainty is Certainty.ACCEPTED:
                result = DispatchResult(self.target.name, certainty, item.attempts, "")
                self._dispatcher.attempted(event, result)
                return result
            item.uncertain = item.uncertain or certainty is Certainty.UNCERTAIN
            self._dispatcher.attempted(event, DispatchResult(self.target.name, certainty, item.attempts, cause))
            wait_s = self._dispatcher.wait_s(item.attempts)
            if wait_s is None or item.given_up:
                break
            await hold.sleep(wait_s)
        else:
            return item.result("given up")
        return item.result(cause)

    async def _ask(self, item: _Item, event: CloudEvent, hold: Hold) -> tuple[Certainty, str]:
        item.asking = True
        try:
            return await self.target.attempt(event, hold)
        except asyncio.CancelledError:
            # give_up cancels this task to end the request; any other cancellation is the owner's.
            if not item.given_up or item.task is None or item.task.uncancel():
                raise
            return Certainty.UNCERTAIN, "given up while the request was in flight"
        finally:
            item.asking = False


class _Memory:
    """
    Which lanes accepted which id, for the last so many ids.
    """

    __slots__ = ("_limit", "_masks")

    def __init__(self, limit: int, *, lanes: int) -> None:
        self._limit = limit if lanes else 0
        self._masks: OrderedDict[str, int] = OrderedDict()

    def accepted_by(self, event_id: str) -> int:
        return self._masks.get(event_id, 0)

    def remember(self, event_id: str, lane: int) -> None:
        if not self._limit:
            return
        self._masks[event_id] = self._masks.pop(event_id, 0) | 1 << lane
        if len(self._masks) > self._limit:
            self._masks.popitem(last=False)  # a plain dict would look for its first among all that are gone
