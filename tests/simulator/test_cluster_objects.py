"""
What a scenario's gateways are made of in a cluster.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from simulator.cluster_objects import DEFINITION, changed_config_map, config_map_name, config_maps_in, prepared
from simulator.scenario_file.scenario import Gateway


def gateway(**given: Any) -> Gateway:
    whole = {"name": "shop", "type": "calendar", "watchers": {"sensors": [{"name": "audit"}]}, **given}
    return Gateway.model_validate(whole)


def made(**given: Any) -> dict[str, Any]:
    objects = prepared("kubernetes", {}, [gateway(cluster="kubernetes", **given)])["objects"]
    assert objects[0] is DEFINITION
    return {each["kind"]: each for each in objects[1:]}


def test_a_gateway_is_there_with_its_configmap_and_secrets() -> None:
    found = made(configMap={"tick": "interval: 10s"}, secrets={"minio": {"a": "hunter2"}}, gatesim={"order": "none"})
    watchers = {"sensors": [{"name": "audit"}]}
    assert found["Gateway"]["spec"] == {
        "type": "calendar", "version": "1.0", "dispatchMechanism": "HTTP", "configMap": "shop-configmap",
        "watchers": watchers, "gatesim": {"order": "none"},
    }  # fmt: skip
    assert found["ConfigMap"]["metadata"] == {"name": "shop-configmap", "namespace": "default"}
    assert found["ConfigMap"]["data"] == {"tick": "interval: 10s"}
    assert found["Secret"]["data"] == {"a": "aHVudGVyMg=="}


def test_without_configurations_there_is_no_configmap() -> None:
    assert made().keys() == {"Gateway"}
    assert made(transformerConfigMap={"EVENT_TYPE": "x"})["ConfigMap"]["metadata"]["name"] == config_map_name(
        "shop", transformer=True
    )


def test_a_service_that_no_gateway_is_in_stays_as_it_was() -> None:
    setup = {"objects": [{"kind": "Secret"}]}
    assert prepared("kubernetes", setup, [gateway(), gateway(cluster="another")]) is setup
    assert prepared("another", setup, [gateway(cluster="another")])["objects"][-1] == {"kind": "Secret"}


def test_a_change_is_an_apply_and_nothing_at_all_a_deletion() -> None:
    change = changed_config_map("shop-configmap", {"a": "1"})
    assert (change.verb, config_maps_in(json.loads(change.payload))) == ("apply", {"shop-configmap": {"a": "1"}})
    assert changed_config_map("shop-configmap", None).verb == "delete"


def test_of_manifests_only_configmaps_of_the_namespace_count() -> None:
    config_map = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1", "y": 2}}
    elsewhere = {**config_map, "metadata": {"name": "b", "namespace": "elsewhere"}}
    nothing = {"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}
    assert config_maps_in([config_map, elsewhere, nothing, {"kind": "Secret"}, None]) == {"a": {"x": "1"}, "c": {}}
    assert config_maps_in(config_map) == {"a": {"x": "1"}}


def test_the_definition_is_the_one_that_the_documentation_shows() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]
    shown = [each for block in blocks for each in yaml.safe_load_all(block) if isinstance(each, dict)]
    assert DEFINITION in shown
