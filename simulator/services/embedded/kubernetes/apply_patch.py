"""
Server-side apply: what a manager says an object should be, merged into what it is, by who owns which field.

Source: Kubernetes documentation, "Server-Side Apply". Ownership is kept beside the objects, not in `managedFields`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.services.embedded.kubernetes.failures import conflict
from simulator.services.embedded.kubernetes.kinds import Kind, Object
from simulator.services.embedded.kubernetes.patches import merge_key, strategic

Path = tuple[str, ...]
Owners = dict[str, Object]
"""Manager to what it applied last."""

_IDENTITY = frozenset({("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")})


def applied(live: Object | None, wanted: Object, owners: Owners, manager: str) -> Object:
    """
    *live* as it is when *manager* has applied *wanted*; what it applied before and no longer says is taken out.
    """
    before = owners.get(manager, {})
    others = [dict(leaves(other)) for owner, other in owners.items() if owner != manager]
    kept = dict(leaves(wanted))
    dropped = [path for path, _ in leaves(before) if path not in kept and not any(path in other for other in others)]
    result: Any = live or {}
    for path in dropped:
        result = _without(result, path)
    return dict(strategic(result, wanted))


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """
    Every field that holds no others, by its path; entries of merged lists go by their names.
    """
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            if (*path, key) not in _IDENTITY:
                yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value and (key := merge_key(path[-1], value) if path else ""):
        for entry in value:
            yield from leaves(entry, (*path, f"{key}={entry.get(key)}"))
    elif path:
        yield path, value


def check_conflicts(kind: Kind, name: str, wanted: Object, owners: Owners, manager: str) -> None:
    """
    See that nobody but *manager* owns a field of *wanted* with another value.

    Raises:
        ApiFailure: Somebody does; names everyone and everything.
    """
    fields = dict(leaves(wanted))
    found = [
        f'conflict with "{owner}": .{".".join(path)}'
        for owner, other in owners.items()
        if owner != manager
        for path, value in leaves(other)
        if path in fields and fields[path] != value
    ]
    if found:
        shown = f"Apply failed with {len(found)} conflict{'s' if len(found) > 1 else ''}: {'; '.join(found)}"
        raise conflict(kind, name, shown)


def _without(value: Any, path: Path) -> Any:
    first, rest = path[0], path[1:]
    if isinstance(value, list):
        key, _, name = first.partition("=")
        entries = [_without(e, rest) if isinstance(e, dict) and str(e.get(key)) == name else e for e in value]
        return [entry for entry in entries if entry not in ({}, {key: name})]
    if not isinstance(value, dict) or first not in value:
        return value
    result = dict(value)
    inner = _without(result[first], rest) if rest else None
    if inner in (None, {}, []):
        del result[first]
    else:
        result[first] = inner
    return result
