"""
ApiServer: the API server of one Kubernetes cluster: what is there, watches of it, changes to it; and the way to it.

Requests are made by the asyncio half of the `kubernetes` package, objects stay plain JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config.config_exception import ConfigException

from gateways.addresses import Cluster
from gateways.clock import Clock
from gateways.errors import ConfigurationError, SourceUnavailable

T = TypeVar("T")

Object = dict[str, Any]
Query = Sequence[tuple[str, Any]]

WATCH_S = 300
"""A server ends a watch after so long, and it is renewed."""
_SILENCE_S = WATCH_S + 30.0
"""A watch that says nothing for so long in real time is dead: servers send bookmarks, or end it."""
_PAGE = 500
_GONE = 410
_NO_LIMIT = aiohttp.ClientTimeout(total=None)
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds who it is: `token`, `ca.crt` and `namespace`."""


class Expired(Exception):
    """
    The server no longer knows the version from which it was to go on.
    """


class Refused(SourceUnavailable):
    """
    The server answers, and does not do it.

    Attributes:
        status: Of its answer.
    """

    def __init__(self, peer: str, status: int, message: str) -> None:
        self.status = status
        super().__init__(f"{peer}: answered {status}: {message}")


class Listing(NamedTuple):
    """
    Everything that was there at one version.
    """

    objects: list[Object]
    version: str


class Watch:
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


class ApiServer:
    """
    One API server.

    Args:
        api: The package's client, which this closes.
        clock: Time.
        limit_s: Each answer comes within so long.
        peer: What the server is called, `host:port`; as the client has it where left out.
        namespace: Ours, as far as the way to the cluster says one.
    """

    def __init__(
        self, api: client.ApiClient, *, clock: Clock, limit_s: float, peer: str = "", namespace: str = ""
    ) -> None:
        url = urlsplit(api.configuration.host)
        self.peer = peer or f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"
        self.namespace = namespace
        self._api = api
        self._clock = clock
        self._limit_s = limit_s

    async def get(self, path: str, query: Query = ()) -> Object | None:
        """
        What is at *path*; None where nothing is.

        Raises:
            SourceUnavailable: It cannot be had now.
            Expired: *query* goes on from too old a version.
        """
        return await self._within(self._answer("GET", path, query, may_lack=True))

    async def change(self, method: str, path: str, body: Any, content_type: str = "application/json") -> Object:
        """
        Ask for a change.

        Returns:
            The object as it is now.

        Raises:
            SourceUnavailable: It cannot be done now; Refused where the server says so.
        """
        found = await self._within(self._answer(method, path, (), body=body, content_type=content_type))
        return found or {}

    async def list(self, path: str, query: Query = ()) -> Listing:
        """
        Every object at *path*, page by page.

        Raises:
            SourceUnavailable: They cannot be had now.
            Expired: It took too long.
        """
        objects: list[Object] = []
        token = ""
        while True:
            page = await self._within(self._answer("GET", path, [*query, ("limit", _PAGE), ("continue", token)])) or {}
            objects += page.get("items") or ()
            metadata = page.get("metadata") or {}
            token = metadata.get("continue") or ""
            if not token:
                return Listing(objects, str(metadata.get("resourceVersion", "")))

    async def version(self, path: str) -> int:
        """
        The version at which the cluster is, as a list at *path* says it.

        Raises:
            SourceUnavailable: It does not say.
        """
        page = await self._within(self._answer("GET", path, [("limit", 1)])) or {}
        version = str((page.get("metadata") or {}).get("resourceVersion", ""))
        if not version.isdigit():
            raise SourceUnavailable(f"{self.peer}: its versions are no numbers")
        return int(version)

    async def watch(self, path: str, query: Query, version: str) -> Watch:
        """
        Watch what happens at *path* after *version*.

        Raises:
            SourceUnavailable: It cannot be had now.
            Expired: That is too long ago.
        """
        asked = [
            *query,
            ("watch", "true"),
            ("resourceVersion", version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", WATCH_S),
        ]
        limit = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE_S)
        response = await self._within(self._request("GET", path, asked, limit=limit))
        if response.status != 200:
            await self._refused(response)
        return Watch(response)

    async def close(self) -> None:
        """
        Drop every connection.
        """
        await self._api.close()  # type: ignore[no-untyped-call]

    async def _answer(
        self,
        method: str,
        path: str,
        query: Query,
        *,
        may_lack: bool = False,
        body: Any = None,
        content_type: str = "",
    ) -> Object | None:
        response = await self._request(method, path, query, body=body, content_type=content_type)
        if response.status == 404 and may_lack:
            response.release()
            return None
        if response.status not in (200, 201):
            await self._refused(response)
        try:
            answer = json.loads(await response.read())
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise SourceUnavailable(f"{self.peer}: what answers there is no API server of Kubernetes")
        return answer

    async def _request(
        self,
        method: str,
        path: str,
        query: Query,
        *,
        limit: aiohttp.ClientTimeout = _NO_LIMIT,
        body: Any = None,
        content_type: str = "",
    ) -> aiohttp.ClientResponse:
        given = [(name, value) for name, value in query if value != ""]
        headers = {"Accept": "application/json", **({"Content-Type": content_type} if content_type else {})}
        method, url, headers, body, _ = await self._api.param_serialize(
            method, path, query_params=given, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        answer = await self._api.call_api(method, url, headers, body, _request_timeout=limit)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _within(self, io: Awaitable[T]) -> T:
        try:
            return await self._clock.limit(self._limit_s, io, peer=self.peer)
        except TimeoutError:
            raise SourceUnavailable(f"{self.peer}: no answer within {self._limit_s:g} s") from None
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
        raise Refused(self.peer, response.status, message)


async def connect(cluster: Cluster, *, clock: Clock, limit_s: float) -> ApiServer:
    """
    The API server that *cluster* leads to. Nothing is sent yet.

    Raises:
        ConfigurationError: How it is reached is written wrongly, or nowhere.
    """
    settings = client.Configuration(host=cluster.url or None)
    settings.retries = None
    if cluster.url:
        settings.client_session_kwargs = {"trust_env": False}
        return ApiServer(client.ApiClient(settings), clock=clock, limit_s=limit_s, peer=cluster.peer)
    try:
        if not cluster.in_cluster and (cluster.kubeconfig or "KUBERNETES_SERVICE_HOST" not in os.environ):
            file = cluster.kubeconfig or None
            await config.load_kube_config(file, client_configuration=settings)  # type: ignore[no-untyped-call]
            _, current = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
            namespace = str((current.get("context") or {}).get("namespace") or "")
        else:
            config.incluster_config.InClusterConfigLoader(  # type: ignore[no-untyped-call]
                token_filename=str(SERVICE_ACCOUNT / "token"), cert_filename=str(SERVICE_ACCOUNT / "ca.crt")
            ).load_and_set(settings)
            namespace = (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"no way to the cluster is known: {_where(cluster)}: {error}") from error
    return ApiServer(client.ApiClient(settings), clock=clock, limit_s=limit_s, peer=cluster.peer, namespace=namespace)


def _where(cluster: Cluster) -> str:
    if cluster.in_cluster or (not cluster.kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ):
        return "this is no pod with a service account"
    return cluster.kubeconfig or "there is no --kubeconfig and this is no pod"


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
