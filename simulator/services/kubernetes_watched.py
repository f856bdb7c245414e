"""
What a resource configuration watches, as the service reads it from the text, without any code of the gateway.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import yaml


class Watched(NamedTuple):
    """
    The objects that one configuration watches.
    """

    group: str
    version: str
    kind: str
    namespace: str
    """Empty for all."""

    @classmethod
    def of(cls, text: str) -> Self | None:
        """
        What *text* watches; None where it is no such configuration.
        """
        try:
            value = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError:
            return None
        if not isinstance(value, dict):
            return None
        found = {str(key).lower(): inner for key, inner in value.items()}
        group, version, kind, namespace = (found.get(name) for name in ("group", "version", "kind", "namespace"))
        if not isinstance(version, str) or not isinstance(kind, str):
            return None
        return cls(_text(group), version, kind, _text(namespace))

    def is_of(self, api_version: str, kind: str) -> bool:
        """
        Whether it is that kind. A configuration may leave the group out, and then means any.
        """
        group, _, version = api_version.rpartition("/")
        return (version, kind) == (self.version, self.kind) and self.group in (group, "")

    def covers(self, manifest: dict[str, Any]) -> bool:
        """
        Whether the object that *manifest* describes is watched, filters aside.
        """
        metadata = manifest.get("metadata")
        namespace = (metadata.get("namespace") if isinstance(metadata, dict) else None) or "default"
        is_watched = self.is_of(str(manifest.get("apiVersion")), str(manifest.get("kind")))
        return is_watched and self.namespace in ("", namespace)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
