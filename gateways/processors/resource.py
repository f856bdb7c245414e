"""
Resource: objects of one kind in a Kubernetes cluster; what is there at the start, and whatever happens to them.

A run lists once and then watches from that version on. A watch that ends is renewed where it stopped; one that is told
that this is too old lists again, and what has not changed since makes no event.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any
from uuid import UUID, uuid5

from gateways.clock import Wakeup, start
from gateways.cluster import Expired, Listing, Watch
from gateways.errors import GatewayError, SourceUnavailable
from gateways.processor import Context, Delivery, Guarantee, Processor
from gateways.processors.resource_cluster import ResourceCluster, ResourceKind
from gateways.processors.resource_objects import Happening, KnownObjects, Object
from gateways.processors.resource_options import ResourceOptions
from gateways.source_event import Settlement, SourceEvent

ID_NAMESPACE = UUID("5f0f5a6c-3a39-4f2e-9d0f-0d7a5d9f4f0e")
"""Of the ids of events; any fixed one would do."""


class ResourceProcessor(Processor):
    """
    Watches the objects of one kind.

    Source: R-RES-1, R-RES-3, G-RES-1 to G-RES-6.
    """

    type = "resource"
    redelivers = True
    guarantee = Guarantee(
        told="nothing; the version up to which all was handed on is remembered",
        by_default=Delivery.AT_LEAST_ONCE,
        extent=(
            "while the gateway lives: a version is tried again until it is accepted or superseded; a restart replays "
            "what is there and misses deletions"
        ),
    )

    options: ResourceOptions

    def __init__(self, options: ResourceOptions, context: Context, shared: Any = None) -> None:
        super().__init__(options, context, shared)
        self._known = KnownObjects(options.filter)
        self._waiting: deque[Happening] = deque()
        """What happened and is not handed on yet."""
        self._refused: deque[Happening] = deque()
        self._refusal = Wakeup(context.clock)
        self._cluster: ResourceCluster | None = None
        self._kind: ResourceKind | None = None
        self._watch: Watch | None = None
        self._version = ""
        """Up to which everything is handed on; empty where all has to be listed."""
        self._moved = asyncio.Event()
        self._away = True
        """Nothing comes until time has passed."""
        self._full = False
        self._failures = 0
        self._barren = 0
        """Watches in a row that ended without a word."""

    @classmethod
    def parse(cls, key: str, text: str) -> ResourceOptions:
        """See Processor."""
        return ResourceOptions.parse(text)

    async def run(self) -> None:
        """See Processor."""
        cluster = self._cluster = await ResourceCluster.connect(self.context)
        try:
            kind = self._kind = await cluster.find(self.options)
            async with asyncio.TaskGroup() as group:
                start(self.context.clock, group, self._hand_on_again(), name=f"{kind.plural} again")
                await self._live(cluster, kind)
        finally:
            await self.close()

    async def caught_up(self) -> bool:
        """See Processor. Clusters tell a watch too seldom how far it is; what is there now tells as much."""
        cluster, kind = self._cluster, self._kind
        if cluster is None or kind is None or self._away:
            return True
        clock, limit_s = self.context.clock, self.context.limits.connect_s
        try:
            if self._is_at(await cluster.version(kind)):
                return True
            listing = await cluster.everything(kind, self.options.filter.labels)
            await clock.limit(limit_s, self._reached(listing), peer=cluster.peer)
        except TimeoutError:
            return False
        except (GatewayError, Expired):
            return self._away
        return True

    def paused(self) -> bool:
        """See Processor."""
        return self._full

    async def close(self) -> None:
        """See Processor."""
        cluster, self._cluster = self._cluster, None
        self.abort()
        if cluster is not None:
            await cluster.close()

    def abort(self) -> None:
        """See Processor."""
        self._away = True
        self._stir()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    async def _live(self, cluster: ResourceCluster, kind: ResourceKind) -> None:
        """
        Watch, again and again. What is known of objects outlives every failure.
        """
        self._away = False
        while True:
            try:
                await self._watch_once(cluster, kind)
            except Expired:
                self._version = ""
                self._barren = 0  # it was told something
            except SourceUnavailable as error:
                await self._back_off(str(error))

    async def _watch_once(self, cluster: ResourceCluster, kind: ResourceKind) -> None:
        version = self._version
        if not version:
            version = await self._list(cluster, kind)
        watch = self._watch = await cluster.watch(kind, self.options.filter.labels, version)
        where = f"in namespace {self.options.namespace}" if self.options.namespace else "in all namespaces"
        self.context.running(f"watching {kind.plural} {where if kind.namespaced else 'of the cluster'}")
        await self._hand_on()
        self._move_to(version)
        try:
            if await self._follow(cluster, kind, watch):
                self._failures = self._barren = 0
            elif self._barren:
                raise SourceUnavailable(f"{cluster.peer}: the API server ends every watch at once")
            else:
                self._barren += 1
        finally:
            self._watch = None
            watch.close()

    async def _list(self, cluster: ResourceCluster, kind: ResourceKind) -> str:
        """
        See what is there, and what has gone meanwhile.

        Returns:
            The version at which that is so.
        """
        labels = self.options.filter.labels
        listing = await cluster.everything(kind, labels)
        for missing in self._known.missing_from(listing.objects):
            deleted = not labels or not await cluster.is_there(kind, _named(missing))
            self._note(self._known.forget(missing, deleted=deleted))
        for each in listing.objects:
            self._note(self._known.seen(each))
        return listing.version

    async def _follow(self, cluster: ResourceCluster, kind: ResourceKind, watch: Watch) -> bool:
        """
        Hand on what *watch* tells until it ends.

        Returns:
            Whether it told anything.
        """
        told_anything = False
        while True:
            with self.context.clock.idle():
                told = await watch.next()
            if told is None:
                return told_anything
            told_anything = True
            what, an_object = told
            if what in ("ADDED", "MODIFIED"):
                self._note(self._known.seen(an_object))
            elif what == "DELETED" and self._known.knows(an_object):
                if self.options.filter.labels and await cluster.is_there(kind, an_object):
                    self._known.left(an_object)
                else:
                    self._note(self._known.gone(an_object))
            await self._hand_on()
            self._move_to(str(an_object["metadata"]["resourceVersion"]))

    async def _back_off(self, cause: str) -> None:
        self._failures += 1
        self._away = True
        self._stir()
        self.context.failing(f"{cause}; trying again")
        retry = self.context.retry
        wait_s = self.context.chance.spread(retry.wait_s(min(self._failures, 64)), retry.jitter)
        await self.context.clock.sleep(wait_s)
        self._away = False

    # Handing on.

    def _note(self, happening: Happening | None) -> None:
        if happening is not None and happening.operation in self.options.operations:
            self._waiting.append(happening)

    async def _hand_on(self) -> None:
        while self._waiting:
            if self._emit(self._waiting[0]):
                self._waiting.popleft()
                continue
            self._full = True
            self._stir()
            await self.context.room()
            self._full = False

    def _emit(self, happening: Happening) -> bool:
        return self.context.emit(
            SourceEvent(
                happening.payload,
                self.context.clock.now(),
                happening.subject,
                "application/json",
                (("operation", happening.operation),),
                str(uuid5(ID_NAMESPACE, happening.identity)),
                partial(self._settled, happening),
            )
        )

    def _settled(self, happening: Happening, settlement: Settlement) -> None:
        if not settlement.accepted:
            self._refused.append(happening)
            self._refusal.set()

    async def _hand_on_again(self) -> None:
        """
        What was not accepted is tried again until it is, or its object has moved on.

        Source: G-RES-6.
        """
        while True:
            await self._refusal.wait()
            self._refusal.clear()
            while self._refused:
                if self._known.is_current(self._refused[0]) and not self._emit(self._refused[0]):
                    await self.context.room()
                else:
                    self._refused.popleft()

    # How far it is.

    def _move_to(self, version: str) -> None:
        self._version = version
        self._stir()

    def _stir(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _is_at(self, version: int) -> bool:
        return self._version.isdigit() and int(self._version) >= version

    async def _reached(self, listing: Listing) -> None:
        version = int(listing.version) if listing.version.isdigit() else 0
        while not (self._away or self._full or self._is_at(version)):
            if not self._waiting and self._known.has_all_of(listing.objects):
                return
            await self._moved.wait()


def _named(happening: Happening) -> Object:
    namespace, _, name = happening.subject.rpartition("/")
    return {"metadata": {"name": name, "namespace": namespace, "uid": happening.uid}}
