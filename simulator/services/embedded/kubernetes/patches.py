"""
Patches: JSON patch, merge patch and strategic merge patch, each a function from an object to a new one.

Source: RFC 6902, RFC 7386; Kubernetes documentation, "Update API Objects in Place Using kubectl patch".
"""

from __future__ import annotations

import copy
from typing import Any

from simulator.services.embedded.kubernetes.failures import ApiFailure

MERGE_KEYS = {
    "containers": "name", "initContainers": "name", "ephemeralContainers": "name", "env": "name", "volumes": "name",
    "volumeMounts": "mountPath", "volumeDevices": "devicePath", "conditions": "type", "imagePullSecrets": "name",
    "secrets": "name", "hostAliases": "ip", "ownerReferences": "uid", "addresses": "type", "taints": "key",
    "topologySpreadConstraints": "topologyKey", "resourceClaims": "name",
}  # fmt: skip
"""Lists of built-in kinds whose entries are merged, by the field that tells them apart."""
_MERGED_TEXTS = frozenset({"finalizers"})
"""Lists of texts that are merged."""


def merge(target: Any, patch: Any) -> Any:
    """
    RFC 7386: mappings are merged, null removes, everything else replaces.
    """
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def strategic(target: Any, patch: Any) -> Any:
    """
    As merge, but lists of things that have names are merged by the names, and `$patch` and its like are obeyed.
    """
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    merged = dict(target) if isinstance(target, dict) else {}
    if (kept := patch.get("$retainKeys")) is not None:
        merged = {key: value for key, value in merged.items() if key in kept}
    orders: dict[str, list[Any]] = {}
    for key, value in patch.items():
        if key.startswith("$setElementOrder/"):
            orders[key.partition("/")[2]] = value
        elif key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            merged[name] = [each for each in merged.get(name) or () if each not in value]
        elif key in ("$patch", "$retainKeys"):
            continue
        elif value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = _merged_list(key, merged.get(key) or [], value)
        else:
            merged[key] = strategic(merged.get(key), value)
    for name, order in orders.items():
        if isinstance(merged.get(name), list):
            merged[name] = _ordered(name, merged[name], order)
    return merged


def merge_key(name: str, entries: list[Any]) -> str:
    """
    The field by which the *entries* of the list *name* are told apart; empty where they are not.
    """
    if not all(isinstance(entry, dict) for entry in entries):
        return ""
    if name == "ports":
        candidates = ("containerPort", "port")
        return next((each for each in candidates if all(each in e or "$patch" in e for e in entries)), "")
    return MERGE_KEYS.get(name, "")


def _merged_list(name: str, before: list[Any], patch: list[Any]) -> list[Any]:
    if name in _MERGED_TEXTS:
        return [*before, *(each for each in patch if each not in before)]
    if any(isinstance(entry, dict) and entry.get("$patch") == "replace" for entry in patch):
        return [copy.deepcopy(entry) for entry in patch if entry.get("$patch") != "replace"]
    key = merge_key(name, patch)
    if not key:
        return copy.deepcopy(patch)
    merged = list(before)
    for entry in patch:
        place = next((n for n, old in enumerate(merged) if old.get(key) == entry.get(key)), None)
        if entry.get("$patch") == "delete":
            merged = [old for old in merged if old.get(key) != entry.get(key)]
        elif place is None:
            merged.append(strategic(None, entry))
        else:
            merged[place] = strategic(merged[place], entry)
    return merged


def _ordered(name: str, entries: list[Any], order: list[Any]) -> list[Any]:
    key = merge_key(name, order)
    wanted = [entry.get(key) if key else entry for entry in order]

    def place(entry: Any) -> int:
        value = entry.get(key) if key and isinstance(entry, dict) else entry
        return wanted.index(value) if value in wanted else len(wanted)

    return sorted(entries, key=place)


def json_patch(target: Any, operations: Any) -> Any:
    """
    RFC 6902.

    Raises:
        ApiFailure: An operation is none, its place is not there, or a test does not hold.
    """
    if not isinstance(operations, list):
        raise ApiFailure(400, "a JSON patch must be a list of operations")
    result = copy.deepcopy(target)
    for operation in operations:
        try:
            result = _operated(result, operation)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            shown = f"{operation.get('op')} {operation.get('path')}" if isinstance(operation, dict) else operation
            raise ApiFailure(422, f"the server rejected our request due to an error in our request: {shown}: {error}",
                             reason="Invalid") from error  # fmt: skip
    return result


def _operated(document: Any, operation: Any) -> Any:
    name, path = operation["op"], _steps(operation["path"])
    if name == "test":
        if _found(document, path) != operation["value"]:
            raise ValueError("the test does not hold")
        return document
    if name == "remove":
        _remove(document, path)
        return document
    if name in ("move", "copy"):
        origin = _steps(operation["from"])
        value = copy.deepcopy(_found(document, origin))
        if name == "move":
            _remove(document, origin)
    elif name in ("add", "replace"):
        value = copy.deepcopy(operation["value"])
    else:
        raise ValueError("unknown operation")
    if not path:
        return value
    _put(document, path, value, replace=name == "replace")
    return document


def _steps(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError("a path begins with /")
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _found(document: Any, path: list[str]) -> Any:
    for step in path:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _remove(document: Any, path: list[str]) -> None:
    parent = _found(document, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]


def _put(document: Any, path: list[str], value: Any, *, replace: bool) -> None:
    parent, last = _found(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        if replace:
            parent[int(last)] = value
        elif last == "-":
            parent.append(value)
        elif 0 <= int(last) <= len(parent):
            parent.insert(int(last), value)
        else:
            raise IndexError("there is no such place in the list")
    elif replace and last not in parent:
        raise KeyError("there is nothing to replace")
    else:
        parent[last] = value
