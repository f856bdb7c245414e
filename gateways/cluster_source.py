"""
ClusterSource: a ConfigMap that is watched in a Kubernetes cluster.

It is listed once and then watched from that version on. A watch that ends is renewed where it stopped; one that is told
that this is too old lists again. While the API server is away, what was there goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

from gateways.chance import Chance
from gateways.clock import Clock, Wakeup
from gateways.cluster import ApiServer, Expired, Object, Watch
from gateways.configmap import Data
from gateways.errors import SourceUnavailable
from gateways.limits import Retry

_log = logging.getLogger("gateways")
_UNKNOWN: Any = object()
"""Of a ConfigMap at which nobody has looked."""


class ClusterSource:
    """
    One ConfigMap. Serves one gateway.

    Args:
        server: Where it is.
        namespace: Its namespace.
        name: Its name; empty where there is none.
        clock: Time.
        retry: How long to stay away from a server that fails.
        chance: Spreads that.
        report: Told why it cannot be watched; the log where left out.
    """

    def __init__(
        self,
        server: ApiServer,
        namespace: str,
        name: str,
        *,
        clock: Clock,
        retry: Retry,
        chance: Chance,
        report: Callable[[str], None] = _log.warning,
    ) -> None:
        self._server = server
        self._name = name
        self._where = f"ConfigMap {name} in namespace {namespace}"
        self._path = f"/api/v1/namespaces/{quote(namespace)}/configmaps"
        self._only = [("fieldSelector", f"metadata.name={name}")]
        self._clock = clock
        self._retry = retry
        self._chance = chance
        self._report = report
        self._data: Data | None = _UNKNOWN
        self._watch: Watch | None = None
        self._told_anything = self._is_barren = False
        """Of the watch at hand, and of the one before it."""
        self._seen = self._taken = ""
        """Up to which version all is read, and up to which the gateway has it; empty where all has to be listed."""
        self._failures = 0
        self._cause = ""
        self._away = True
        """Nothing comes until time has passed."""
        self._moved = asyncio.Event()
        self._applied = Wakeup(clock)
        self._applied.set()

    async def changes(self) -> AsyncIterator[Data | None]:
        """See ConfigurationSource. A server that is away at the start counts as one without the ConfigMap."""
        if not self._name:
            yield None
            await Wakeup(self._clock).wait()
        self._seen = self._taken = ""
        self._away = False
        try:
            while True:
                cause, wait_s = "", 0.0
                try:
                    data = await self._next()
                except Expired:
                    self._seen = self._taken = ""
                    self._drop_watch()
                    continue
                except SourceUnavailable as error:
                    cause, wait_s = str(error), self._failed(str(error))
                    data = None if self._data is _UNKNOWN else self._data
                if data != self._data:
                    self._data = data
                    self._applied.clear()
                    self._stir()
                    yield data
                    self._applied.set()
                self._taken = self._seen
                self._stir()
                if cause:
                    await self._clock.sleep(wait_s)
                    self._away = False
        finally:
            self._away = True
            self._stir()
            self._drop_watch()

    async def caught_up(self) -> None:
        """
        Return once the gateway has taken in all that the API server had before the call, or nothing more comes without
        the passing of time. Clusters tell a watch too seldom how far it is: the data that are there now count as well.

        Raises:
            SourceUnavailable: The server does not say how far it is.
            TimeoutError: It does not tell what it has.
        """
        if self._away:
            return
        version = await self._server.version(self._path)
        if self._taken.isdigit() and int(self._taken) >= version:
            return
        listing = await self._server.list(self._path, self._only)
        data = _data_of(listing.objects[0]) if listing.objects else None
        limit_s = self._retry.backoff_s_max
        while not (self._away or (self._taken.isdigit() and int(self._taken) >= version)):
            if self._applied.is_set and self._data == data:
                return
            if not self._applied.is_set:
                await self._applied.wait()
            else:
                await self._clock.limit(limit_s, self._moved.wait(), peer=self._server.peer)

    async def _next(self) -> Data | None:
        """
        One step on: a list, the opening of a watch, or what it tells.

        Returns:
            The data as they are then.
        """
        if not self._seen:
            listing = await self._server.list(self._path, self._only)
            self._seen = listing.version
            return _data_of(listing.objects[0]) if listing.objects else None
        if self._watch is None:
            self._watch = await self._server.watch(self._path, self._only, self._seen)
            self._told_anything = False
            self._recovered()
            return self._data
        with self._clock.idle():
            told = await self._watch.next()
        if told is None:
            self._ended()
            return self._data
        self._told_anything, self._failures = True, 0
        what, an_object = told
        self._seen = str(an_object["metadata"]["resourceVersion"])
        if what == "DELETED":
            return None
        return _data_of(an_object) if what in ("ADDED", "MODIFIED") else self._data

    def _ended(self) -> None:
        """
        The watch is over.

        Raises:
            SourceUnavailable: It and the one before told nothing at all.
        """
        self._drop_watch()
        was_barren, self._is_barren = self._is_barren, not self._told_anything
        if was_barren and self._is_barren:
            raise SourceUnavailable(f"{self._server.peer}: the API server ends every watch at once")

    def _failed(self, cause: str) -> float:
        """
        Note that the server is away; say so once for each cause.

        Returns:
            Seconds for which to leave it alone.
        """
        self._drop_watch()
        self._failures += 1
        self._away = True
        if cause != self._cause:
            self._report(f"{self._where} cannot be watched: {cause}; trying again, what was there goes on")
        self._cause = cause
        return self._chance.spread(self._retry.wait_s(min(self._failures, 64)), self._retry.jitter)

    def _recovered(self) -> None:
        if self._cause:
            self._report(f"{self._where} is watched again")
        self._cause = ""

    def _drop_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    def _stir(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def _data_of(config_map: Object) -> Data:
    """
    Its `data`; `binaryData` is passed over.
    """
    data = config_map.get("data")
    return dict(data) if isinstance(data, dict) else {}
