"""
Api: what can be done with objects: made, read, listed, changed, deleted; by the rules that every kind obeys.

Source: Kubernetes API concepts and API conventions.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from simulator.services.embedded.kubernetes import collection_of_garbage as garbage
from simulator.services.embedded.kubernetes.admission import admitted
from simulator.services.embedded.kubernetes.apply_patch import Owners, applied, check_conflicts
from simulator.services.embedded.kubernetes.failures import (
    ApiFailure,
    already_exists,
    conflict,
    expired,
    invalid,
    not_found,
    stale,
)
from simulator.services.embedded.kubernetes.kinds import CRDS, NAMESPACES, Collection, Kind, Kinds, Object
from simulator.services.embedded.kubernetes.patches import json_patch, merge, strategic
from simulator.services.embedded.kubernetes.selectors import Matches
from simulator.services.embedded.kubernetes.storage import Key, Storage

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_KEPT = ("uid", "creationTimestamp", "name", "namespace", "generation", "deletionTimestamp", "selfLink")
"""Metadata that no update changes."""
_NAMESPACES_AT_START = ("default", "kube-system", "kube-public")


class Asked(NamedTuple):
    """
    How a change is asked for, beside the object.
    """

    dry_run: bool = False
    strict: bool = False
    manager: str = "unknown"
    force: bool = False
    """Of server-side apply: take over what others own."""


class Page(NamedTuple):
    """
    A part of a list.
    """

    items: list[Object]
    version: int
    next: str = ""
    """The token for the next part; empty after the last."""
    left: int = 0


class Kept(NamedTuple):
    """
    What one server can hand over to the next.
    """

    kinds: Kinds
    storage: Storage
    owners: dict[tuple[Collection, Key], Owners]


class Api:
    """
    The rules, on one storage.

    Args:
        now: The time for timestamps.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.kinds = Kinds()
        self.storage = Storage()
        self._now = now
        self._owners: dict[tuple[Collection, Key], Owners] = {}
        namespaces = self.kinds.get("", "v1", "namespaces")
        assert namespaces is not None
        for name in _NAMESPACES_AT_START:
            self.create(namespaces, "", {"metadata": {"name": name}}, Asked())

    def kept(self) -> Kept:
        """
        All that there is.
        """
        return Kept(self.kinds, self.storage, self._owners)

    def take_up(self, kept: Kept) -> None:
        """
        Have what another server kept, in place of what there is.
        """
        self.kinds, self.storage, self._owners = kept

    def timestamp(self) -> str:
        """
        The time as objects write it.
        """
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    # Reading.

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """
        One object.

        Raises:
            ApiFailure: It is not there.
        """
        found = self.storage.get(kind.collection, (namespace, name))
        if found is None:
            raise not_found(kind, name)
        return as_kind(kind, found)

    def list(self, kind: Kind, namespace: str, matches: Matches, limit: int = 0, token: str = "") -> Page:
        """
        The objects that match, at most *limit* of them where that is given, after those that *token* stands for.

        Raises:
            ApiFailure: The token cannot be read, or is too old.
        """
        version, after = self.storage.version, ("", "")
        if token:
            version, after = _read_token(token)
            if version < self.storage.oldest:
                raise expired("the provided continue parameter", self.storage.version)
        found = [(key, each) for key, each in self.storage.all_of(kind.collection, namespace) if matches(each)]
        if token:
            found = [(key, each) for key, each in found if key > after]
        part = found[:limit] if limit else found
        left = len(found) - len(part)
        following = _token(version, part[-1][0]) if left else ""
        return Page([as_kind(kind, each) for _, each in part], version, following, left)

    # Changing.

    def create(self, kind: Kind, namespace: str, given: Object, asked: Asked) -> Object:
        """
        Store a new object.

        Raises:
            ApiFailure: It is there already, or breaks rules.
        """
        self._check_kind(kind, given)
        metadata = dict(given.get("metadata") or {})
        namespace = self._namespace_for(kind, namespace, metadata)
        if not metadata.get("name"):
            if not metadata.get("generateName"):
                problem = ("metadata.name", "Required value: name or generateName is required")
                raise invalid(kind, "", [problem])
            metadata["name"] = f"{metadata['generateName']}{uuid.uuid4().hex[:5]}"
        key = (namespace, metadata["name"])
        if self.storage.get(kind.collection, key) is not None:
            raise already_exists(kind, key[1])
        if metadata.get("resourceVersion"):
            raise ApiFailure(400, "resourceVersion should not be set on objects to be created")
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.timestamp()}
        metadata.pop("deletionTimestamp", None)
        if kind.has_status or kind.is_custom:
            metadata["generation"] = 1
        made = {"apiVersion": kind.api_version, "kind": kind.kind, **given, "metadata": metadata}
        if kind.has_status:
            made.pop("status", None)
        made = admitted(kind, made, strict=asked.strict)
        if asked.dry_run:
            return made
        if kind.collection == CRDS:
            self.kinds.define(made)
        stored = self.storage.put(kind.collection, key, made)
        garbage.collect_orphan(self, kind.collection, key, stored)
        return stored

    def update(self, kind: Kind, key: Key, given: Object, asked: Asked, part: str = "") -> Object:
        """
        Put *given* in an object's place.

        Args:
            part: `status` changes the status alone; without it all else is changed.

        Raises:
            ApiFailure: It is not there, is newer than *given*, or would break rules.
        """
        self._check_kind(kind, given)
        name = key[1]
        before = self.storage.get(kind.collection, key)
        if before is None:
            raise not_found(kind, name)
        metadata = given.get("metadata") or {}
        if metadata.get("name") not in (None, name):
            shown = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            raise ApiFailure(400, shown)
        wanted = metadata.get("resourceVersion")
        if wanted and wanted != before["metadata"]["resourceVersion"]:
            raise stale(kind, name)
        if metadata.get("uid") not in (None, before["metadata"]["uid"]):
            shown = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: "
            raise conflict(kind, name, shown + before["metadata"]["uid"])
        after = admitted(kind, _replaced(kind, before, given, part), strict=asked.strict)
        return self._store(kind, key, before, after, asked)

    def patch(self, kind: Kind, key: Key, patch: Any, *, how: str, asked: Asked, part: str = "") -> tuple[Object, bool]:
        """
        Change an object by a patch of the content type *how*.

        Returns:
            The object, and whether it was made: server-side apply makes what is not there.

        Raises:
            ApiFailure: As `update`; the content type is none of ours, or not for this kind.
        """
        if how == APPLY_PATCH:
            return self._apply(kind, key, patch, asked, part)
        before = self.get(kind, *key)
        if how == STRATEGIC_PATCH and kind.is_custom:
            raise ApiFailure(415, f"the body of the request was in an unknown format - accepted media types include: "
                                  f"{JSON_PATCH}, {MERGE_PATCH}, {APPLY_PATCH}")  # fmt: skip
        if how != JSON_PATCH and not isinstance(patch, dict):
            raise ApiFailure(400, "a patch must be an object")
        means = {JSON_PATCH: json_patch, MERGE_PATCH: merge, STRATEGIC_PATCH: strategic}.get(how)
        if means is None:
            raise ApiFailure(415, f"the body of the request was in an unknown format - accepted media types include: "
                                  f"{JSON_PATCH}, {MERGE_PATCH}, {STRATEGIC_PATCH}, {APPLY_PATCH}")  # fmt: skip
        after = means(before, patch)
        if not isinstance(after, dict) or not isinstance(after.get("metadata"), dict):
            raise ApiFailure(422, "the patched object has no metadata", reason="Invalid")
        return self.update(kind, key, after, asked, part), False

    def delete(self, kind: Kind, namespace: str, name: str, options: Mapping[str, Any], asked: Asked) -> Object:
        """
        Delete an object, or mark it where finalizers keep it; what it owns goes as `propagationPolicy` says.

        Returns:
            Its last state.

        Raises:
            ApiFailure: It is not there, or not the one that the preconditions mean.
        """
        key = (namespace, name)
        before = self.get(kind, namespace, name)
        metadata, conditions = before["metadata"], options.get("preconditions") or {}
        for field in ("uid", "resourceVersion"):
            if conditions.get(field) not in (None, metadata[field]):
                shown = f"Precondition failed: {field} in precondition: {conditions[field]}, in object: "
                raise conflict(kind, name, shown + metadata[field])
        if asked.dry_run:
            return before
        policy = options.get("propagationPolicy") or "Background"
        if options.get("orphanDependents"):
            policy = "Orphan"
        if policy == "Orphan":
            garbage.orphan(self, metadata["uid"])
        elif policy == "Foreground":
            garbage.collect(self, metadata["uid"])
        if metadata.get("finalizers"):
            if metadata.get("deletionTimestamp"):
                return before
            marked = {**metadata, "deletionTimestamp": self.timestamp(), "deletionGracePeriodSeconds": 0}
            return self.storage.put(kind.collection, key, {**before, "metadata": marked})
        return self.remove(kind.collection, key)

    def remove(self, collection: Collection, key: Key) -> Object:
        """
        Take an object out for good, with what lives in it and what it alone owns.
        """
        last = self.storage.remove(collection, key)
        assert last is not None, "whoever removes has looked"
        self._owners.pop((collection, key), None)
        if collection == NAMESPACES:
            self._empty(lambda _, inner: inner[0] == key[1])
        elif collection == CRDS:
            custom = (last["spec"]["group"], last["spec"]["names"]["plural"])
            self._empty(lambda other, _: other == custom)
            self.kinds.forget(last)
        garbage.collect(self, last["metadata"]["uid"])
        return last

    def _empty(self, chosen: Callable[[Collection, Key], bool]) -> None:
        for collection, key, _ in tuple(self.storage.everything()):
            if chosen(collection, key) and self.storage.get(collection, key) is not None:
                self.remove(collection, key)

    def _apply(self, kind: Kind, key: Key, wanted: Any, asked: Asked, part: str) -> tuple[Object, bool]:
        if not isinstance(wanted, dict) or not wanted.get("kind") or not wanted.get("apiVersion"):
            raise ApiFailure(400, "an applied configuration must have apiVersion and kind")
        if asked.manager == "unknown":
            raise ApiFailure(400, "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required "
                                  "for apply patch")  # fmt: skip
        live, name = self.storage.get(kind.collection, key), key[1]
        place = (kind.collection, key)
        owners = self._owners.get(place, {})
        if live is not None and not asked.force:
            check_conflicts(kind, name, wanted, owners, asked.manager)
        after = applied(live, wanted, owners, asked.manager)
        after.setdefault("metadata", {}).setdefault("name", name)
        new = live is None
        stored = self.create(kind, key[0], after, asked) if new else self.update(kind, key, after, asked, part)
        if not asked.dry_run:
            self._owners.setdefault(place, {})[asked.manager] = wanted
        return stored, new

    def _store(self, kind: Kind, key: Key, before: Object, after: Object, asked: Asked) -> Object:
        if after == before or asked.dry_run:
            return as_kind(kind, after)
        unobserved = {"metadata", "status"}
        if "generation" in after["metadata"] and any(
            after.get(field) != before.get(field) for field in {*after, *before} - unobserved
        ):
            number = before["metadata"].get("generation", 0) + 1
            after = {**after, "metadata": {**after["metadata"], "generation": number}}
        if after["metadata"].get("deletionTimestamp") and not after["metadata"].get("finalizers"):
            self.storage.put(kind.collection, key, after)
            return self.remove(kind.collection, key)
        if kind.collection == CRDS:
            self.kinds.define(after)
        return self.storage.put(kind.collection, key, after)

    def _check_kind(self, kind: Kind, given: Object) -> None:
        said = (given.get("apiVersion", kind.api_version), given.get("kind", kind.kind))
        if said != (kind.api_version, kind.kind):
            shown = f"the object provided is {said[0]}, Kind={said[1]}, expected {kind.api_version}, Kind={kind.kind}"
            raise ApiFailure(400, shown)

    def _namespace_for(self, kind: Kind, namespace: str, metadata: Object) -> str:
        if not kind.namespaced:
            metadata.pop("namespace", None)
            return ""
        if metadata.get("namespace") not in (None, "", namespace):
            raise ApiFailure(
                400, "the namespace of the provided object does not match the namespace sent on the request"
            )
        if not namespace:
            raise ApiFailure(400, "an empty namespace may not be set during creation")
        if self.storage.get(NAMESPACES, ("", namespace)) is None:
            raise ApiFailure(404, f'namespaces "{namespace}" not found', details={"name": namespace})
        metadata["namespace"] = namespace
        return namespace


def as_kind(kind: Kind, an_object: Object) -> Object:
    """
    *an_object* as that version of its kind shows it.
    """
    if an_object.get("apiVersion") == kind.api_version:
        return an_object
    return {**an_object, "apiVersion": kind.api_version, "kind": kind.kind}


def _replaced(kind: Kind, before: Object, given: Object, part: str) -> Object:
    """
    *before* with what *given* may change of it.
    """
    if part == "status":
        after = dict(before)
        after["status"] = given.get("status")
        if after["status"] is None:
            del after["status"]
        return after
    metadata = {key: value for key, value in (given.get("metadata") or {}).items() if key not in _KEPT}
    metadata |= {key: before["metadata"][key] for key in _KEPT if key in before["metadata"]}
    metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
    after = {**given, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    if kind.has_status:
        after.pop("status", None)
        if "status" in before:
            after["status"] = before["status"]
    return after


def _token(version: int, key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, *key]).encode()).decode()


def _read_token(token: str) -> tuple[int, Key]:
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(token))
        return int(version), (str(namespace), str(name))
    except ValueError:
        raise ApiFailure(400, "continue key is not valid") from None
