"""
KnownObjects: what a configuration knows of the objects that it watches, and what a look at one means; no I/O.

An object is added when it first matches the filter, modified while it goes on to match, and deleted when it is gone.
One that no longer matches is forgotten without a word: it is not gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from gateways.processors.resource_options import ResourceFilter

Object = dict[str, Any]


class Happening(NamedTuple):
    """
    Something that happened to an object.
    """

    operation: str
    """added, modified or deleted."""
    uid: str
    version: str
    subject: str
    payload: bytes

    @property
    def identity(self) -> str:
        """
        The same whenever the same is learnt again.
        """
        return f"{self.uid}/deleted" if self.operation == "deleted" else f"{self.uid}/{self.version}"


class KnownObjects:
    """
    The objects that match, in the state in which they were seen last.
    """

    def __init__(self, which: ResourceFilter) -> None:
        self._filter = which
        self._known: dict[str, Happening] = {}

    def seen(self, an_object: Object) -> Happening | None:
        """
        *an_object* is there in this state; None where that is no news.
        """
        uid, version = _identity(an_object)
        before = self._known.get(uid)
        if not matches(self._filter, an_object):
            self._known.pop(uid, None)
            return None
        if before is not None and before.version == version:
            return None
        happening = _happening("added" if before is None else "modified", an_object)
        self._known[uid] = happening
        return happening

    def knows(self, an_object: Object) -> bool:
        """
        Whether it matched when it was seen last.
        """
        return _identity(an_object)[0] in self._known

    def left(self, an_object: Object) -> None:
        """
        It is still there and matches no more.
        """
        self._known.pop(_identity(an_object)[0], None)

    def gone(self, an_object: Object) -> Happening | None:
        """
        *an_object* is deleted, and this was its last state; None where it did not match.
        """
        before = self._known.pop(_identity(an_object)[0], None)
        return None if before is None else _happening("deleted", an_object)

    def missing_from(self, objects: Iterable[Object]) -> list[Happening]:
        """
        Those of the known that are not among *objects*, which are all there are: each as it was seen last.
        """
        there = {_identity(each)[0] for each in objects}
        return [known for uid, known in self._known.items() if uid not in there]

    def forget(self, happening: Happening, *, deleted: bool) -> Happening | None:
        """
        What was known as *happening* is no more; gives its deletion where it was deleted.
        """
        self._known.pop(happening.uid, None)
        return happening._replace(operation="deleted") if deleted else None

    def has_all_of(self, objects: Iterable[Object]) -> bool:
        """
        Whether what is known is as new as *objects*, which are all there are.
        """
        there = {uid: (version, matches(self._filter, each)) for each in objects for uid, version in [_identity(each)]}
        for uid, (version, does_match) in there.items():
            known = self._known.get(uid)
            if (known is not None) != does_match or (known is not None and int(known.version) < int(version)):
                return False
        return self._known.keys() <= there.keys()

    def is_current(self, happening: Happening) -> bool:
        """
        Whether nothing newer is known of its object; a deletion stays true for ever.
        """
        known = self._known.get(happening.uid)
        return happening.operation == "deleted" or (known is not None and known.version == happening.version)


def matches(which: ResourceFilter, an_object: Object) -> bool:
    """
    Whether *an_object* passes every part of the filter.

    Source: R-RES-4 to R-RES-8.
    """
    metadata = an_object.get("metadata") or {}
    return (
        str(metadata.get("name", "")).startswith(which.prefix)
        and _has_pairs(which.labels, metadata.get("labels"))
        and _has_pairs(which.annotations, metadata.get("annotations"))
        and (which.created_by is None or _created(metadata) <= which.created_by)
        and all(_text_at(an_object, path) == wanted for path, wanted in which.fields.items())
    )


def _has_pairs(wanted: dict[str, str] | None, found: Any) -> bool:
    if wanted is None:
        return True
    return isinstance(found, dict) and all(found.get(key) == value for key, value in wanted.items())


def _created(metadata: Object) -> datetime:
    return datetime.fromisoformat(metadata["creationTimestamp"])


def _text_at(an_object: Any, path: str) -> str:
    """
    The text of what stands at a dotted *path*; empty where nothing does.
    """
    value = an_object
    for name in path.split("."):
        if isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _identity(an_object: Object) -> tuple[str, str]:
    metadata = an_object["metadata"]
    return str(metadata["uid"]), str(metadata["resourceVersion"])


def _happening(operation: str, an_object: Object) -> Happening:
    metadata = an_object["metadata"]
    uid, version = _identity(an_object)
    name, namespace = str(metadata["name"]), metadata.get("namespace")
    payload = json.dumps(an_object, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Happening(operation, uid, version, f"{namespace}/{name}" if namespace else name, payload)
