"""
Watching: the changes of one collection as a client may see them, from a version on.

Source: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks" and "Streaming lists".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from simulator.services.embedded.kubernetes.api import Api, as_kind
from simulator.services.embedded.kubernetes.failures import ApiFailure, expired
from simulator.services.embedded.kubernetes.kinds import Kind, Object
from simulator.services.embedded.kubernetes.selectors import Matches
from simulator.services.embedded.kubernetes.storage import Change

INITIAL_END = "k8s.io/initial-events-end"


class Event(NamedTuple):
    """
    One line of a watch.
    """

    type: str
    """ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""
    object: Object


class Watch:
    """
    One watch, asked again and again what is new.

    Args:
        api: What is watched.
        kind: Of which kind.
        namespace: Empty for all.
        matches: Which objects.
        version: Where to begin; empty or `0` for what is there now, first.
        bookmarks: Whether the client wants to know which version it has seen where nothing else tells it.
        streaming: Whether what is there comes first, and then a bookmark that says so.

    Raises:
        ApiFailure: The version is none.
    """

    def __init__(self, api: Api, kind: Kind, namespace: str, matches: Matches, *, version: str, bookmarks: bool,
                 streaming: bool = False) -> None:  # fmt: skip
        self._api = api
        self._kind = kind
        self._namespace = namespace
        self._matches = matches
        self._bookmarks = bookmarks
        self._streaming = streaming
        self._with_what_is_there = streaming or version in ("", "0")
        if not (version.isascii() and version.isdigit()) and version:
            raise ApiFailure(400, f"invalid resource version {version!r}")
        self._seen = api.storage.version if self._with_what_is_there else int(version)
        self._told = self._seen
        """The version that the client knows of."""

    def first(self) -> Iterator[Event]:
        """
        What is there, where that is asked for.
        """
        if not self._with_what_is_there:
            return
        for (_, _), an_object in self._api.storage.all_of(self._kind.collection, self._namespace):
            if self._matches(an_object):
                yield Event("ADDED", as_kind(self._kind, an_object))
        if self._streaming:
            yield self._bookmark({INITIAL_END: "true"})

    def news(self) -> Iterator[Event]:
        """
        What has changed since it was asked last. After an ERROR the watch is over.
        """
        storage = self._api.storage
        if self._seen < storage.oldest:
            yield Event("ERROR", expired(self._seen, storage.version).status)
            return
        for change in storage.changes_after(self._seen):
            self._seen = change.version
            event = self._seen_as(change)
            if event is not None:
                self._told = change.version
                yield event
        self._seen = max(self._seen, storage.version)
        if self._bookmarks and self._told < self._seen:
            self._told = self._seen
            yield self._bookmark({})

    def _seen_as(self, change: Change) -> Event | None:
        """
        *change* to whoever sees only what matches: who comes in is added, who leaves is deleted.
        """
        if change.collection != self._kind.collection or self._namespace not in ("", change.key[0]):
            return None
        was = change.before is not None and self._matches(change.before)
        is_now = change.after is not None and self._matches(change.after)
        if is_now:
            assert change.after is not None
            return Event("MODIFIED" if was else "ADDED", as_kind(self._kind, change.after))
        if not was:
            return None
        assert change.before is not None
        metadata = {**change.before["metadata"], "resourceVersion": str(change.version)}
        return Event("DELETED", as_kind(self._kind, {**change.before, "metadata": metadata}))

    def _bookmark(self, annotations: dict[str, str]) -> Event:
        metadata: Object = {"resourceVersion": str(self._seen), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        return Event("BOOKMARK", {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata})
