"""
Listener: the API over HTTP, one request to one answer, and watches as streams of lines.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import yaml
from aiohttp import web

from simulator.services.embedded.kubernetes.api import APPLY_PATCH, Api, Asked
from simulator.services.embedded.kubernetes.discovery import document
from simulator.services.embedded.kubernetes.failures import ApiFailure, unknown_path
from simulator.services.embedded.kubernetes.kinds import Kind, Object
from simulator.services.embedded.kubernetes.protobuf import PROTOBUF, from_protobuf
from simulator.services.embedded.kubernetes.selectors import Matches, selection
from simulator.services.embedded.kubernetes.tables import META, only_metadata, table
from simulator.services.embedded.kubernetes.watching import Event, Watch

_LOOPBACK = "127.0.0.1"
_BODY_BYTES_MAX = 3 * 1024 * 1024
_WATCH_S = 1_800.0
_HEALTH = frozenset({"healthz", "livez", "readyz"})
_YES = ("true", "1", "True")
VERBS = ("discover", "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
"""What can be asked of the API, by the names that Kubernetes has for it; discovery has none."""

Hook = Callable[[str], ApiFailure | None]
"""Told the verb of each request; a failure is the answer to it."""


def _no_fault(verb: str) -> None:
    return None


class Target(NamedTuple):
    """
    What a path leads to.
    """

    kind: Kind
    namespace: str
    name: str
    part: str


class Listener:
    """
    One port of one API.

    Args:
        api: What answers.
        now: For the ages in tables.
        hook: Asked before each request is taken up.
    """

    def __init__(
        self, api: Api, now: Callable[[], datetime] = lambda: datetime.now(UTC), *, hook: Hook = _no_fault
    ) -> None:
        self._api = api
        self._hook = hook
        self._now = now
        self._runner: web.AppRunner | None = None
        self._watches: dict[asyncio.Task[Any], Target] = {}
        self.port = 0

    @property
    def watched(self) -> list[Target]:
        """
        What clients watch at present.
        """
        return list(self._watches.values())

    async def start(self, port: int = 0) -> None:
        """
        Listen on loopback; `port` says where.
        """
        application = web.Application(client_max_size=_BODY_BYTES_MAX)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.0, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, _LOOPBACK, port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """
        Drop every connection and listen no more.
        """
        runner, self._runner = self._runner, None
        watches = tuple(self._watches)
        for watch in watches:
            watch.cancel()
        if runner is not None:
            await runner.cleanup()
        if watches:
            await asyncio.wait(watches)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except ApiFailure as failure:
            return web.json_response(failure.status, status=failure.code)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"].strip("/").split("/") if request.path != "/" else []
        if path and path[0] in _HEALTH:
            return web.Response(text="ok")
        target = self._target(path)
        if failure := self._hook(_verb(request, target)):
            raise failure
        if target is None:
            if request.method != "GET":
                raise ApiFailure(405, "the server does not allow this method on the requested resource")
            return web.json_response(document(path, self._api.kinds))
        if request.method in ("GET", "HEAD"):
            return await self._read(request, target)
        return await self._change(request, target)

    def _target(self, path: list[str]) -> Target | None:
        """
        Where *path* leads; None for what holds no objects.
        """
        match path:
            case ["api", version, _, *_]:
                group, rest = "", path[2:]
            case ["apis", group, version, _, *_]:
                rest = path[3:]
            case _:
                return None
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
            namespace, rest = rest[1], rest[2:]
        kind = self._api.kinds.get(group, version, rest[0])
        name, part = (*rest[1:], "", "")[:2]
        if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
            raise unknown_path()
        if part and not (part == "status" and kind.has_status):
            raise unknown_path()
        return Target(kind, namespace, name, part)

    # Reading.

    async def _read(self, request: web.Request, target: Target) -> web.StreamResponse:
        query, kind = request.query, target.kind
        _check_streaming(query)
        matches = selection(kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        form = Form(request, kind, self._now)
        if target.name and query.get("watch") not in _YES:
            found = self._api.get(kind, target.namespace, target.name)
            return web.json_response(form.one(found))
        if query.get("watch") in _YES:
            return await self._watch(request, target, matches, form)
        page = self._api.list(kind, target.namespace, matches, _number(query.get("limit")), query.get("continue", ""))
        metadata: Object = {"resourceVersion": str(page.version)}
        if page.next:
            metadata |= {"continue": page.next, "remainingItemCount": page.left}
        return web.json_response(form.many(page.items, metadata))

    async def _watch(self, request: web.Request, target: Target, matches: Matches, form: Form) -> web.StreamResponse:
        query = request.query
        if target.name:
            raise ApiFailure(400, "watch a single object by fieldSelector=metadata.name")
        streaming = query.get("sendInitialEvents") in _YES
        watch = Watch(
            self._api,
            target.kind,
            target.namespace,
            matches,
            version=query.get("resourceVersion", ""),
            bookmarks=query.get("allowWatchBookmarks") in _YES,
            streaming=streaming,
        )
        stirred = asyncio.Event()
        forget = self._api.storage.listen(stirred.set)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        task = asyncio.current_task()
        assert task is not None
        self._watches[task] = target
        try:
            async with asyncio.timeout(_number(query.get("timeoutSeconds")) or _WATCH_S):
                await response.prepare(request)
                await _write(response, form, watch.first())
                while await _write(response, form, watch.news()):
                    await stirred.wait()
                    stirred.clear()
        except TimeoutError:
            pass  # as the client asked
        except ConnectionResetError:
            pass  # the client has left
        finally:
            forget()
            del self._watches[task]
        return response

    # Changing.

    async def _change(self, request: web.Request, target: Target) -> web.StreamResponse:
        kind, namespace, name, part = target
        query, form = request.query, Form(request, kind, self._now)
        asked = Asked(
            dry_run="All" in query.getall("dryRun", []),
            strict=query.get("fieldValidation") == "Strict",
            manager=query.get("fieldManager") or "unknown",
            force=query.get("force") in _YES,
        )
        body = await _body(request)
        match request.method:
            case "POST" if not name:
                made = self._api.create(kind, namespace, _mapping(body), asked)
                return web.json_response(form.one(made), status=201)
            case "PUT" if name:
                changed = self._api.update(kind, (namespace, name), _mapping(body), asked, part)
                return web.json_response(form.one(changed))
            case "PATCH" if name:
                patched, new = self._api.patch(
                    kind, (namespace, name), body, how=request.content_type, asked=asked, part=part
                )
                return web.json_response(form.one(patched), status=201 if new else 200)
            case "DELETE" if name and not part:
                options = {**_options(query), **_mapping(body or {})}
                gone = self._api.delete(kind, namespace, name, options, asked)
                return web.json_response(_deleted(kind, gone) if not gone["metadata"].get("finalizers") else gone)
            case "DELETE" if not name:
                return self._delete_all(request, target, _mapping(body or {}), asked)
            case _:
                raise ApiFailure(405, "the server does not allow this method on the requested resource")

    def _delete_all(self, request: web.Request, target: Target, options: Object, asked: Asked) -> web.StreamResponse:
        kind, query = target.kind, request.query
        matches = selection(kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        items = self._api.list(kind, target.namespace, matches).items
        for each in items:
            metadata = each["metadata"]
            self._api.delete(kind, metadata.get("namespace", ""), metadata["name"], options, asked)
        return web.json_response(Form(request, kind, self._now).many(items, {}))


class Form:
    """
    How the client wants objects: whole, as rows of a table, or only their metadata.
    """

    def __init__(self, request: web.Request, kind: Kind, now: Callable[[], datetime]) -> None:
        self._kind = kind
        self._now = now
        self._include = request.query.get("includeObject", "Metadata")
        accepted = request.headers.get("Accept", "*/*").split(",")
        self._as = next((form for form in map(_form_of, accepted) if form is not None), None)
        if self._as is None:
            raise ApiFailure(406, "only the following media types are accepted: application/json")

    def one(self, an_object: Object) -> Object:
        """
        One object.
        """
        if self._as == "Table":
            return table(self._kind, [an_object], {}, self._now(), self._include)
        return only_metadata(an_object) if self._as.startswith("Partial") else an_object  # type: ignore[union-attr]

    def many(self, objects: list[Object], metadata: Object) -> Object:
        """
        A list.
        """
        if self._as == "Table":
            return table(self._kind, objects, metadata, self._now(), self._include)
        if self._as:
            items = [only_metadata(each) for each in objects]
            return {"kind": "PartialObjectMetadataList", "apiVersion": META, "metadata": metadata, "items": items}
        kind = self._kind.list_kind or f"{self._kind.kind}List"
        return {"kind": kind, "apiVersion": self._kind.api_version, "metadata": metadata, "items": objects}

    def line(self, event: Event) -> bytes:
        """
        One line of a watch.
        """
        shown = event.object if event.type in ("ERROR", "BOOKMARK") and self._as != "Table" else self.one(event.object)
        if event.type == "ERROR":
            shown = event.object
        elif event.type == "BOOKMARK" and self._as == "Table":
            shown = table(self._kind, [], event.object["metadata"], self._now(), self._include)
        return json.dumps({"type": event.type, "object": shown}).encode() + b"\n"


def _form_of(accepted: str) -> str | None:
    """
    The form that one entry of an Accept header means: empty for whole objects; None for what we have not.
    """
    media, *parameters = (part.strip() for part in accepted.split(";"))
    if media not in ("application/json", "*/*", "application/*", "application/yaml"):
        return None
    form = next((each.removeprefix("as=") for each in parameters if each.startswith("as=")), "")
    return form if form in ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList") else None


async def _write(response: web.StreamResponse, form: Form, events: Any) -> bool:
    """
    Write *events*; False after an ERROR, which is the last.
    """
    for event in events:
        await response.write(form.line(event))
        if event.type == "ERROR":
            return False
    return True


def _verb(request: web.Request, target: Target | None) -> str:
    """
    What is asked; a method that the API does not have stands for itself.
    """
    if target is None:
        return "discover"
    match request.method:
        case "GET" | "HEAD":
            return "watch" if request.query.get("watch") in _YES else "get" if target.name else "list"
        case "DELETE":
            return "delete" if target.name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(request.method, request.method)


async def _body(request: web.Request) -> Any:
    if not request.can_read_body:
        return None
    content_type = request.content_type
    raw = await request.read()
    if not raw:
        return None
    if content_type == PROTOBUF:
        return from_protobuf(raw)
    if content_type in ("application/yaml", APPLY_PATCH):
        try:
            return yaml.load(raw, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError as error:
            raise ApiFailure(400, f"error converting YAML to JSON: {error}") from None
    if not content_type.endswith("json") and content_type != "application/octet-stream":
        raise ApiFailure(415, "the body of the request was in an unknown format - accepted media types include: "
                              "application/json, application/yaml")  # fmt: skip
    try:
        return json.loads(raw)
    except ValueError as error:
        raise ApiFailure(400, f"the object provided is unrecognized (must be of type JSON): {error}") from None


def _mapping(body: Any) -> Object:
    if not isinstance(body, dict) or not isinstance(body.get("metadata", {}), dict | None):
        raise ApiFailure(400, "the object provided is unrecognized: it must be a mapping with metadata")
    return body


def _options(query: Any) -> Object:
    names = ("propagationPolicy", "orphanDependents", "gracePeriodSeconds")
    return {name: query[name] for name in names if name in query}


def _deleted(kind: Kind, gone: Object) -> Object:
    metadata = gone["metadata"]
    details = {"name": metadata["name"], "kind": kind.plural, "uid": metadata["uid"]}
    if kind.group:
        details["group"] = kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _number(text: str | None) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise ApiFailure(400, f"{text!r} is no number")
    return int(text)


def _check_streaming(query: Mapping[str, str]) -> None:
    """
    A list that is streamed has to be a watch, and to say of which version it may be.
    """
    cause = ""
    if "sendInitialEvents" not in query:
        return
    if query.get("watch") not in _YES:
        cause = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
    elif query.get("resourceVersionMatch") != "NotOlderThan":
        cause = (
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        )
    if cause:
        raise ApiFailure(422, f'ListOptions.meta.k8s.io "" is invalid: {cause}')
