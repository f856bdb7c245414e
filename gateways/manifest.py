"""
Manifest: Kubernetes objects in YAML text, each with the place of all its parts; and the data of a ConfigMap.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateways.yaml_nodes import Node, Place, documents, kind_of


class ManifestProblem(NamedTuple):
    """
    Something wrong in a manifest, and where.
    """

    place: Place
    problem: str

    def __str__(self) -> str:
        return f"{self.place.in_file}: {self.problem}"


class ManifestObject(NamedTuple):
    """
    One object of a manifest.
    """

    node: Node
    """A mapping."""

    @property
    def kind(self) -> str:
        """Its `kind`; empty where it has none."""
        return self._text("kind")

    @property
    def api_version(self) -> str:
        """Its `apiVersion`; empty where it has none."""
        return self._text("apiVersion")

    @property
    def name(self) -> str:
        """Its `metadata.name`; empty where it has none."""
        return self._text("name", within="metadata")

    @property
    def namespace(self) -> str:
        """Its `metadata.namespace`; empty where it has none."""
        return self._text("namespace", within="metadata")

    def _text(self, key: str, *, within: str = "") -> str:
        holder = self.node.value.get(within) if within else self.node
        value = holder.value.get(key) if holder is not None and isinstance(holder.value, dict) else None
        return value.value if value is not None and isinstance(value.value, str) else ""


def objects_in(text: str) -> Iterator[ManifestObject]:
    """
    The objects in *text*: one a document, or the items of a List. What is no mapping is passed over.

    Raises:
        YamlProblem: A document is not YAML.
    """
    for document in documents(text):
        if not isinstance(document.value, dict):
            continue
        found = ManifestObject(document)
        items = document.value.get("items")
        if found.kind == "List" and items is not None and isinstance(items.value, list):
            yield from (ManifestObject(item) for item in items.value if isinstance(item.value, dict))
        else:
            yield found


def config_map_data(config_map: ManifestObject) -> tuple[dict[str, str], list[ManifestProblem]]:
    """
    The `data` of *config_map*, empty where it has none, and what is wrong with it. `binaryData` is passed over.
    """
    node = config_map.node.value.get("data")
    if node is None or node.value is None:
        return {}, []
    if not isinstance(node.value, dict):
        return {}, [ManifestProblem(node.place, f"`data` must be a mapping of names to texts, not {kind_of(node)}")]
    data = {key: value.value for key, value in node.value.items() if isinstance(value.value, str)}
    problems = [
        ManifestProblem(value.place, f"`data.{key}` must be text, not {kind_of(value)}: {_how_to_write(key, value)}")
        for key, value in node.value.items()
        if key not in data
    ]
    return data, problems


def _how_to_write(key: str, value: Node) -> str:
    if isinstance(value.value, dict | list):
        return f"write `{key}: |-` and indent the lines below it"
    return f'quote it, `{key}: "{value.raw}"`'
