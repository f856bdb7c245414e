"""
Cluster objects: what a gateway is made of in a Kubernetes cluster: Gateway, its definition, ConfigMap, Secrets; pure.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from simulator.scenario_file.scenario import Gateway
from simulator.services.service import Stimulus

Object = dict[str, Any]

NAMESPACE = "default"
"""Of everything that a scenario's gateways have in a cluster."""
API_VERSION = "argoproj.io/v1alpha1"
_NO_PART_OF_THE_SPEC = frozenset({"name", "cluster", "configMap", "transformerConfigMap", "secrets"})
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gateways.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {"plural": "gateways", "kind": "Gateway", "singular": "gateway", "shortNames": ["gw"]},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {"type": "object", "properties": {"spec": _ANYTHING, "status": _ANYTHING}}
                },
                "additionalPrinterColumns": [
                    {"name": "Type", "type": "string", "jsonPath": ".spec.type"},
                    {"name": "ConfigMap", "type": "string", "jsonPath": ".spec.configMap"},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
            }
        ],
    },
}
"""The CustomResourceDefinition of Gateways, as docs/cluster.md shows it."""


def config_map_name(gateway: str, *, transformer: bool = False) -> str:
    """
    The name of the ConfigMap with the configurations of *gateway*, or of the one that its transformer's port reads.
    """
    return f"{gateway}-gateway-transformer-configmap" if transformer else f"{gateway}-configmap"


def prepared(service: str, setup: dict[str, Any], gateways: Iterable[Gateway]) -> dict[str, Any]:
    """
    The own keys of a *service* with everything that those of *gateways* have there that are in it.
    """
    objects = [each for gateway in gateways if gateway.cluster == service for each in _objects_of(gateway)]
    return {**setup, "objects": [DEFINITION, *objects, *setup.get("objects", ())]} if objects else setup


def changed_config_map(name: str, data: Mapping[str, str] | None) -> Stimulus:
    """
    What has the ConfigMap called *name* hold *data*; None deletes it.
    """
    if data is None:
        coordinates = (("apiVersion", "v1"), ("kind", "ConfigMap"), ("namespace", NAMESPACE), ("name", name))
        return Stimulus(coordinates, b"", verb="delete")
    return Stimulus((), json.dumps(_config_map(name, data)).encode(), verb="apply")


def config_maps_in(manifests: Any) -> dict[str, dict[str, str]]:
    """
    The data of each ConfigMap among *manifests* (plain data) that is in the gateways' namespace, by name.
    """
    found: dict[str, dict[str, str]] = {}
    for each in manifests if isinstance(manifests, list) else [manifests]:
        metadata = each.get("metadata") if isinstance(each, dict) and each.get("kind") == "ConfigMap" else None
        if isinstance(metadata, dict) and (metadata.get("namespace") or NAMESPACE) == NAMESPACE:
            data = each.get("data")
            texts = data.items() if isinstance(data, dict) else ()
            found[str(metadata.get("name"))] = {str(key): text for key, text in texts if isinstance(text, str)}
    return found


def _objects_of(gateway: Gateway) -> list[Object]:
    given = gateway.model_dump(mode="json", by_alias=True, exclude_none=True)
    spec = {key: value for key, value in given.items() if key not in _NO_PART_OF_THE_SPEC}
    spec["configMap"] = config_map_name(gateway.name)
    objects = [_object(API_VERSION, "Gateway", gateway.name, {"spec": spec})]
    for data, transformer in ((gateway.config_map, False), (gateway.transformer_config_map, True)):
        if data is not None:
            objects.append(_config_map(config_map_name(gateway.name, transformer=transformer), data))
    for name, values in gateway.secrets.items():
        encoded = {key: b64encode(value.encode()).decode() for key, value in values.items()}
        objects.append(_object("v1", "Secret", name, {"data": encoded}))
    return objects


def _config_map(name: str, data: Mapping[str, str]) -> Object:
    return _object("v1", "ConfigMap", name, {"data": dict(data)})


def _object(api_version: str, kind: str, name: str, rest: Object) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **rest}
