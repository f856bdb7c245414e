"""
Admission: what a server makes of an object before it stores it: defaults of built-in kinds, and what it refuses.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from simulator.services.embedded.kubernetes.failures import ApiFailure, invalid
from simulator.services.embedded.kubernetes.kinds import CRDS, NAMESPACES, SECRETS, Kind, Object
from simulator.services.embedded.kubernetes.schemas import Problem, problems_in, settled

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PATH_SEGMENT = re.compile(r"(?!\.{1,2}$)[^/%]+")
_NAME_LENGTH_MAX = 253
_LABEL_VALUE_LENGTH_MAX = 63
_EVENT_LENGTHS_MAX = {"reason": 128, "action": 128, "reportingInstance": 128, "message": 1024}
"""In bytes; of Events with an `eventTime`."""
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_FREE_NAMES = frozenset({"roles", "rolebindings", "clusterroles", "clusterrolebindings"})
"""Kinds whose names only have to fit into a path."""
_REQUIRED = {
    "deployments": ("selector", "template"), "statefulsets": ("selector", "template"),
    "daemonsets": ("selector", "template"), "replicasets": ("selector",), "pods": ("containers",),
    "jobs": ("template",), "cronjobs": ("schedule", "jobTemplate"),
}  # fmt: skip


def admitted(kind: Kind, an_object: Object, *, strict: bool) -> Object:
    """
    *an_object*, which has its name by now, as it is to be stored.

    Args:
        strict: Fields that the kind does not know are refused instead of taken out.

    Raises:
        ApiFailure: It breaks rules; says every one.
    """
    if kind.is_custom:
        assert kind.schema is not None
        an_object, unknown = settled(an_object, kind.schema)
        if strict and unknown:
            named = ", ".join(f'unknown field "{field}"' for field in unknown)
            raise ApiFailure(400, f"strict decoding error: {named}")
    else:
        an_object = _with_defaults(kind, an_object)
    problems = list(_problems(kind, an_object))
    if problems:
        raise invalid(kind, an_object["metadata"]["name"], problems)
    return an_object


def _problems(kind: Kind, an_object: Object) -> Iterator[Problem]:
    metadata = an_object["metadata"]
    name = metadata["name"]
    pattern = _PATH_SEGMENT if kind.plural in _FREE_NAMES else _SUBDOMAIN
    if not pattern.fullmatch(name) or len(name) > _NAME_LENGTH_MAX:
        yield (
            "metadata.name",
            f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric '
            "characters, '-' or '.', and must start and end with an alphanumeric character",
        )
    yield from _metadata_problems(metadata)
    if kind.is_custom:
        yield from problems_in(an_object, kind.schema or {})
        return
    for field in _REQUIRED.get(kind.plural, ()):
        if not (an_object.get("spec") or {}).get(field):
            yield f"spec.{field}", "Required value"
    if kind.collection == CRDS:
        yield from _definition_problems(an_object)
    elif kind.plural == "events":
        yield from _event_problems(an_object)
    elif kind.plural in ("configmaps", "secrets"):
        for key, value in (an_object.get("data") or {}).items():
            if not isinstance(value, str):
                yield f"data[{key}]", f"Invalid value: {value!r}: must be a string"


def _metadata_problems(metadata: Object) -> Iterator[Problem]:
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            if not isinstance(value, str):
                yield f"metadata.{field}", f"Invalid value: {value!r}: the value of {key} must be a string"
            elif field == "labels" and len(value) > _LABEL_VALUE_LENGTH_MAX:
                yield f"metadata.{field}", f'Invalid value: "{value}": must be no more than 63 bytes'
            elif field == "labels" and not _LABEL_VALUE.fullmatch(value):
                yield f"metadata.{field}", f'Invalid value: "{value}": a valid label must be alphanumeric'


def _event_problems(event: Object) -> Iterator[Problem]:
    involved = event.get("involvedObject") or {}
    if (involved.get("namespace") or "default") != event["metadata"]["namespace"]:
        yield (
            "involvedObject.namespace",
            f'Invalid value: "{involved.get("namespace")}": does not match event.namespace',
        )
    if not event.get("eventTime"):
        return
    for field in ("reportingComponent", "reportingInstance", "action", "reason"):
        if not event.get(field):
            yield field, "Required value"
    for field, length_max in _EVENT_LENGTHS_MAX.items():
        if len(str(event.get(field) or "").encode()) > length_max:
            yield field, f"Invalid value: can have at most {length_max} bytes"


def _definition_problems(definition: Object) -> Iterator[Problem]:
    spec = definition.get("spec") or {}
    names, versions = spec.get("names") or {}, spec.get("versions") or []
    for field, value in (
        ("group", spec.get("group")),
        ("names.plural", names.get("plural")),
        ("names.kind", names.get("kind")),
        ("versions", versions),
    ):
        if not value:
            yield f"spec.{field}", "Required value"
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        yield "spec.scope", f'Unsupported value: "{spec.get("scope")}": supported values: "Cluster", "Namespaced"'
    expected = f"{names.get('plural')}.{spec.get('group')}"
    if definition["metadata"]["name"] != expected:
        yield "metadata.name", f'Invalid value: must be spec.names.plural+"."+spec.group: {expected}'
    for n, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            yield f"spec.versions[{n}].schema.openAPIV3Schema", "Required value: schemas are required"
    if versions and sum(bool(version.get("storage")) for version in versions) != 1:
        yield "spec.versions", "Invalid value: must have exactly one version marked as storage version"


def _with_defaults(kind: Kind, an_object: Object) -> Object:
    if kind.collection == SECRETS:
        return _secret(an_object)
    if kind.collection == NAMESPACES:
        return {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}, **an_object}
    if kind.collection == CRDS:
        return _definition(an_object)
    spec: Any = an_object.get("spec")
    if not isinstance(spec, dict):
        return an_object
    match kind.plural:
        case "pods":
            defaults = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst"}
            return {"status": {"phase": "Pending"}, **an_object, "spec": {**defaults, **spec}}
        case "services":
            return {**an_object, "spec": {"type": "ClusterIP", "sessionAffinity": "None", **spec}}
        case "deployments" | "statefulsets" | "replicasets":
            return {**an_object, "spec": {"replicas": 1, **spec}}
        case "jobs":
            return {**an_object, "spec": {"parallelism": 1, "completions": 1, "backoffLimit": 6, **spec}}
        case _:
            return an_object


def _secret(secret: Object) -> Object:
    secret = {"type": "Opaque", **secret}
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}
    return secret


def _definition(definition: Object) -> Object:
    """
    A CustomResourceDefinition that is established at once, and says so.
    """
    spec = definition.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("names"), dict):
        return definition
    names = {"singular": str(spec["names"].get("kind", "")).lower(), **spec["names"]}
    names.setdefault("listKind", f"{names.get('kind', '')}List")
    conditions = [
        {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"},
        {"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "accepted"},
    ]
    stored = [version["name"] for version in spec.get("versions") or () if version.get("storage")]
    status = {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}
    return {**definition, "spec": {"conversion": {"strategy": "None"}, **spec, "names": names}, "status": status}
