"""
Collection of garbage: an object goes when every owner that it names has gone.

Source: Kubernetes documentation, "Garbage Collection" and "Owners and Dependents".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from simulator.services.embedded.kubernetes.kinds import Collection, Object
from simulator.services.embedded.kubernetes.storage import Key, Storage, owners_of


class Deleter(Protocol):
    """
    The rules, as far as collecting needs them.
    """

    storage: Storage

    def timestamp(self) -> str:
        """See Api."""

    def remove(self, collection: Collection, key: Key) -> Object:
        """See Api."""


def collect(api: Deleter, uid: str) -> None:
    """
    The object *uid* is gone, or about to go: delete what it alone owned.
    """
    for collection, key, dependent in _dependents(api, uid):
        if any(other != uid and api.storage.has_uid(other) for other in owners_of(dependent)):
            _strike(api, collection, key, dependent, uid)
        else:
            _delete(api, collection, key, dependent)


def collect_orphan(api: Deleter, collection: Collection, key: Key, an_object: Object) -> None:
    """
    Delete *an_object*, just made, where none of the owners that it names exists.
    """
    owners = owners_of(an_object)
    if owners and not any(api.storage.has_uid(owner) for owner in owners):
        _delete(api, collection, key, an_object)


def orphan(api: Deleter, uid: str) -> None:
    """
    Nothing is owned by *uid* any more.
    """
    for collection, key, dependent in _dependents(api, uid):
        _strike(api, collection, key, dependent, uid)


def _dependents(api: Deleter, uid: str) -> Iterator[tuple[Collection, Key, Object]]:
    for collection, key in api.storage.owned_by(uid):
        dependent = api.storage.get(collection, key)
        if dependent is not None:
            yield collection, key, dependent


def _strike(api: Deleter, collection: Collection, key: Key, dependent: Object, uid: str) -> None:
    metadata = dict(dependent["metadata"])
    metadata["ownerReferences"] = [owner for owner in metadata["ownerReferences"] if owner.get("uid") != uid]
    api.storage.put(collection, key, {**dependent, "metadata": metadata})


def _delete(api: Deleter, collection: Collection, key: Key, dependent: Object) -> None:
    metadata = dependent["metadata"]
    if not metadata.get("finalizers"):
        api.remove(collection, key)
    elif not metadata.get("deletionTimestamp"):
        marked = {**metadata, "deletionTimestamp": api.timestamp()}
        api.storage.put(collection, key, {**dependent, "metadata": marked})
