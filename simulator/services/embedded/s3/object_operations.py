"""
Operations on objects: putting, reading whole and in ranges, copying, removing, tags.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import parse_qsl, unquote

from simulator.services.embedded.s3.bucket_operations import Taker
from simulator.services.embedded.s3.documents import document, instant, tagging, tags_in
from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.request import Answer, S3Request
from simulator.services.embedded.s3.store import Actor, Store, StoredObject, object_of

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_NOT_MODIFIED = 304


class ObjectOperations:
    """
    Over one store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def by_name(self) -> Mapping[str, Taker]:
        """
        What takes each operation.
        """
        return {
            "PutObject": self._put,
            "GetObject": self._get,
            "HeadObject": self._get,
            "CopyObject": self._copy,
            "DeleteObject": self._delete,
            "GetObjectTagging": self._tags,
            "PutObjectTagging": self._tag,
            "DeleteObjectTagging": self._untag,
        }

    def _put(self, request: S3Request, actor: Actor) -> Answer:
        there = self._store.bucket(request.bucket).objects.get(request.key)
        _check_conditions(request, there)
        stored = object_of(request.body, request.headers, self._store.now())
        tags = parse_qsl(request.headers.get("x-amz-tagging", ""), keep_blank_values=True)
        stored = self._store.put(request.bucket, request.key, replace(stored, tags=tuple(tags)), actor)
        return Answer(headers=(("ETag", f'"{stored.etag}"'),))

    def _get(self, request: S3Request, actor: Actor) -> Answer:
        stored = self._store.object(request.bucket, request.key)
        if _check_conditions(request, stored):
            return Answer(_NOT_MODIFIED, headers=(("ETag", f'"{stored.etag}"'),))
        self._store.accessed(request.bucket, request.key, request.method.capitalize(), actor)
        headers = (*_said_of(stored), *_overrides(request))
        part = range_of(request.headers.get("range", ""), len(stored.data))
        if part is None:
            return Answer(200, stored.data, headers)
        where = ("Content-Range", f"bytes {part.start}-{part.stop - 1}/{len(stored.data)}")
        return Answer(206, stored.data[part.start : part.stop], (*headers, where))

    def _copy(self, request: S3Request, actor: Actor) -> Answer:
        source = copied(self._store, request)
        now = self._store.now()
        if request.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE":
            made = object_of(source.data, request.headers, now)
        else:
            made = replace(source, modified=now)
        made = self._store.put(request.bucket, request.key, replace(made, etag=source.etag), actor, "Copy")
        return document("CopyObjectResult", (("ETag", f'"{made.etag}"'), ("LastModified", instant(made.modified))))

    def _delete(self, request: S3Request, actor: Actor) -> Answer:
        self._store.bucket(request.bucket)
        self._store.remove(request.bucket, request.key, actor)
        return Answer(204)

    def _tags(self, request: S3Request, actor: Actor) -> Answer:
        return tagging(self._store.object(request.bucket, request.key).tags)

    def _tag(self, request: S3Request, actor: Actor) -> Answer:
        self._store.tag(request.bucket, request.key, tags_in(request.body), actor)
        return Answer()

    def _untag(self, request: S3Request, actor: Actor) -> Answer:
        self._store.tag(request.bucket, request.key, (), actor)
        return Answer(204)


def copied(store: Store, request: S3Request) -> StoredObject:
    """
    The object that a request copies from.

    Raises:
        S3Error: It is not there.
    """
    source = unquote(request.headers["x-amz-copy-source"].partition("?")[0]).lstrip("/")
    bucket, _, key = source.partition("/")
    return store.object(bucket, key)


def range_of(text: str, size: int) -> range | None:
    """
    The bytes that a Range header asks for; None for all, also where it is not understood.

    Raises:
        S3Error: There are no such bytes.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        first, last = max(0, size - int(match[2])), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    if first > last:
        raise S3Error("InvalidRange")
    return range(first, last + 1)


def _check_conditions(request: S3Request, stored: StoredObject | None) -> bool:
    """
    Whether a reader knows *stored* already.

    Raises:
        S3Error: The request is meant for another state of the object.
    """
    headers, reads = request.headers, request.method in ("GET", "HEAD")
    etag = stored.etag if stored is not None else None
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if wanted is not None and not _is_among(etag, wanted):
        raise S3Error("PreconditionFailed" if stored is not None else "NoSuchKey")
    modified = stored.modified.replace(microsecond=0) if stored is not None else None
    before = _date(headers.get("if-unmodified-since", ""))
    if wanted is None and before is not None and modified is not None and modified > before:
        raise S3Error("PreconditionFailed")
    if unwanted is not None and _is_among(etag, unwanted):
        if unwanted.strip() == "*" or not reads:
            raise S3Error("PreconditionFailed")
        return True
    since = _date(headers.get("if-modified-since", ""))
    return reads and unwanted is None and since is not None and modified is not None and modified <= since


def _is_among(etag: str | None, text: str) -> bool:
    if text.strip() == "*":
        return etag is not None
    return etag in [each.strip().strip('"') for each in text.split(",")]


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _said_of(stored: StoredObject) -> tuple[tuple[str, str], ...]:
    said = [
        ("ETag", f'"{stored.etag}"'),
        ("Last-Modified", format_datetime(stored.modified.astimezone(UTC), usegmt=True)),
        ("Content-Type", stored.content_type),
        ("Accept-Ranges", "bytes"),
        *stored.headers,
    ]
    if stored.tags:
        said.append(("x-amz-tagging-count", str(len(stored.tags))))
    return tuple(said)


def _overrides(request: S3Request) -> tuple[tuple[str, str], ...]:
    """
    Headers that a presigned address asks for.
    """
    prefix = "response-"
    return tuple(
        (name.removeprefix(prefix), value)
        for name, value in request.query
        if name.startswith(prefix) and "\r" not in value and "\n" not in value
    )
