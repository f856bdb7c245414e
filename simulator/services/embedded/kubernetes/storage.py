"""
Storage: every object, one version counter for all, and a log of changes from which watches are fed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from simulator.services.embedded.kubernetes.kinds import Collection, Object

Key = tuple[str, str]
"""Namespace (empty for kinds without) and name."""

Place = tuple[Collection, Key]

CHANGES_MAX = 10_000
"""So many changes can be watched from behind; what lies further back is too old."""


class Change(NamedTuple):
    """
    One change of one object.
    """

    version: int
    collection: Collection
    key: Key
    before: Object | None
    """None where it is new."""
    after: Object | None
    """None where it is gone."""
    last: Object
    """The object with this change's version, as a deletion tells of it."""


class Storage:
    """
    All objects of one server. Objects go in as they are to be and are never changed afterwards.
    """

    def __init__(self) -> None:
        self.version = 0
        self.oldest = 0
        """A watch may start here or later."""
        self._objects: dict[Collection, dict[Key, Object]] = {}
        self._places: dict[str, Place] = {}
        """By uid."""
        self._owned: dict[str, dict[Place, None]] = {}
        """By the uid of an owner that they name."""
        self._changes: deque[Change] = deque()
        self._listeners: set[Callable[[], None]] = set()

    def __getstate__(self) -> dict[str, Any]:
        """
        All but who listens, which is of this process.
        """
        return {**self.__dict__, "_listeners": set()}

    def get(self, collection: Collection, key: Key) -> Object | None:
        """
        One object; None where it is not there.
        """
        return self._objects.get(collection, {}).get(key)

    def all_of(self, collection: Collection, namespace: str = "") -> list[tuple[Key, Object]]:
        """
        The objects of *collection*, by namespace and name; of one *namespace* where it is given.
        """
        found = self._objects.get(collection, {}).items()
        return sorted(each for each in found if not namespace or each[0][0] == namespace) if found else []

    def everything(self) -> Iterator[tuple[Collection, Key, Object]]:
        """
        Every object of every collection.
        """
        for collection, objects in tuple(self._objects.items()):
            for key, an_object in tuple(objects.items()):
                yield collection, key, an_object

    def put(self, collection: Collection, key: Key, an_object: Object) -> Object:
        """
        Store *an_object* under a new version, which is written into its metadata.
        """
        before = self.get(collection, key)
        stored = self._versioned(an_object)
        if before is not None:
            self._unlink(before, (collection, key))
        self._places[stored["metadata"]["uid"]] = (collection, key)
        for owner in owners_of(stored):
            self._owned.setdefault(owner, {})[collection, key] = None
        self._objects.setdefault(collection, {})[key] = stored
        self._note(Change(self.version, collection, key, before, stored, stored))
        return stored

    def remove(self, collection: Collection, key: Key) -> Object | None:
        """
        Take an object out; gives its last state, with the version of its removal.
        """
        before = self._objects.get(collection, {}).pop(key, None)
        if before is None:
            return None
        self._unlink(before, (collection, key))
        last = self._versioned(before)
        self._note(Change(self.version, collection, key, before, None, last))
        return last

    def has_uid(self, uid: str) -> bool:
        """
        Whether an object of that uid is there.
        """
        return uid in self._places

    def owned_by(self, uid: str) -> list[Place]:
        """
        Where the objects are that name *uid* as an owner.
        """
        return list(self._owned.get(uid, ()))

    def changes_after(self, version: int) -> list[Change]:
        """
        The changes since *version*, in order.
        """
        newer: list[Change] = []
        for change in reversed(self._changes):
            if change.version <= version:
                break
            newer.append(change)
        newer.reverse()
        return newer

    def expire(self) -> None:
        """
        Forget the log, so that whoever watches from any version up to now is told that it is too old.
        """
        self.version += 1
        self.oldest = self.version
        self._changes.clear()
        self._tell()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """
        Call *listener* after each change.

        Returns:
            Call it to end that.
        """
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def _unlink(self, an_object: Object, place: Place) -> None:
        self._places.pop(an_object["metadata"]["uid"], None)
        for owner in owners_of(an_object):
            owned = self._owned.get(owner, {})
            owned.pop(place, None)
            if not owned:
                self._owned.pop(owner, None)

    def _versioned(self, an_object: Object) -> Object:
        self.version += 1
        return {**an_object, "metadata": {**an_object["metadata"], "resourceVersion": str(self.version)}}

    def _note(self, change: Change) -> None:
        self._changes.append(change)
        if len(self._changes) > CHANGES_MAX:
            self.oldest = self._changes.popleft().version
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def owners_of(an_object: Object) -> list[str]:
    """
    The uids of the owners that *an_object* names.
    """
    return [str(owner.get("uid")) for owner in an_object["metadata"].get("ownerReferences") or ()]
