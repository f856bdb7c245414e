"""
ResourceCluster: the API server of one cluster: which kinds it has, what is there, and watches of it.

Requests are made by the asyncio half of the `kubernetes` package, objects stay plain JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config.config_exception import ConfigException

from gateways.errors import ConfigurationError, SourceUnavailable
from gateways.processor import Context
from gateways.processors.resource_objects import Object
from gateways.processors.resource_options import ResourceOptions
from gateways.processors.servers import answered

T = TypeVar("T")

WATCH_S = 300
"""A server ends a watch after so long, and it is renewed."""
_SILENCE_S = WATCH_S + 30.0
"""A watch that says nothing for so long in real time is dead: servers send bookmarks, or end it."""
_PAGE = 500
_GONE = 410


class Expired(Exception):
    """
    The server no longer knows the version from which it was to go on.
    """


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


class Listing(NamedTuple):
    """
    Everything that was there at one version.
    """

    objects: list[Object]
    version: str


class ResourceWatch:
    """
    One watch: what comes over it, until it ends.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> tuple[str, Object] | None:
        """
        The next thing that it tells: its type, and an object; None at the end.

        Raises:
            Expired: The server does not know the version any more.
            SourceUnavailable: The server says that something is wrong.
        """
        try:
            line = await self._response.content.readline()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
        if not line.endswith(b"\n"):
            return None
        try:
            event = json.loads(line)
            told, an_object = event["type"], event["object"]
        except (ValueError, TypeError, KeyError) as error:
            raise SourceUnavailable("the watch says what is no event of Kubernetes") from error
        if told == "ERROR":
            if an_object.get("code") == _GONE:
                raise Expired
            raise SourceUnavailable(f"the API server ends the watch: {an_object.get('message', 'it does not say why')}")
        return told, an_object

    def close(self) -> None:
        """
        Drop its connection.
        """
        self._response.close()


class ResourceCluster:
    """
    One API server.

    Args:
        context: The configuration's.
        api: The package's client, which this closes.
    """

    def __init__(self, context: Context, api: client.ApiClient) -> None:
        url = urlsplit(api.configuration.host)
        self.peer = f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"
        if context.addresses.cluster().peer:
            self.peer = context.addresses.cluster().peer
        self._context = context
        self._api = api

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
        objects: list[Object] = []
        token = ""
        while True:
            page = await self._ask(kind.path, [*_selecting(labels), ("limit", _PAGE), ("continue", token)])
            own = {"apiVersion": kind.api_version, "kind": kind.kind}
            objects += [{**own, **item} for item in page.get("items") or ()]
            metadata = page.get("metadata") or {}
            token = metadata.get("continue") or ""
            if not token:
                return Listing(objects, str(metadata.get("resourceVersion", "")))

    async def version(self, kind: ResourceKind) -> int:
        """
        The version at which the cluster is.

        Raises:
            SourceUnavailable: It does not say.
        """
        page = await self._ask(kind.path, [("limit", 1)])
        version = str((page.get("metadata") or {}).get("resourceVersion", ""))
        if not version.isdigit():
            raise SourceUnavailable(f"{self.peer}: its versions are no numbers")
        return int(version)

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
        found = await self._ask(f"{path}/{quote(metadata['name'])}", [], may_lack=True)
        return bool((found.get("metadata") or {}).get("uid") == metadata["uid"])

    async def watch(self, kind: ResourceKind, labels: Mapping[str, str] | None, version: str) -> ResourceWatch:
        """
        Watch what happens after *version*.

        Raises:
            SourceUnavailable: It cannot be had now.
            Expired: That is too long ago.
        """
        query = [
            *_selecting(labels),
            ("watch", "true"),
            ("resourceVersion", version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", WATCH_S),
        ]
        limit = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE_S)
        response = await self._within(self._request(kind.path, query, limit))
        if response.status != 200:
            await self._refused(response)
        return ResourceWatch(response)

    async def close(self) -> None:
        """
        Drop every connection.
        """
        await self._api.close()  # type: ignore[no-untyped-call]

    async def _groups_with(self, version: str) -> list[str]:
        groups = (await self._ask("/apis", [])).get("groups") or ()
        versions = (each for group in groups for each in group.get("versions") or ())
        return [each["groupVersion"] for each in versions if each.get("version") == version]

    async def _kinds_of(self, api_version: str, options: ResourceOptions) -> list[ResourceKind]:
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        resources = (await self._ask(root, [], may_lack=True)).get("resources") or ()
        found: list[ResourceKind] = []
        for each in resources:
            if each.get("kind") == options.kind and "watch" in (each.get("verbs") or ()) and "/" not in each["name"]:
                within = f"/namespaces/{options.namespace}" if each.get("namespaced") and options.namespace else ""
                path = f"{root}{within}/{each['name']}"
                found.append(ResourceKind(path, each["name"], api_version, options.kind, bool(each.get("namespaced"))))
        return found

    async def _ask(self, path: str, query: Sequence[tuple[str, Any]], *, may_lack: bool = False) -> Object:
        """
        The JSON at *path*.

        Args:
            may_lack: Where there is none, it is empty.
        """
        return await self._within(self._answer(path, query, may_lack))

    async def _answer(self, path: str, query: Sequence[tuple[str, Any]], may_lack: bool) -> Object:
        response = await self._request(path, query, aiohttp.ClientTimeout(total=None))
        if response.status == 404 and may_lack:
            response.release()
            return {}
        if response.status != 200:
            await self._refused(response)
        try:
            answer = json.loads(await response.read())
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise SourceUnavailable(f"{self.peer}: what answers there is no API server of Kubernetes")
        return answer

    async def _request(
        self, path: str, query: Sequence[tuple[str, Any]], limit: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        given = [(name, value) for name, value in query if value != ""]
        method, url, headers, _, _ = await self._api.param_serialize(
            "GET", path, query_params=given, header_params={"Accept": "application/json"}, auth_settings=["BearerToken"]
        )
        answer = await self._api.call_api(method, url, headers, _request_timeout=limit)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _within(self, io: Awaitable[T]) -> T:
        try:
            return await answered(self._context, self.peer, io)
        except (aiohttp.ClientError, OSError, ApiException) as error:
            raise SourceUnavailable(f"{self.peer}: {_cause_of(error)}") from error

    async def _refused(self, response: aiohttp.ClientResponse) -> None:
        raw = await response.read()
        try:
            message = str(json.loads(raw)["message"])
        except (ValueError, TypeError, KeyError):
            message = "what answers there is no API server of Kubernetes"
        if response.status == _GONE:
            raise Expired
        raise SourceUnavailable(f"{self.peer}: answered {response.status}: {message}")


async def connect(context: Context) -> ResourceCluster:
    """
    The cluster that the gateway is of.

    Raises:
        ConfigurationError: How it is reached is written wrongly.
        SourceUnavailable: Nothing says how it is reached.
    """
    cluster = context.addresses.cluster()
    settings = client.Configuration(host=cluster.url or None)
    settings.retries = None
    if cluster.url:
        settings.client_session_kwargs = {"trust_env": False}
        return ResourceCluster(context, client.ApiClient(settings))
    try:
        if cluster.kubeconfig or "KUBERNETES_SERVICE_HOST" not in os.environ:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                cluster.kubeconfig or None, client_configuration=settings
            )
        else:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError, TypeError, KeyError) as error:
        where = cluster.kubeconfig or "there is no --kubeconfig and this is no pod"
        raise ConfigurationError(f"no way to the cluster is known: {where}: {error}") from error
    return ResourceCluster(context, client.ApiClient(settings))


def _selecting(labels: Mapping[str, str] | None) -> list[tuple[str, Any]]:
    pairs = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
    return [("labelSelector", pairs)] if pairs else []


def _cause_of(error: Exception) -> str:
    while isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "the server closed the connection"
    if isinstance(error, aiohttp.ClientResponseError):
        return "what answers there is no HTTP server"
    if isinstance(error, OSError):
        known = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return (known or str(error)).lower()
    return f"{type(error).__name__}: {error}"
