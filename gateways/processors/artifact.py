"""
Artifact: notifications of a bucket, by MinIO's ListenBucketNotification.

A run lasts as long as its stream. The store sends each notification once and is never told what became of it, so what
happens while nobody listens is not heard of, and an event that cannot be dispatched is dropped and counted. With
`reconcile` the bucket is listed once there is a stream again, and what a list shows beyond what is known makes events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from itertools import count
from typing import cast

from gateways.clock import Wakeup
from gateways.errors import SourceUnavailable
from gateways.processor import Context, Delivery, Guarantee, Processor, Shared, Surroundings
from gateways.processors.artifact_memory import BucketMemory, Memories, StoredObject, covers, event_from_list
from gateways.processors.artifact_options import ArtifactOptions
from gateways.processors.artifact_store import StoreListener, Told
from gateways.processors.servers import answered

_ROUNDS = 3
"""Where a bucket is never quiet, what was on its way has arrived after so many answers of the store."""
_LIST_LIMIT_S = 30.0
"""A store lists so many objects at a time as it likes, and may read far for them."""


class ArtifactProcessor(Processor):
    """
    Listens to one bucket.

    Source: R-ART-1, R-ART-3, R-ART-5, R-ART-6, G-ART-1, G-ART-3; docs/types/artifact.md.
    """

    type = "artifact"
    guarantee = Guarantee(
        told="nothing (the store is never told)",
        by_default=Delivery.AT_MOST_ONCE,
        stronger="`reconcile: true`: objects that came while a stream was lost make events, at least once while the "
        "configuration stands",
    )

    options: ArtifactOptions

    def __init__(self, options: ArtifactOptions, context: Context, shared: Shared | None = None) -> None:
        super().__init__(options, context, shared)
        self._memory = _memory_of(options, context, shared)
        self._stirred = Wakeup(context.clock)
        self._listener: StoreListener | None = None
        self._listening = False
        self._reconciling = False
        self._waits_for_room = False
        self._watchers: list[asyncio.Future[None]] = []

    @classmethod
    def parse(cls, key: str, text: str) -> ArtifactOptions:
        """See Processor."""
        return ArtifactOptions.parse(text)

    @classmethod
    def make_shared(cls, surroundings: Surroundings) -> Shared | None:
        """See Processor."""
        return Memories()

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
            if self._memory is not None:
                await self._reconcile(listener, self._memory)
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
            await self._within(self._caught_up(listener))
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
            raise self._failure(listener)

    async def _hand_on_until_ended(self, listener: StoreListener) -> None:
        while not listener.failure or listener.events:
            await self._stirred.wait()
            self._stirred.clear()
            await self._hand_on_all(listener)
        raise self._failure(listener)

    async def _hand_on_all(self, listener: StoreListener) -> None:
        while listener.events:
            await self.context.room()
            self._hand_on_what_fits(listener)

    def _hand_on_what_fits(self, listener: StoreListener) -> None:
        events = listener.events
        while events and self._hand_on(events[0]):
            if events.popleft().listed is None:
                listener.took()
        waited, self._waits_for_room = self._waits_for_room, bool(events)
        if self._waits_for_room and not waited:
            self._wake_watchers()

    def _hand_on(self, told: Told) -> bool:
        memory = self._memory
        if memory is not None and told.listed is not None and memory.knows(told.listed):
            return True
        if not self.context.emit(told.event):
            return False
        if memory is not None:
            memory.note(told.event.subject, told.etag, told.event.time)
        return True

    # Reconciliation.

    async def _reconcile(self, listener: StoreListener, memory: BucketMemory) -> None:
        """
        Find out what the bucket has: at the start to know it, later to make events of what came untold.
        """
        self._reconciling = True
        memory.falls_behind()
        pages = listener.objects()
        try:
            while page := await self._page(pages):
                await self._hear_all(listener)
                for stored in page:
                    if not covers(self.options, stored):
                        continue
                    if not memory.begun:
                        memory.note(stored.key, stored.etag, stored.modified)
                    elif not memory.knows(stored):
                        listener.events.append(Told(event_from_list(stored, self.options), stored.etag, stored))
                await self._hand_on_all(listener)
        finally:
            self._reconciling = False
            self._wake_watchers()
        memory.is_complete()

    async def _page(self, pages: AsyncIterator[list[StoredObject]]) -> list[StoredObject]:
        peer = self.options.peer
        try:
            return await self.context.clock.limit(_LIST_LIMIT_S, _next_of(pages), peer=peer)
        except TimeoutError:
            raise SourceUnavailable(f"{peer}: the bucket is not listed within {_LIST_LIMIT_S:g} s") from None

    async def _hear_all(self, listener: StoreListener) -> None:
        """
        Hand on what the store had sent before now: of what a list shows it may have told meanwhile.
        """
        while True:
            await self._hand_on_all(listener)
            try:
                await self._within(self._received_all(listener, rounds_max=_ROUNDS))
            except TimeoutError:  # it never stops telling; at worst an object is told of twice
                self.context.log.warning(
                    "the store has no pause while the bucket is listed; an object may be told of twice"
                )
            if listener.failure:
                await self._hand_on_all(listener)
                raise self._failure(listener)
            if not self._waits_for_room:
                return

    def _failure(self, listener: StoreListener) -> SourceUnavailable:
        return SourceUnavailable(f"{self.options.peer}: {listener.failure}")

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
        self._wake_watchers()

    def _wake_watchers(self) -> None:
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)

    async def _a_change(self) -> None:
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.append(watcher)
        await watcher

    async def _within(self, io: Awaitable[None]) -> None:
        await self.context.clock.limit(self.context.limits.connect_s, io, peer=self.options.peer)

    async def _caught_up(self, listener: StoreListener) -> None:
        while self._reconciling and not self._waits_for_room:
            await self._a_change()
        await self._received_all(listener)

    async def _received_all(self, listener: StoreListener, *, rounds_max: int | None = None) -> None:
        """
        Return once everything that the store had sent before the call was handed on, or waits for room.

        An answer over another connection comes behind all that the store sent before it. What is still on a long way
        then shows by more of it arriving while that is asked again, *rounds_max* times at most.
        """
        for _ in count() if rounds_max is None else range(rounds_max):
            before = listener.received
            await listener.probe()
            while not (listener.has_read_all() or self._waits_for_room or listener.failure):
                await self._a_change()
            await self.context.clock.sleep(0)
            if listener.received == before or self._waits_for_room or listener.failure:
                return

    async def _leave(self, listener: StoreListener) -> None:
        """
        Stop receiving, hand on what fits, and count the rest as dropped.
        """
        listener.cut()
        try:
            await self._within(asyncio.shield(listener.ended))
        except TimeoutError:
            self.context.log.warning("the thread that listens has not ended yet")
        self._hand_on_what_fits(listener)
        if listener.events:
            self.context.count("dropped", len(listener.events))
            listener.events.clear()
        self._waits_for_room = False


def _memory_of(options: ArtifactOptions, context: Context, shared: Shared | None) -> BucketMemory | None:
    if not options.reconcile:
        return None
    memories = cast(Memories, shared) if shared is not None else Memories()
    return memories.of(context, context.limits.remembered)


async def _next_of(pages: AsyncIterator[list[StoredObject]]) -> list[StoredObject]:
    return await anext(pages, [])
