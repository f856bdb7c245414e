"""
InCluster: what a gateway has of the cluster around it: its Gateway object, ConfigMap and Secrets, and its status there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import quote

from gateways.chance import Chance
from gateways.clock import Clock, end
from gateways.cluster import ApiServer, Object
from gateways.cluster_events import API_VERSION
from gateways.cluster_source import ClusterSource
from gateways.cluster_status import StatusWriter
from gateways.errors import ManifestError
from gateways.gateway import Gateway
from gateways.gateway_spec import GatewaySpec, gateway_from_mapping
from gateways.limits import Retry
from gateways.secrets import ClusterSecrets
from gateways.suggestion import did_you_mean


class InCluster:
    """
    One gateway's side of its cluster.

    Args:
        server: The API server, which this closes.
        spec: The gateway.
        clock: Time.
        chance: Spreads waits.
        learned: Told each secret value that is read.
    """

    def __init__(
        self,
        server: ApiServer,
        spec: GatewaySpec,
        *,
        clock: Clock,
        chance: Chance,
        learned: Callable[[str], None] | None = None,
    ) -> None:
        self._server = server
        self._spec = spec
        self._clock = clock
        self._chance = chance
        self.source = self._source_of(spec.config_map)
        self.transformer_source: ClusterSource | None = None
        if spec.transformer_port is not None:
            self.transformer_source = self._source_of(spec.transformer_config_map)
        self.secrets = ClusterSecrets(server, spec.namespace, learned=learned)
        self._writer: StatusWriter | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def keep_status_of(self, gateway: Gateway) -> None:
        """
        Write the status of *gateway* from now on. It has not run yet.
        """
        spec = self._spec
        writer = self._writer = StatusWriter(
            self._server,
            spec.name,
            spec.namespace,
            gateway.status,
            clock=self._clock,
            retry=spec.retry,
            chance=self._chance,
        )
        for work, name in ((writer.run(), "writes"), (self._write_first(gateway, writer), "writes first")):
            task = asyncio.create_task(work, name=f"{name} the status of {spec.name}")
            self._clock.awake(task)
            self._tasks.append(task)

    def stopping(self) -> None:
        """
        The gateway is about to stop: its status stays as it is.
        """
        if self._writer is not None:
            self._writer.end()

    async def caught_up(self) -> None:
        """
        Return once the gateway has what the API server has and the other way round, as far as that can be now.

        Raises:
            SourceUnavailable: The server does not say how far it is.
            TimeoutError: It does not tell what it has.
        """
        for source in (self.source, self.transformer_source):
            if source is not None:
                await source.caught_up()

    async def written(self) -> None:
        """
        Return once the status is written, or cannot be now.
        """
        if self._writer is not None:
            await self._writer.quiet()

    async def close(self) -> None:
        """
        Write what is left, as far as that can be now, and drop every connection.
        """
        await self.written()
        await self.abort()

    async def abort(self) -> None:
        """
        Drop every connection at once.
        """
        for task in self._tasks:
            await end(self._clock, task)
        await self._server.close()

    async def _write_first(self, gateway: Gateway, writer: StatusWriter) -> None:
        """
        Entries of a process before this one go, also where there is none to take their place.
        """
        await gateway.started()
        writer.write()

    def _source_of(self, config_map: str) -> ClusterSource:
        spec = self._spec
        return ClusterSource(
            self._server, spec.namespace, config_map, clock=self._clock, retry=spec.retry, chance=self._chance
        )


async def read_spec_of(server: ApiServer, name: str, namespace: str) -> GatewaySpec:
    """
    The Gateway object called *name*; without a name the only one there.

    Raises:
        ManifestError: There is none, or several, or what it says is wrong.
        SourceUnavailable: It cannot be read.
    """
    path = f"/apis/{API_VERSION}/namespaces/{quote(namespace)}/gateways"
    found = await server.get(f"{path}/{quote(name)}") if name else None
    if found is None:
        found = await _only_one(server, path, name, namespace)
    name = str(found["metadata"]["name"])
    spec = found.get("spec")
    try:
        mapping = {**(spec if isinstance(spec, dict) else {}), "name": name, "namespace": namespace}
        return gateway_from_mapping(mapping, jitter=Retry().jitter)
    except ManifestError as error:
        where = f"Gateway {name} in namespace {namespace}"
        raise ManifestError([f"{where}: {problem}" for problem in error.problems]) from error


async def _only_one(server: ApiServer, path: str, name: str, namespace: str) -> Object:
    there = await server.get(path)
    if there is None:
        raise ManifestError([f"{server.peer}: the cluster knows no Gateways: apply their CustomResourceDefinition"])
    items = {str(item["metadata"]["name"]): item for item in there.get("items") or ()}
    known = ", ".join(items) or "none"
    if name:
        problem = f"--name {name}: no Gateway in namespace {namespace} is called so{did_you_mean(name, items)}"
        raise ManifestError([f"{problem}; there are {known}" if items else f"{problem}; there are none"])
    if len(items) != 1:
        what = "several Gateways; choose one by --name" if items else "no Gateway; --namespace says another one"
        raise ManifestError([f"namespace {namespace} has {what}" + (f": {known}" if items else "")])
    return next(iter(items.values()))
