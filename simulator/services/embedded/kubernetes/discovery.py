"""
Discovery: what a server says of itself: its version, its groups and kinds, and as much OpenAPI as kubectl asks for.

Source: Kubernetes API concepts; client-go's discovery client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.services.embedded.kubernetes.failures import unknown_path
from simulator.services.embedded.kubernetes.kinds import Kind, Kinds, Object

VERSION = "1.34.0"
"""Of Kubernetes whose API this is a part of."""
_METHODS = ("get", "post", "put", "patch", "delete")


def document(path: Sequence[str], kinds: Kinds) -> Object:
    """
    What stands at a *path* that holds no objects.

    Raises:
        ApiFailure: Nothing does.
    """
    match tuple(path):
        case ():
            return {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]}
        case ("version",):
            return _version()
        case ("api",):
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ("apis",):
            groups = [_group(group, kinds) for group in kinds.groups()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ("apis", group) if group in kinds.groups():
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, kinds)}
        case ("api", version):
            return _resources("", version, kinds)
        case ("apis", group, version):
            return _resources(group, version, kinds)
        case ("openapi", "v3"):
            places = {_place(kind) for kind in kinds}
            return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in sorted(places)}}
        case ("openapi", "v3", *place):
            return _open_api("/".join(place), kinds)
        case _:
            raise unknown_path()


def _version() -> Object:
    major, minor, _ = VERSION.split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{VERSION}",
        "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean",
        "buildDate": "2025-08-27T00:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": "none",
    }


def _group(group: str, kinds: Kinds) -> Object:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in kinds.versions(group)]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _resources(group: str, version: str, kinds: Kinds) -> Object:
    found = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    if not found:
        raise unknown_path()
    resources: list[Object] = []
    for kind in found:
        resources.append(kind.resource())
        if kind.has_status:
            status = {"name": f"{kind.plural}/status", "singularName": "", "namespaced": kind.namespaced}
            resources.append({**status, "kind": kind.kind, "verbs": ["get", "patch", "update"]})
    api_version = found[0].api_version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources}


def _place(kind: Kind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def _open_api(place: str, kinds: Kinds) -> Object:
    """
    Of one group and version: that its kinds are there, and that the server validates fields, so that no client has to.
    """
    found = [kind for kind in kinds if _place(kind) == place]
    if not found:
        raise unknown_path()
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for kind in found:
        within = f"/{place}/namespaces/{{namespace}}" if kind.namespaced else f"/{place}"
        paths[f"{within}/{kind.plural}"] = {"post": _operation(kind, "post")}
        paths[f"{within}/{kind.plural}/{{name}}"] = {
            method: _operation(kind, method) for method in _METHODS if method != "post"
        }
        schemas[f"{kind.group or 'core'}.{kind.version}.{kind.kind}"] = {
            **(kind.schema or {"type": "object"}),
            "x-kubernetes-group-version-kind": [_gvk(kind)],
        }
    info = {"title": "Kubernetes", "version": f"v{VERSION}"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _gvk(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _operation(kind: Kind, method: str) -> Object:
    names = ("dryRun", "fieldManager", "fieldValidation") if method in ("post", "put", "patch") else ()
    return {
        "operationId": f"{method}{kind.kind}",
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": method,
        "x-kubernetes-group-version-kind": _gvk(kind),
    }
