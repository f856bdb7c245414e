"""
Manifests: the gateways of a scenario as Gateway and ConfigMap manifests, the very files from a cluster.

Read as kubectl reads them: many documents, merge keys, tags passed over. Other kinds of objects are passed over.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import yaml
from yaml.events import DocumentStartEvent, MappingEndEvent

from simulator.errors import ScenarioError, ScenarioProblem
from simulator.scenario_file.problem_list import Problems
from simulator.scenario_file.source_text import SourceText, decode, read_bytes
from simulator.scenario_file.templates import text_of
from simulator.scenario_file.yaml_source import Builder, Path, Tree, close_to
from simulator.scenario_file.yaml_words import syntax_problem


class ManifestObject(NamedTuple):
    """
    One object of a manifest.
    """

    value: dict[str, Any]
    tree: Tree

    @property
    def name(self) -> str:
        """
        Its `metadata.name`; empty where it has none.
        """
        return self._about("name")

    @property
    def namespace(self) -> str:
        """
        Its `metadata.namespace`, or the one that stands for none.
        """
        return self._about("namespace") or _DEFAULT_NAMESPACE

    def _about(self, key: str) -> str:
        metadata = self.value.get("metadata")
        found = metadata.get(key) if isinstance(metadata, dict) else None
        return found if isinstance(found, str) else ""


_DEFAULT_NAMESPACE = "default"


def gateways_in(files: list[FilePath]) -> tuple[list[ManifestObject], list[ScenarioProblem]]:
    """
    The gateways of *files*, in their order, each as a scenario's `gateways` entry, and what is wrong.

    A Gateway's `configMap` names a ConfigMap of these files; its data takes the name's place. The Secrets of its
    namespace go with it.
    """
    problems = Problems()
    objects = [found for file in files for found in _objects(file, problems)]
    config_maps = {found.name: found for found in objects if found.value.get("kind") == "ConfigMap"}
    gateways = [_as_entry(found, config_maps, problems) for found in objects if _is_gateway(found)]
    secrets = [found for found in objects if found.value.get("kind") == "Secret"]
    for entry, gateway in zip(gateways, filter(_is_gateway, objects), strict=True):
        if own := {each.name: _secret_data(each) for each in secrets if each.namespace == gateway.namespace}:
            entry.value["secrets"] = own
    return gateways, list(problems)


def config_maps_in(files: list[FilePath]) -> tuple[list[ManifestObject], list[ScenarioProblem]]:
    """
    The ConfigMaps of *files*, in their order, and what is wrong.
    """
    problems = Problems()
    objects = [found for file in files for found in _objects(file, problems)]
    return [found for found in objects if found.value.get("kind") == "ConfigMap"], list(problems)


def _objects(file: FilePath, problems: Problems) -> list[ManifestObject]:
    try:
        source = decode(str(file), read_bytes(file))
        return _parse(source, problems)
    except ScenarioError as error:
        problems.extend(error.problems)
        return []


class _KubernetesReader(Builder):
    """
    Reads what Kubernetes takes: many documents, merge keys, tags, and the last of two equal keys.
    """

    def documents(self) -> Iterator[tuple[Any, Tree]]:
        """
        Each document.
        """
        for event in self.events:
            if type(event) is DocumentStartEvent:
                self.anchors.clear()
                yield self.node(next(self.events), (), 0)

    def refuse_tag(self, event: Any, path: Path) -> None:
        """
        Tags are passed over.
        """

    def scalar(self, event: Any) -> tuple[Any, Tree]:
        """
        A scalar; `!!str` makes it text.
        """
        value, tree = super().scalar(event)
        return (event.value, tree) if event.tag == "tag:yaml.org,2002:str" else (value, tree)

    def mapping(self, event: Any, path: Path, depth: int) -> tuple[dict[str, Any], Tree]:
        """
        A mapping with its merge keys resolved.
        """
        tree = Tree(self.source, event.start_mark, event.end_mark, {}, {})
        values: dict[str, Any] = {}
        merged: list[tuple[Any, Tree]] = []
        for key_event in self.events:
            if type(key_event) is MappingEndEvent:
                break
            key = self.node(key_event, path, depth + 1)[0]
            value, spot = self.node(next(self.events), path, depth + 1)
            if key == "<<":
                merged.append((value, spot))
            elif not isinstance(key, dict | list):
                values[text_of(key)] = value
                _place(tree, text_of(key), spot, Tree(self.source, key_event.start_mark, key_event.end_mark))
        for value, spot in merged:
            _merge(values, tree, value, spot)
        return values, tree._replace(end=key_event.end_mark)


def _place(tree: Tree, key: str, part: Tree, spot: Tree) -> None:
    assert isinstance(tree.parts, dict)
    assert tree.keys is not None
    tree.parts[key], tree.keys[key] = part, spot


def _merge(values: dict[str, Any], tree: Tree, value: Any, spot: Tree) -> None:
    """
    Add to *values* what a merge key's *value* has beyond them: a mapping, or a list of mappings.
    """
    if isinstance(value, list):
        for number, each in enumerate(value):
            _merge(values, tree, each, spot.part(number) or spot)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in values:
                values[key] = inner
                _place(tree, key, spot.part(key) or spot, (spot.keys or {}).get(key, spot))


def _parse(source: SourceText, problems: Problems) -> list[ManifestObject]:
    reader = _KubernetesReader(source)
    found: list[ManifestObject] = []
    try:
        for value, tree in reader.documents():
            found += _listed(value, tree, problems)
    except yaml.YAMLError as error:
        raise ScenarioError([syntax_problem(source, error)]) from None
    problems.extend(reader.problems)
    return found


def _listed(value: Any, tree: Tree, problems: Problems) -> list[ManifestObject]:
    """
    The object, or the items of a List.
    """
    if value is None:
        return []
    if not isinstance(value, dict):
        problems.append(tree.value_problem((), "a manifest must be a mapping"))
        return []
    items = value.get("items")
    if value.get("kind") == "List" and isinstance(items, list):
        around = tree.part("items") or tree
        return [
            ManifestObject(each, around.part(n) or around) for n, each in enumerate(items) if isinstance(each, dict)
        ]
    return [ManifestObject(value, tree)]


def _is_gateway(found: ManifestObject) -> bool:
    """
    Whether it is a Gateway of ours; other API groups have a kind of that name too.
    """
    group = found.value.get("apiVersion", "argoproj.io/")
    return found.value.get("kind") == "Gateway" and str(group).startswith("argoproj.io/")


def _as_entry(gateway: ManifestObject, config_maps: dict[str, ManifestObject], problems: Problems) -> ManifestObject:
    spec = gateway.value.get("spec")
    if not gateway.name:
        problems.append(gateway.tree.key_problem(("metadata",), "this Gateway has no `metadata.name`"))
    if not isinstance(spec, dict):
        problems.append(gateway.tree.key_problem(("spec",), "this Gateway has no `spec`"))
        spec = {}
    spot = gateway.tree.part("spec") or gateway.tree
    parts = dict(spot.parts) if isinstance(spot.parts, dict) else {}
    entry = {"name": gateway.name, **{key: value for key, value in spec.items() if value is not None}}
    entry.pop("imageVersion", None)
    if "eventVersion" in entry:
        entry.setdefault("version", entry.pop("eventVersion"))
        entry.pop("eventVersion", None)
    wanted = entry.pop("configMap", None)
    if wanted is not None:
        found = config_maps.get(wanted) if isinstance(wanted, str) else None
        if found is None:
            close = close_to(str(wanted), list(config_maps))
            hint = f"did you mean `{close}`?" if close else "add its file to `manifests`"
            problem = f"no ConfigMap `{str(wanted)[:60]}` is there"
            problems.append(gateway.tree.value_problem(("spec", "configMap"), problem, hint))
        else:
            entry["configMap"], parts["configMap"] = _data_of(found)
    transformer = config_maps.get(f"{gateway.name}-gateway-transformer-configmap")
    if transformer is not None:
        entry["transformerConfigMap"], parts["transformerConfigMap"] = _data_of(transformer)
    return ManifestObject(entry, spot._replace(parts=parts))


def _secret_data(secret: ManifestObject) -> dict[str, str]:
    """
    A Secret's `data`, decoded, and over it its `stringData`; what is neither is passed over.
    """
    found: dict[str, str] = {}
    data, texts = secret.value.get("data"), secret.value.get("stringData")
    for key, value in (data if isinstance(data, dict) else {}).items():
        with suppress(ValueError):  # no base64, or no text
            found[key] = base64.b64decode("".join(str(value).split()), validate=True).decode()
    for key, value in (texts if isinstance(texts, dict) else {}).items():
        if isinstance(value, str):
            found[key] = value
    return found


def _data_of(config_map: ManifestObject) -> tuple[Any, Tree]:
    """
    A ConfigMap's data, and where it stands.
    """
    return config_map.value.get("data") or {}, config_map.tree.part("data") or config_map.tree
