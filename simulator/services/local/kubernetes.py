"""
Kubernetes from the kube-apiserver and etcd of this machine, one server for one scenario at a time.

Gateways reach it as they reach ours, by plain HTTP without credentials: see KubernetesLine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from simulator.errors import ServiceUnavailable, SimulatorError
from simulator.keeping.kubernetes import client_context
from simulator.keeping.lease import Lease
from simulator.services.kubernetes_service import KubernetesService
from simulator.services.kubernetes_shape import KubernetesSetup
from simulator.services.kubernetes_texts import manifests_of
from simulator.services.kubernetes_watched import Watched
from simulator.services.local.kubernetes_client import KubernetesClient, Refused
from simulator.services.local.kubernetes_line import KubernetesLine
from simulator.services.service import Around, Published, Stimulus

_LOOPBACK = "127.0.0.1"


class LocalKubernetes(KubernetesService):
    """
    A real API server.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._setup = KubernetesSetup.model_validate(
            {key: value for key, value in self.own_setup.items() if key != "process"}
        )
        self._lease: Lease | None = None
        self._client: KubernetesClient | None = None
        self._line: KubernetesLine | None = None
        self._serves = False
        self._version = ""

    @property
    def provider(self) -> str:
        """See Service."""
        return "local"

    @property
    def version(self) -> str:
        """See Service."""
        return f"kube-apiserver {self._version.removeprefix('v')}"

    async def start(self) -> None:
        """See Service."""
        lease = self._lease = await Lease.of(self.name, "kubernetes", {}, self._died)
        self._version = lease.access["version"]
        port, context = lease.access["port"], client_context(lease.access["certificate"], lease.access["key"])
        self._line = KubernetesLine(port, context)
        self._port = self._line.port
        client = self._client = KubernetesClient(f"https://{_LOOPBACK}:{port}", context)
        await lease.ask("begin")
        await self._prepare(client)
        if self._relay is not None:
            await self._relay.start()
        if not self.setup.get("stopped"):
            await self._listen()

    async def stop(self) -> None:
        """See Service."""
        await self._leave()
        line, self._line = self._line, None
        client, self._client = self._client, None
        lease, self._lease = self._lease, None
        if self._relay is not None:
            await self._relay.stop()
        if line is not None:
            await line.close()
        if client is not None:
            await client.close()
        if lease is not None:
            await lease.give_back(clean=await _cleaned(lease))

    async def restart(self, how: str) -> None:
        """See Service."""
        assert self._lease is not None, "it was started"
        was_there = self._serves
        await self._leave()
        if was_there:
            await self._lease.ask(how)
        await self._listen()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service. The steps are `apply` and `delete`."""
        if not self._serves or self._client is None:
            return Published(False, "the API server does not run")
        try:
            for stimulus in stimuli:
                if stimulus.verb == "delete":
                    what = stimulus.get("apiVersion") or "v1", stimulus.get("kind")
                    await self._client.delete(*what, stimulus.get("namespace") or "default", stimulus.get("name"))
                else:
                    for manifest in manifests_of(stimulus):
                        await self._client.apply(manifest)
        except Refused as refused:
            return Published(False, str(refused))
        return Published(True)

    def cannot(self, fault: str) -> str:
        """See Service."""
        return "a real API server gives the answers that it has" if fault == "reply" else ""

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        assert self._lease is not None, "it was started"
        assert self._line is not None, "it was started"
        match kind:
            case "kill":
                await self._leave()
                await self._lease.ask("kill")
            case "expireWatch":
                await self._lease.ask("expire")
                # A watch that is up to date outlives the loss of what was before; begun again it is refused.
                await self._line.cut_watches()
            case _:
                await self._break_line(kind, value)

    async def heal(self) -> None:
        """See Service."""
        if self._relay is not None:
            await self._relay.heal()
        await self._listen()

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service."""
        watched = Watched.of(text)
        if watched is None or self._line is None or not self._serves:
            return None
        seen = [path for path in self._line.watched if await self._is_watch_of(path, watched)]
        return len(seen) <= sum(other == watched for other in map(Watched.of, living))

    async def _is_watch_of(self, path: str, watched: Watched) -> bool:
        assert self._client is not None, "it was started"
        match path.strip("/").split("/"):
            case ["api", version, *rest]:
                api_version = version
            case ["apis", group, version, *rest]:
                api_version = f"{group}/{version}"
            case _:
                return False
        namespace = rest[1] if len(rest) > 2 and rest[0] == "namespaces" else ""
        if not self._client.served_at(api_version, rest[-1]):
            await self._client.learn(api_version)
        kind = self._client.served_at(api_version, rest[-1])
        return watched.is_of(api_version, kind) and namespace == watched.namespace

    async def _prepare(self, client: KubernetesClient) -> None:
        """
        Have what the set-up asks for. A definition that stands in it may be there from before: making one takes two
        seconds. The others must not be there.
        """
        kept = {str(each.get("metadata", {}).get("name")) for each in self._setup.manifests}
        try:
            for name in await client.definitions():
                if name not in kept:
                    await client.remove_definition(name)
            for manifest in self._setup.manifests:
                await client.apply(manifest)
        except Refused as refused:
            raise SimulatorError(f"service {self.name}: an object of `objects` is refused: {refused}") from refused

    async def _listen(self) -> None:
        assert self._lease is not None, "it was started"
        assert self._line is not None, "it was started"
        if self._serves:
            return
        await self._lease.ask("start")
        await self._line.listen()
        self._serves = True
        await self._lead_to_server()

    async def _leave(self) -> None:
        """
        What it was connected to is cut here and now, so that a gateway knows it before the next step.
        """
        self._serves = False
        if self._relay is not None:
            await self._relay.lead_to(None)
            self._relay.disconnect()
        if self._line is not None:
            await self._line.leave()

    def _died(self, cause: str) -> None:
        self._serves = False
        self.died(cause)


async def _cleaned(lease: Lease) -> bool:
    try:
        return bool(await lease.ask("clean"))
    except ServiceUnavailable:
        return False  # its data are lost, or cannot be had: the keeper makes new ones
