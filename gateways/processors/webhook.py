"""
Webhook: an HTTP endpoint for each configuration; many endpoints, methods and ports in one gateway.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any, ClassVar, NamedTuple

from gateways.clock import Alarm, Wakeup
from gateways.http_intake import answering, event_id, refuse
from gateways.http_request import Request
from gateways.processor import Context, Delivery, Guarantee, Processor, Surroundings
from gateways.processors.webhook_options import WebhookOptions, parse_webhook
from gateways.processors.webhook_ports import WebhookPorts
from gateways.source_event import SourceEvent


class _Waiting(NamedTuple):
    """
    A request that waits for room in the lanes.
    """

    request: Request
    event: SourceEvent
    since: float
    alarm: Alarm


class WebhookProcessor(Processor):
    """
    Makes an event of each request: its payload is the body alone, its subject the path.

    A request is answered 200 once every watcher has accepted the event, and 503 where they have not within the
    webhook deadline. One that finds no room in the lanes waits for it, first come, first served, within the same
    deadline; when too many wait, further ones are answered 503 at once. The event of a client that leaves goes on.

    Source: R-WEB-1, R-WEB-10, G-WEB-9 to G-WEB-14; docs/delivery.md.
    """

    type: ClassVar[str] = "webhook"
    redelivers: ClassVar[bool] = True
    side_by_side: ClassVar[bool] = True
    guarantee: ClassVar[Guarantee] = Guarantee(
        told="200 only after every watcher accepted, 503 when they did not in time",
        by_default=Delivery.AT_LEAST_ONCE,
        extent="as the sender retries",
        stronger="an `Idempotency-Key` makes the retry the same event",
    )

    options: WebhookOptions
    shared: WebhookPorts

    def __init__(self, options: WebhookOptions, context: Context, shared: Any = None) -> None:
        super().__init__(options, context, shared)
        self._clock = context.clock
        self._deadline_s = context.limits.webhook_deadline_s
        self._waiting: deque[_Waiting] = deque()
        self._wanted = Wakeup(context.clock)

    @classmethod
    def parse(cls, key: str, text: str) -> WebhookOptions:
        """See Processor."""
        return parse_webhook(key, text)

    @classmethod
    def make_shared(cls, surroundings: Surroundings) -> WebhookPorts:
        """See Processor."""
        return WebhookPorts(surroundings)

    async def run(self) -> None:
        """See Processor."""
        self.shared.register(self)
        try:
            # Those that start together register before the first is given its place.
            await self._clock.sleep(0)
            self.shared.assign()
            while True:
                await self._wanted.wait()
                await self.context.room()
                self._admit()
        finally:
            self.shared.unregister(self)
            for waiting in tuple(self._waiting):
                self._give_up(waiting, "the configuration was removed")

    async def caught_up(self) -> bool:
        """
        See Processor. A request is handed on in the turn in which it is complete, or waits for room.
        """
        return True

    def paused(self) -> bool:
        """See Processor."""
        return bool(self._waiting)

    def take(self, request: Request, path: str) -> None:
        """See Served."""
        event = SourceEvent(
            payload=request.body,
            time=self._clock.now(),
            subject=path,
            content_type=request.header(b"content-type"),
            id=event_id(request.headers),
            settle=answering(request),
            deadline_s=self._deadline_s,
        )
        if self._waiting or not self.context.emit(event):
            self._wait(request, event)

    def _wait(self, request: Request, event: SourceEvent) -> None:
        if len(self._waiting) >= self.context.limits.waiting:
            refuse(request, "too many requests wait for the watchers")
            return
        late = partial(self._too_late, request)
        alarm = self._clock.alarm(self._deadline_s, late)
        self._waiting.append(_Waiting(request, event, self._clock.elapsed(), alarm))
        request.on_gone = partial(self._forget, request)
        self._wanted.set()

    def _admit(self) -> None:
        """
        Hand on what waits, as far as there is room.
        """
        while self._waiting:
            request, event, since, alarm = self._waiting[0]
            left = self._deadline_s - (self._clock.elapsed() - since)
            if not self.context.emit(event._replace(deadline_s=max(0.0, left))):
                return
            self._waiting.popleft()
            alarm.cancel()
            request.on_gone = None
        self._wanted.clear()

    def _too_late(self, request: Request) -> None:
        for waiting in tuple(self._waiting):
            if waiting.request is request:
                self._give_up(waiting, f"the watchers had no room within {self._deadline_s:g} s")

    def _forget(self, request: Request) -> None:
        """
        The client left before its event was taken in; nobody waits for it.
        """
        for waiting in tuple(self._waiting):
            if waiting.request is request:
                self._give_up(waiting, "")

    def _give_up(self, waiting: _Waiting, reason: str) -> None:
        self._waiting.remove(waiting)
        waiting.alarm.cancel()
        refuse(waiting.request, reason)
        if not self._waiting:
            self._wanted.clear()
