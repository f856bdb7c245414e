"""
ResourceOptions: the text of a resource configuration, read and checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateways.errors import ConfigurationError
from gateways.options import OptionReader

OPERATIONS = {"ADDED": "added", "MODIFIED": "modified", "DELETED": "deleted"}
"""What can happen to an object, as Kubernetes spells it and as events do."""
_NAMES = {
    "group": re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"),
    "version": re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"),
    "namespace": re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"),
    "kind": re.compile(r"[A-Za-z][A-Za-z0-9]*"),
}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ResourceFilter:
    """
    Which objects make events. What is None or empty lets everything through.
    """

    prefix: str = ""
    labels: dict[str, str] | None = None
    """An empty mapping still wants an object that has labels at all."""
    annotations: dict[str, str] | None = None
    created_by: datetime | None = None
    fields: dict[str, str] = field(default_factory=dict)
    """Dotted paths to the text of what stands there."""


@dataclass(frozen=True, slots=True)
class ResourceOptions:
    """
    What one configuration asks for.
    """

    group: str
    """Empty: the core group, or whichever group has that version and kind."""
    version: str
    kind: str
    namespace: str
    """Empty: all of them."""
    filter: ResourceFilter = ResourceFilter()
    operations: frozenset[str] = frozenset(OPERATIONS.values())

    @property
    def api_version(self) -> str:
        """
        As objects spell it.
        """
        return f"{self.group}/{self.version}" if self.group else self.version

    @classmethod
    def parse(cls, text: str) -> ResourceOptions:
        """
        Read *text*.

        Raises:
            ConfigurationError: What is wrong with it and what would be right.

        Source: R-RES-4 to R-RES-8, G-RES-3.
        """
        reader = OptionReader.from_text(text)
        for name in ("version", "kind"):
            if not reader.text(name):
                raise ConfigurationError(f"resource {name} must be specified")
        named = {name: _name(reader, name) for name in _NAMES}
        return cls(**named, filter=_filter(reader.mapping("filter")), operations=_operations(reader))


def _name(reader: OptionReader, name: str) -> str:
    value = reader.text(name)
    if value and not _NAMES[name].fullmatch(value):
        hints = {"group": "apps", "version": "v1", "namespace": "argo-events", "kind": "ConfigMap"}
        raise ConfigurationError(f"{name} {value[:60]!r} is none; write a name such as {hints[name]}")
    return value


def _filter(reader: OptionReader | None) -> ResourceFilter:
    if reader is None:
        return ResourceFilter()
    return ResourceFilter(
        prefix=reader.text("prefix"),
        labels=reader.text_map("labels"),
        annotations=reader.text_map("annotations"),
        created_by=_instant(reader),
        fields=reader.text_map("fields") or {},
    )


def _instant(reader: OptionReader) -> datetime | None:
    text = reader.text("createdBy")
    if not text:
        return None
    wrong = ConfigurationError(f"filter.createdBy {text[:40]!r} is no instant; write it as 2018-10-07T12:00:00Z")
    if not _INSTANT.fullmatch(text):
        raise wrong
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except ValueError:
        raise wrong from None


def _operations(reader: OptionReader) -> frozenset[str]:
    if reader.has("type") and reader.has("types"):
        raise ConfigurationError("type and types exclude each other; leave one of them out")
    given = reader.texts("types") if reader.has("types") else [reader.text("type")] if reader.text("type") else []
    if not given:
        return frozenset(OPERATIONS.values())
    for each in given:
        if each not in OPERATIONS:
            raise ConfigurationError(f"type {each[:40]!r} is none of {', '.join(OPERATIONS)}")
    return frozenset(OPERATIONS[each] for each in given)
