"""
ResourceCluster: the cluster that a resource configuration watches: which kinds it has, and objects of one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from gateways.cluster import ApiServer, Listing, Watch, connect
from gateways.errors import SourceUnavailable
from gateways.processor import Context
from gateways.processors.resource_objects import Object
from gateways.processors.resource_options import ResourceOptions


class ResourceKind(NamedTuple):
    """
    A kind as a cluster has it.
    """

    path: str
    """Of all its objects: `/apis/apps/v1/namespaces/default/deployments`."""
    plural: str
    api_version: str
    kind: str
    namespaced: bool


class ResourceCluster:
    """
    One cluster.

    Args:
        server: Its API server, which this closes.
    """

    def __init__(self, server: ApiServer) -> None:
        self.peer = server.peer
        self._server = server

    @classmethod
    async def connect(cls, context: Context) -> ResourceCluster:
        """
        The cluster that the gateway is of.

        Raises:
            ConfigurationError: How it is reached is written wrongly, or nowhere.
        """
        cluster = context.addresses.cluster()
        return cls(await connect(cluster, clock=context.clock, limit_s=context.limits.connect_s))

    async def find(self, options: ResourceOptions) -> ResourceKind:
        """
        The kind that *options* name.

        Raises:
            SourceUnavailable: The cluster does not know it, or not now; says what it does know.

        Source: G-RES-2, G-RES-3.
        """
        wanted = [options.api_version]
        if not options.group and options.version != "v1":
            wanted = await self._groups_with(options.version)
        found = [kind for each in wanted for kind in await self._kinds_of(each, options)]
        if len(found) > 1:
            named = ", ".join(kind.api_version for kind in found)
            raise SourceUnavailable(f"kind {options.kind} is in several groups; `group` must say which: {named}")
        if found:
            return found[0]
        where = options.group or "the core group"
        raise SourceUnavailable(f"the cluster knows no kind {options.kind} in {where}, version {options.version}")

    async def everything(self, kind: ResourceKind, labels: Mapping[str, str] | None) -> Listing:
        """
        Every object, page by page.

        Raises:
            SourceUnavailable: They cannot be had now.
            Expired: It took too long.
        """
        listing = await self._server.list(kind.path, _selecting(labels))
        own = {"apiVersion": kind.api_version, "kind": kind.kind}
        return listing._replace(objects=[{**own, **item} for item in listing.objects])

    async def version(self, kind: ResourceKind) -> int:
        """
        The version at which the cluster is.

        Raises:
            SourceUnavailable: It does not say.
        """
        return await self._server.version(kind.path)

    async def is_there(self, kind: ResourceKind, an_object: Object) -> bool:
        """
        Whether that very object still exists.

        Raises:
            SourceUnavailable: It cannot be told now.
        """
        metadata = an_object["metadata"]
        path = kind.path
        if kind.namespaced and "/namespaces/" not in path:
            head, _, plural = path.rpartition("/")
            path = f"{head}/namespaces/{quote(metadata['namespace'])}/{plural}"
        found = await self._server.get(f"{path}/{quote(metadata['name'])}") or {}
        return bool((found.get("metadata") or {}).get("uid") == metadata["uid"])

    async def watch(self, kind: ResourceKind, labels: Mapping[str, str] | None, version: str) -> Watch:
        """
        Watch what happens after *version*.

        Raises:
            SourceUnavailable: It cannot be had now.
            Expired: That is too long ago.
        """
        return await self._server.watch(kind.path, _selecting(labels), version)

    async def close(self) -> None:
        """
        Drop every connection.
        """
        await self._server.close()

    async def _groups_with(self, version: str) -> list[str]:
        groups = (await self._server.get("/apis") or {}).get("groups") or ()
        versions = (each for group in groups for each in group.get("versions") or ())
        return [each["groupVersion"] for each in versions if each.get("version") == version]

    async def _kinds_of(self, api_version: str, options: ResourceOptions) -> list[ResourceKind]:
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        resources = (await self._server.get(root) or {}).get("resources") or ()
        found: list[ResourceKind] = []
        for each in resources:
            if each.get("kind") == options.kind and "watch" in (each.get("verbs") or ()) and "/" not in each["name"]:
                within = f"/namespaces/{options.namespace}" if each.get("namespaced") and options.namespace else ""
                path = f"{root}{within}/{each['name']}"
                found.append(ResourceKind(path, each["name"], api_version, options.kind, bool(each.get("namespaced"))))
        return found


def _selecting(labels: Mapping[str, str] | None) -> list[tuple[str, Any]]:
    pairs = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
    return [("labelSelector", pairs)] if pairs else []
