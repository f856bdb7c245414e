"""
KubernetesClient: applies and deletes objects at an API server, and returns once they are there or gone.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any, NamedTuple

import aiohttp

Object = dict[str, Any]
_MANAGER = {"fieldManager": "gatesim"}
_APPLY = "application/apply-patch+yaml"
_LIMIT_S = 20.0
_PROBE_S = 0.01
_DEFINITIONS = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
_GOES_BY_AND_BY = ("Namespace", "CustomResourceDefinition")
"""Kinds that controllers delete, with what is in them, after the server has said yes."""


class Refused(Exception):
    """
    The API server does not do it; the text says why.

    Args:
        code: Its HTTP status.
        cause: What it says.
    """

    def __init__(self, code: int, cause: str) -> None:
        self.code = code
        super().__init__(cause)


class Served(NamedTuple):
    """
    A kind, as the server serves it.
    """

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    has_status: bool

    def path(self, namespace: str, name: str = "") -> str:
        """
        Of its objects, or of one.
        """
        head = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        within = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{head}{within}/{self.plural}" + (f"/{name}" if name else "")


class KubernetesClient:
    """
    One client.

    Args:
        url: Of the server.
        context: How to connect to it, as whom.
    """

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self._session = aiohttp.ClientSession(
            url,
            connector=aiohttp.TCPConnector(ssl=context),
            timeout=aiohttp.ClientTimeout(total=_LIMIT_S),
        )
        self._kinds: dict[tuple[str, str], Served] = {}

    async def close(self) -> None:
        """
        Drop every connection.
        """
        await self._session.close()

    def served_at(self, api_version: str, plural: str) -> str:
        """
        The kind whose objects have that *plural*; empty where nobody has asked for that yet.
        """
        return next(
            (each.kind for each in self._kinds.values() if (each.api_version, each.plural) == (api_version, plural)), ""
        )

    async def kind(self, api_version: str, kind: str) -> Served:
        """
        How a kind is served.

        Raises:
            Refused: It is not.
        """
        if (api_version, kind) not in self._kinds:
            await self.learn(api_version)
        found = self._kinds.get((api_version, kind))
        if found is None:
            shown = f'no matches for kind "{kind}" in version "{api_version}"; apply its CustomResourceDefinition first'
            raise Refused(404, shown)
        return found

    async def learn(self, api_version: str) -> None:
        """
        Find out what is served in that version of a group.
        """
        try:
            told = await self.ask("GET", f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}")
        except Refused:
            return
        parts = {each["name"] for each in told.get("resources", ())}
        for each in told.get("resources", ()):
            if "/" not in each["name"]:
                plural = each["name"]
                served = Served(api_version, each["kind"], plural, each["namespaced"], f"{plural}/status" in parts)
                self._kinds[api_version, each["kind"]] = served

    async def apply(self, manifest: Object) -> None:
        """
        Have it be as *manifest* says; its namespace is made where there is none.

        Raises:
            Refused: The server does not do it.
        """
        kind = await self.kind(str(manifest.get("apiVersion") or ""), str(manifest.get("kind") or ""))
        metadata = manifest.get("metadata")
        metadata = dict(metadata) if isinstance(metadata, dict) else {}
        namespace = str(metadata.get("namespace") or "default") if kind.namespaced else ""
        if namespace:
            metadata["namespace"] = namespace
            await self._have_namespace(namespace)
        manifest = {**manifest, "metadata": metadata}
        name = str(metadata.get("name") or "")
        if not name:
            made = await self.ask("POST", kind.path(namespace), manifest, _MANAGER)
            name = metadata["name"] = made["metadata"]["name"]
        else:
            await self._patch(kind.path(namespace, name), manifest)
        if kind.has_status and "status" in manifest:
            status = {key: manifest[key] for key in ("apiVersion", "kind", "metadata", "status")}
            status["metadata"] = {"name": name, **({"namespace": namespace} if namespace else {})}
            await self._patch(kind.path(namespace, name) + "/status", status)
        if (kind.api_version, kind.kind) == _DEFINITIONS:
            await self._until_served(manifest)

    async def delete(self, api_version: str, kind_name: str, namespace: str, name: str) -> None:
        """
        Delete one object, and return once it is gone, as far as that is the server's business.

        Raises:
            Refused: The server does not do it.
        """
        kind = await self.kind(api_version, kind_name)
        path = kind.path(namespace, name)
        await self.ask("DELETE", path)
        if kind_name in _GOES_BY_AND_BY:
            await self._until_gone(path)

    async def definitions(self) -> list[str]:
        """
        The names of all CustomResourceDefinitions.
        """
        listed = await self.ask("GET", (await self.kind(*_DEFINITIONS)).path(""))
        return [each["metadata"]["name"] for each in listed["items"]]

    async def remove_definition(self, name: str) -> None:
        """
        Delete a CustomResourceDefinition, and with it everything of its kind.
        """
        await self.delete(*_DEFINITIONS, "", name)

    async def ask(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """
        One request.

        Raises:
            Refused: It fails; with what the server says.
        """
        data = json.dumps(body) if body is not None else None
        headers = {"Content-Type": content_type} if body is not None else {}
        try:
            async with self._session.request(method, path, data=data, params=query, headers=headers) as response:
                told = await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Refused(0, str(error) or f"no answer within {_LIMIT_S:g} s") from error
        answer: Object = told if isinstance(told, dict) else {}
        if response.status >= 400:
            raise Refused(response.status, str(answer.get("message") or f"HTTP status {response.status}"))
        return answer

    async def _patch(self, path: str, manifest: Object) -> None:
        await self.ask("PATCH", path, manifest, {**_MANAGER, "force": "true"}, _APPLY)

    async def _have_namespace(self, name: str) -> None:
        try:
            await self.ask("GET", f"/api/v1/namespaces/{name}")
        except Refused as refused:
            if refused.code != 404:
                raise
            made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            await self._patch(f"/api/v1/namespaces/{name}", made)

    async def _until_served(self, definition: Object) -> None:
        spec = definition.get("spec") or {}
        versions = [f"{spec.get('group')}/{each['name']}" for each in spec.get("versions", ()) if each.get("served")]
        wanted = [(version, str((spec.get("names") or {}).get("kind"))) for version in versions]
        try:
            async with asyncio.timeout(_LIMIT_S):
                for each in wanted:
                    self._kinds.pop(each, None)
                    await self.learn(each[0])
                    while each not in self._kinds:
                        await asyncio.sleep(_PROBE_S)  # real time: until the server serves it
                        await self.learn(each[0])
        except TimeoutError:
            raise Refused(0, f"{definition['metadata']['name']} is not served after {_LIMIT_S:g} s") from None

    async def _until_gone(self, path: str) -> None:
        try:
            async with asyncio.timeout(_LIMIT_S):
                while True:
                    await self.ask("GET", path)
                    await asyncio.sleep(_PROBE_S)  # real time: until its controller has deleted it
        except TimeoutError:
            raise Refused(0, f"{path} is not gone after {_LIMIT_S:g} s") from None
        except Refused as refused:
            if refused.code != 404:
                raise
        self._kinds.clear()
