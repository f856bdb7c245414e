"""
Tables: objects as rows of text, as `kubectl get` asks for them; and objects reduced to their metadata.

Source: Kubernetes API concepts, "Receiving resources as Tables".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from simulator.services.embedded.kubernetes.kinds import Kind, Object

META = "meta.k8s.io/v1"


class Column(NamedTuple):
    """
    One column: its name, and what it says of an object.
    """

    name: str
    cell: Callable[[Object], Any]
    type: str = "string"
    priority: int = 0


def table(kind: Kind, objects: Sequence[Object], metadata: Object, now: datetime, include: str) -> Object:
    """
    A Table of *objects*.

    Args:
        metadata: Of the list.
        include: What goes along with each row: `Metadata`, `Object` or `None`.
    """
    columns = columns_of(kind, now)
    return {
        "kind": "Table",
        "apiVersion": META,
        "metadata": metadata,
        "columnDefinitions": [
            {
                "name": column.name,
                "type": column.type,
                "format": "name" if column.name == "Name" else "",
                "description": "",
                "priority": column.priority,
            }
            for column in columns
        ],
        "rows": [{"cells": [column.cell(each) for column in columns]} | _included(each, include) for each in objects],
    }


def only_metadata(an_object: Object) -> Object:
    """
    A PartialObjectMetadata.
    """
    return {"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": an_object["metadata"]}


def _included(an_object: Object, include: str) -> Object:
    if include == "None":
        return {}
    return {"object": an_object if include == "Object" else only_metadata(an_object)}


def columns_of(kind: Kind, now: datetime) -> list[Column]:
    """
    The columns of *kind*; ages are counted to *now*.
    """

    def age(an_object: Object) -> str:
        return _age(an_object["metadata"].get("creationTimestamp"), now)

    name = Column("Name", lambda o: o["metadata"]["name"])
    if kind.plural == "events" and not kind.is_custom:
        return [Column("Last Seen", lambda o: _age(o.get("lastTimestamp") or o.get("eventTime"), now)), *_EVENT]
    if kind.columns:
        return [name, *(_custom(column, now) for column in kind.columns)]
    return [name, *_COLUMNS.get(kind.plural, ()), Column("Age", age)]


def _age(written: Any, now: datetime) -> str:
    if not isinstance(written, str):
        return "<unknown>"
    seconds = int((now - datetime.fromisoformat(written)).total_seconds())
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _custom(column: Any, now: datetime) -> Column:
    path = column["jsonPath"]

    def cell(an_object: Object) -> Any:
        value = _at(an_object, path)
        return _age(value, now) if column.get("type") == "date" else value

    return Column(column["name"], cell, column.get("type", "string"), column.get("priority", 0))


_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]|\['([^']+)'\]|\[\?\(@\.(\w+)==['\"]([^'\"]*)['\"]\)\]")


def _at(value: Any, path: str) -> Any:
    """
    The value at a JSON path; None where there is none.
    """
    for name, number, quoted, field, wanted in _STEP.findall(path):
        if number:
            value = value[int(number)] if isinstance(value, list) and int(number) < len(value) else None
        elif field:
            entries = value if isinstance(value, list) else []
            value = next((entry for entry in entries if str(entry.get(field)) == wanted), None)
        else:
            value = value.get(name or quoted) if isinstance(value, dict) else None
    return value


def _of(*path: str, default: Any = "<none>") -> Callable[[Object], Any]:
    def cell(an_object: Object) -> Any:
        value: Any = an_object
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return default if value is None else value

    return cell


def _ready_containers(pod: Object) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return f"{sum(bool(s.get('ready')) for s in statuses)}/{len((pod.get('spec') or {}).get('containers') or ())}"


def _restarts(pod: Object) -> int:
    return sum(s.get("restartCount", 0) for s in (pod.get("status") or {}).get("containerStatuses") or ())


def _ready_replicas(an_object: Object) -> str:
    status, spec = an_object.get("status") or {}, an_object.get("spec") or {}
    return f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}"


def _ports(service: Object) -> str:
    ports = (service.get("spec") or {}).get("ports") or []
    return ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>"


_EVENT = [
    Column("Type", _of("type", default="")),
    Column("Reason", _of("reason", default="")),
    Column("Object", lambda o: f"{_of('involvedObject', 'kind')(o)}/{_of('involvedObject', 'name')(o)}".lower()),
    Column("Message", _of("message", default="")),
]
_COLUMNS: dict[str, tuple[Column, ...]] = {
    "pods": (
        Column("Ready", _ready_containers),
        Column("Status", _of("status", "phase", default="Pending")),
        Column("Restarts", _restarts, "integer"),
    ),
    "deployments": (
        Column("Ready", _ready_replicas),
        Column("Up-to-date", _of("status", "updatedReplicas", default=0), "integer"),
        Column("Available", _of("status", "availableReplicas", default=0), "integer"),
    ),
    "statefulsets": (Column("Ready", _ready_replicas),),
    "replicasets": (
        Column("Desired", _of("spec", "replicas", default=0), "integer"),
        Column("Current", _of("status", "replicas", default=0), "integer"),
        Column("Ready", _of("status", "readyReplicas", default=0), "integer"),
    ),
    "jobs": (Column("Completions", lambda o: f"{_of('status', 'succeeded', default=0)(o)}/1"),),
    "services": (
        Column("Type", _of("spec", "type")),
        Column("Cluster-IP", _of("spec", "clusterIP")),
        Column("External-IP", lambda _: "<none>"),
        Column("Port(s)", _ports),
    ),
    "namespaces": (Column("Status", _of("status", "phase")),),
    "configmaps": (Column("Data", lambda o: len(o.get("data") or {}), "integer"),),
    "secrets": (
        Column("Type", _of("type")),
        Column("Data", lambda o: len(o.get("data") or {}), "integer"),
    ),
    "customresourcedefinitions": (Column("Created At", _of("metadata", "creationTimestamp")),),
}
