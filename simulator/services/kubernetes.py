"""
Kubernetes: an API server of our own in this process, one for each scenario, behind a relay where it is faulted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from simulator.errors import SimulatorError
from simulator.scenario_file.step import FaultReply
from simulator.services.embedded.kubernetes.api import APPLY_PATCH, Api, Asked, Kept
from simulator.services.embedded.kubernetes.discovery import VERSION
from simulator.services.embedded.kubernetes.failures import REASONS, ApiFailure, failure_named
from simulator.services.embedded.kubernetes.kinds import NAMESPACES, Kind, Object
from simulator.services.embedded.kubernetes.listener import VERBS, Listener
from simulator.services.kubernetes_service import KubernetesService
from simulator.services.kubernetes_shape import KubernetesSetup
from simulator.services.kubernetes_texts import manifests_of
from simulator.services.kubernetes_watched import Watched
from simulator.services.service import Around, Published, Stimulus

_ASKED = Asked(manager="gatesim", force=True)


class EmbeddedKubernetes(KubernetesService):
    """
    One API server. What it stores outlives its stop and its kill, as etcd outlives those of a real one.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._setup = KubernetesSetup.model_validate(self.own_setup)
        self._api = Api(self.time.now)
        self._refused: dict[str, tuple[str | int, int | None]] = {}
        """Verbs that are answered with an error: which, and how often; None for always."""
        self._listener: Listener | None = None
        self._restored = False

    @property
    def version(self) -> str:
        """See Service."""
        return f"gatesim Kubernetes API {VERSION}"

    async def start(self) -> None:
        """See Service."""
        for manifest in self._setup.manifests if not self._restored else ():
            try:
                self._apply(manifest)
            except ApiFailure as failure:
                raise SimulatorError(f"service {self.name}: an object of `objects` is refused: {failure}") from failure
        if self._relay is not None:
            await self._relay.start()
        if not self.setup.get("stopped"):
            await self._listen()

    async def stop(self) -> None:
        """See Service."""
        await self._leave()
        if self._relay is not None:
            await self._relay.stop()

    async def restart(self, how: str) -> None:
        """See Service."""
        await self._leave()
        await self._listen()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service. The steps are `apply` and `delete`."""
        if self._listener is None:
            return Published(False, "the API server does not run")
        try:
            for stimulus in stimuli:
                if stimulus.verb == "delete":
                    self._delete(stimulus)
                else:
                    for manifest in manifests_of(stimulus):
                        self._apply(manifest)
        except ApiFailure as failure:
            return Published(False, str(failure))
        return Published(True)

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        match kind:
            case "kill":
                await self._leave()
            case "expireWatch":
                self._api.storage.expire()
            case "reply":
                self._refuse(value)
            case _:
                await self._break_line(kind, value)

    async def heal(self) -> None:
        """See Service."""
        self._refused.clear()
        if self._relay is not None:
            await self._relay.heal()
        await self._listen()

    def durable(self) -> Kept:
        """See Service."""
        return self._api.kept()

    def restore(self, durable: Kept) -> None:
        """See Service."""
        self._api.take_up(durable)
        self._restored = True

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service."""
        watched = Watched.of(text)
        if watched is None or self._listener is None:
            return None
        seen = [
            target
            for target in self._listener.watched
            if watched.is_of(target.kind.api_version, target.kind.kind) and target.namespace == watched.namespace
        ]
        return len(seen) <= sum(other == watched for other in map(Watched.of, living))

    def _refuse(self, asked: FaultReply) -> None:
        if asked.request not in VERBS:
            known = ", ".join(VERBS)
            raise SimulatorError(f"service {self.name}: {asked.request!r} is no verb of the API; there are {known}")
        if failure_named(asked.error) is None:
            known = ", ".join(f"{code} {reason}" for code, reason in REASONS.items())
            raise SimulatorError(f"service {self.name}: the API has no error {asked.error!r}; there are {known}")
        self._refused[asked.request] = asked.error, asked.times

    def _refusal_of(self, verb: str) -> ApiFailure | None:
        error, times = self._refused.get(verb, ("", None))
        if times is not None and times <= 1:
            del self._refused[verb]
        elif times is not None:
            self._refused[verb] = error, times - 1
        return failure_named(error)

    async def _listen(self) -> None:
        if self._listener is not None:
            return
        self._listener = Listener(self._api, self.time.now, hook=self._refusal_of)
        await self._listener.start(self._port)
        self._port = self._listener.port
        await self._lead_to_server()

    async def _leave(self) -> None:
        """
        What it was connected to is cut here and now, so that a gateway knows it before the next step.
        """
        listener, self._listener = self._listener, None
        if self._relay is not None:
            await self._relay.lead_to(None)
            self._relay.disconnect()
        if listener is not None:
            await listener.stop()

    def _apply(self, manifest: Object) -> None:
        kind = self._kind_of(manifest)
        metadata = manifest.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        namespace = str(metadata.get("namespace") or "default") if kind.namespaced else ""
        if namespace and self._api.storage.get(NAMESPACES, ("", namespace)) is None:
            self._apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        name = metadata.get("name")
        if not isinstance(name, str) or not name:
            name = self._api.create(kind, namespace, manifest, _ASKED)["metadata"]["name"]
        else:
            self._api.patch(kind, (namespace, name), manifest, how=APPLY_PATCH, asked=_ASKED)
        if kind.has_status and "status" in manifest:
            status = {"status": manifest["status"]}
            self._api.update(kind, (namespace, name), status, _ASKED, "status")

    def _delete(self, stimulus: Stimulus) -> None:
        kind = self._kind_of({"apiVersion": stimulus.get("apiVersion") or "v1", "kind": stimulus.get("kind")})
        namespace = (stimulus.get("namespace") or "default") if kind.namespaced else ""
        self._api.delete(kind, namespace, stimulus.get("name"), {}, _ASKED)

    def _kind_of(self, manifest: Object) -> Kind:
        said = str(manifest.get("apiVersion") or ""), str(manifest.get("kind") or "")
        kind = self._api.kinds.named(*said)
        if kind is None:
            shown = f'no matches for kind "{said[1]}" in version "{said[0]}"; apply its CustomResourceDefinition first'
            raise ApiFailure(404, shown)
        return kind
