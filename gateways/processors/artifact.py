"""
Artifact: notifications of a bucket, by MinIO's ListenBucketNotification.

A run lasts as long as its stream. The store sends each notification once and is never told what became of it, so what
happens while nobody listens is not heard of, and an event that cannot be dispatched is dropped and counted.
"""

from __future__ import annotations

import asyncio

from gateways.clock import Wakeup
from gateways.errors import SourceUnavailable
from gateways.processor import Context, Delivery, Guarantee, Processor
from gateways.processors.artifact_options import ArtifactOptions
from gateways.processors.artifact_store import StoreListener
from gateways.processors.servers import answered


class ArtifactProcessor(Processor):
    """
    Listens to one bucket.

    Source: R-ART-1, R-ART-3, R-ART-5, R-ART-6, G-ART-1; docs/types/artifact.md.
    """

    type = "artifact"
    guarantee = Guarantee(told="nothing (the store is never told)", by_default=Delivery.AT_MOST_ONCE)

    options: ArtifactOptions

    def __init__(self, options: ArtifactOptions, context: Context, shared: object = None) -> None:
        super().__init__(options, context, shared)
        self._stirred = Wakeup(context.clock)
        self._listener: StoreListener | None = None
        self._listening = False
        self._waits_for_room = False
        self._watchers: list[asyncio.Future[None]] = []

    @classmethod
    def parse(cls, key: str, text: str) -> ArtifactOptions:
        """See Processor."""
        return ArtifactOptions.parse(text)

    async def run(self) -> None:
        """See Processor."""
        options, context = self.options, self.context
        access = await context.secrets.read(options.access_key), await context.secrets.read(options.secret_key)
        endpoint = context.addresses.dial(options.host, options.port)
        listener = StoreListener(options, access, endpoint, now=context.clock.now, changed=self._changed)
        self._listener = listener
        listener.start()
        try:
            await self._until_announced(listener)
            self._listening = True
            context.running(f"listening for {options.event} of bucket {options.bucket} at {options.peer}")
            await self._hand_on_until_ended(listener)
        finally:
            self._listening = False
            await self._leave(listener)

    async def caught_up(self) -> bool:
        """See Processor. Without a stream nothing can be handed on."""
        listener = self._listener
        if listener is None or not self._listening or listener.failure:
            return True
        try:
            await self.context.clock.limit(
                self.context.limits.connect_s, self._received_all(listener), peer=self.options.peer
            )
        except TimeoutError:
            return False
        return True

    def paused(self) -> bool:
        """See Processor."""
        return self._waits_for_room

    def abort(self) -> None:
        """See Processor."""
        if self._listener is not None:
            self._listener.cut()

    async def _until_announced(self, listener: StoreListener) -> None:
        peer = self.options.peer
        await answered(self.context, peer, asyncio.shield(listener.announced))
        if listener.failure:
            raise SourceUnavailable(f"{peer}: {listener.failure}")

    async def _hand_on_until_ended(self, listener: StoreListener) -> None:
        while not listener.failure or listener.events:
            await self._stirred.wait()
            self._stirred.clear()
            while listener.events:
                await self.context.room()
                self._hand_on_what_fits(listener)
        raise SourceUnavailable(f"{self.options.peer}: {listener.failure}")

    def _hand_on_what_fits(self, listener: StoreListener) -> None:
        events = listener.events
        while events and self.context.emit(events[0]):
            events.popleft()
            listener.took()
        self._waits_for_room = bool(events)

    def _changed(self) -> None:
        """
        The listener has more, has read all there is, or has ended.
        """
        listener = self._listener
        if listener is None:
            return
        if self._listening and not self._waits_for_room:
            self._hand_on_what_fits(listener)
        if listener.events or listener.failure:
            self._stirred.set()
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)

    async def _received_all(self, listener: StoreListener) -> None:
        """
        Return once everything that the store had sent before the call was handed on, or waits for room.

        An answer over another connection comes behind all that the store sent before it. What is still on a long way
        then shows by more of it arriving while that is asked again.
        """
        while True:
            before = listener.received
            await listener.probe()
            while not (listener.has_read_all() or self._waits_for_room or listener.failure):
                watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._watchers.append(watcher)
                await watcher
            await self.context.clock.sleep(0)
            if listener.received == before or self._waits_for_room or listener.failure:
                return

    async def _leave(self, listener: StoreListener) -> None:
        """
        Stop receiving, hand on what fits, and count the rest as dropped.
        """
        listener.cut()
        try:
            await self.context.clock.limit(
                self.context.limits.connect_s, asyncio.shield(listener.ended), peer=self.options.peer
            )
        except TimeoutError:
            self.context.log.warning("the thread that listens has not ended yet")
        self._hand_on_what_fits(listener)
        if listener.events:
            self.context.count("dropped", len(listener.events))
            listener.events.clear()
        self._waits_for_room = False
