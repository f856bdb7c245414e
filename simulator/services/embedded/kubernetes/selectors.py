"""
Selectors: label and field selectors, from the text of a request to a test of objects.

Source: Kubernetes documentation, "Labels and Selectors" and "Field Selectors".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from simulator.services.embedded.kubernetes.failures import ApiFailure
from simulator.services.embedded.kubernetes.kinds import Kind, Object

Matches = Callable[[Object], bool]

_TERM = re.compile(r"[^,(]+(?:\([^)]*\))?")
_SET = re.compile(r"^([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)$")
_COMPARED = re.compile(r"^([^!=\s]+)\s*(==|!=|=)\s*(.*)$")
_ALWAYS = frozenset({"metadata.name", "metadata.namespace"})
_OWN = {
    "pods": {"spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"},
    "events": {
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
        "reason", "reportingComponent", "source", "type",
    },
    "secrets": {"type"},
    "namespaces": {"status.phase"},
    "jobs": {"status.successful"},
    "nodes": {"spec.unschedulable"},
}  # fmt: skip
"""Fields that a server takes in selectors, beside name and namespace."""


def selection(kind: Kind, labels: str, fields: str) -> Matches:
    """
    The test that two selectors make together; empty ones take everything.

    Raises:
        ApiFailure: One of them cannot be read.
    """
    by_labels, by_fields = label_selector(labels), field_selector(kind, fields)
    return lambda an_object: by_labels(an_object) and by_fields(an_object)


def label_selector(text: str) -> Matches:
    """
    Equality, sets and existence: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    """
    terms = [_label_term(term.strip()) for term in _TERM.findall(text) if term.strip()]

    def matches(an_object: Object) -> bool:
        labels = an_object["metadata"].get("labels") or {}
        return all(term(labels) for term in terms)

    return matches


def _label_term(term: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(term):
        key, operator, listed = found.groups()
        values = {value.strip() for value in listed.split(",")}
        return lambda labels: (labels.get(key) in values) == (operator == "in")
    if found := _COMPARED.match(term):
        key, operator, value = found.groups()
        return lambda labels: (labels.get(key) == value.strip()) == (operator != "!=")
    key = term.removeprefix("!").strip()
    if not re.fullmatch(r"[\w./-]+", key):
        raise ApiFailure(400, f"unable to parse requirement: found {term!r}, expected: '=', '!=', '==', 'in', notin'")
    return lambda labels: (key in labels) != term.startswith("!")


def field_selector(kind: Kind, text: str) -> Matches:
    """
    Equality of the few fields that a server keeps an index of.
    """
    known = _ALWAYS | _OWN.get(kind.plural, set())
    terms: list[tuple[str, bool, str]] = []
    for term in filter(None, (part.strip() for part in text.split(","))):
        found = _COMPARED.match(term)
        if found is None:
            raise ApiFailure(400, f"invalid selector: {text!r}; can't understand {term!r}")
        path, operator, value = found.groups()
        if path not in known:
            raise ApiFailure(400, f"field label not supported: {path}")
        terms.append((path, operator != "!=", value))
    return lambda an_object: all((value_at(an_object, path) == value) == equal for path, equal, value in terms)


def value_at(an_object: Object, path: str) -> str:
    """
    The text of the value at a dotted *path*; empty where there is none.
    """
    value: Any = an_object
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)
