"""
Store: buckets, objects and uploads in memory; tells of each thing that happens to an object.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.notifications import Happening

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KEY_BYTES_MAX = 1024
DEFAULT_TYPE = "binary/octet-stream"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """
    One object.
    """

    data: bytes
    etag: str
    """Without quotes."""
    modified: datetime
    content_type: str = DEFAULT_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers that are given back: Cache-Control, x-amz-meta-..."""
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """
        What users have said of it, with names as clients send them.
        """
        return tuple((name, value) for name, value in self.headers if name.startswith("x-amz-meta-"))


@dataclass(frozen=True, slots=True)
class Part:
    """
    One part of an upload.
    """

    data: bytes
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Upload:
    """
    An object that comes in parts.
    """

    bucket: str
    key: str
    blank: StoredObject
    """The object, save for its data."""
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass(slots=True)
class Bucket:
    """
    One bucket.
    """

    created: datetime
    objects: dict[str, StoredObject] = field(default_factory=dict)
    tags: tuple[tuple[str, str], ...] = ()
    notification: bytes = b""
    """Its notification configuration as it came; empty for none."""


@dataclass(frozen=True, slots=True)
class Actor:
    """
    Whose request it is, for notifications.
    """

    user: str = ""
    sender: str = ""
    user_agent: str = ""


class Kept(NamedTuple):
    """
    What one store can hand over to the next.
    """

    buckets: dict[str, Bucket]
    uploads: dict[str, Upload]
    number: int
    """Of the latest happening."""


class Store:
    """
    Everything that is stored.

    Args:
        now: The time that objects and notifications bear.
        told: Called with each happening, in their order.
    """

    def __init__(self, now: Callable[[], datetime], told: Callable[[Happening], None]) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.uploads: dict[str, Upload] = {}
        self.now = now
        self._told = told
        self._number = 0

    def kept(self) -> Kept:
        """
        All that there is.
        """
        return Kept(self.buckets, self.uploads, self._number)

    def take_up(self, kept: Kept) -> None:
        """
        Have what another store kept, in place of what there is.
        """
        self.buckets, self.uploads, self._number = kept

    def bucket(self, name: str) -> Bucket:
        """
        The bucket called *name*.

        Raises:
            S3Error: There is none.
        """
        found = self.buckets.get(name)
        if found is None:
            raise S3Error("NoSuchBucket")
        return found

    def make_bucket(self, name: str) -> None:
        """
        Make a bucket.

        Raises:
            S3Error: It cannot be called so, or is there already.
        """
        if not _BUCKET_NAME.fullmatch(name):
            raise S3Error("InvalidBucketName")
        if name in self.buckets:
            raise S3Error("BucketAlreadyOwnedByYou")
        self.buckets[name] = Bucket(self.now())

    def remove_bucket(self, name: str) -> None:
        """
        Remove a bucket.

        Raises:
            S3Error: There is none, or something is in it.
        """
        if self.bucket(name).objects:
            raise S3Error("BucketNotEmpty")
        del self.buckets[name]

    def object(self, bucket: str, key: str) -> StoredObject:
        """
        One object.

        Raises:
            S3Error: There is none.
        """
        found = self.bucket(bucket).objects.get(key)
        if found is None:
            raise S3Error("NoSuchKey")
        return found

    def put(self, bucket: str, key: str, stored: StoredObject, actor: Actor, event: str = "Put") -> StoredObject:
        """
        Store an object in place of what was there.

        Args:
            event: How it came to be: `Put`, `Copy`, ...

        Raises:
            S3Error: There is no such bucket, or the key is too long.
        """
        if len(key.encode("utf-8", "surrogatepass")) > _KEY_BYTES_MAX:
            raise S3Error("KeyTooLongError")
        self.bucket(bucket).objects[key] = stored
        self._tell(f"s3:ObjectCreated:{event}", bucket, key, stored, actor)
        return stored

    def remove(self, bucket: str, key: str, actor: Actor) -> None:
        """
        Remove an object; nothing happens where there is none.
        """
        if self.bucket(bucket).objects.pop(key, None) is not None:
            self._tell("s3:ObjectRemoved:Delete", bucket, key, None, actor)

    def tag(self, bucket: str, key: str, tags: Sequence[tuple[str, str]], actor: Actor) -> None:
        """
        Give an object these tags and no others.
        """
        tagged = replace(self.object(bucket, key), tags=tuple(tags))
        self.bucket(bucket).objects[key] = tagged
        self._tell(f"s3:ObjectCreated:{'PutTagging' if tags else 'DeleteTagging'}", bucket, key, tagged, actor)

    def accessed(self, bucket: str, key: str, how: str, actor: Actor) -> None:
        """
        Tell that an object was read (`Get`) or looked at (`Head`).
        """
        self._tell(f"s3:ObjectAccessed:{how}", bucket, key, self.object(bucket, key), actor)

    def begin_upload(self, bucket: str, key: str, blank: StoredObject) -> str:
        """
        Begin an upload in parts; returns its id.
        """
        self.bucket(bucket)
        upload_id = uuid4().hex
        self.uploads[upload_id] = Upload(bucket, key, blank)
        return upload_id

    def upload(self, upload_id: str, bucket: str, key: str) -> Upload:
        """
        An upload that was begun.

        Raises:
            S3Error: There is none of that id for that object.
        """
        found = self.uploads.get(upload_id)
        if found is None or (found.bucket, found.key) != (bucket, key):
            raise S3Error("NoSuchUpload")
        return found

    def finish_upload(self, upload_id: str, upload: Upload, wanted: Sequence[tuple[int, str]], actor: Actor) -> str:
        """
        Make the object of the *wanted* parts, each by number and etag; returns its etag.

        Raises:
            S3Error: They are not there, or out of order.
        """
        numbers = [number for number, _ in wanted]
        if numbers != sorted(set(numbers)):
            raise S3Error("InvalidPartOrder")
        parts = [upload.parts.get(number) for number in numbers]
        if not parts or any(p is None or p.etag != etag for p, (_, etag) in zip(parts, wanted, strict=True)):
            raise S3Error("InvalidPart")
        there = [part for part in parts if part is not None]
        digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in there), usedforsecurity=False)
        etag = f"{digest.hexdigest()}-{len(there)}"
        data = b"".join(part.data for part in there)
        made = replace(upload.blank, data=data, etag=etag, modified=self.now())
        self.put(upload.bucket, upload.key, made, actor, "CompleteMultipartUpload")
        del self.uploads[upload_id]
        return etag

    def _tell(self, event: str, bucket: str, key: str, stored: StoredObject | None, actor: Actor) -> None:
        self._number += 1
        happening = Happening(
            event, bucket, key, self._number, self.now(), user=actor.user, sender=actor.sender,
            user_agent=actor.user_agent,
        )  # fmt: skip
        if stored is not None:
            happening = happening._replace(
                size=len(stored.data),
                etag=stored.etag,
                content_type=stored.content_type,
                metadata=stored.metadata,
            )
        self._told(happening)


def etag_of(data: bytes) -> str:
    """
    The etag of an object that came whole.
    """
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


_KEPT_HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-language", "expires")


def object_of(data: bytes, headers: Mapping[str, str], now: datetime) -> StoredObject:
    """
    The object that a request with these headers stores.
    """
    kept = [(name, value) for name, value in headers.items() if name in _KEPT_HEADERS or name.startswith("x-amz-meta-")]
    encoding = [part for part in headers.get("content-encoding", "").split(",") if part.strip() != "aws-chunked"]
    kept = [(name, ",".join(encoding) if name == "content-encoding" else value) for name, value in kept]
    kept = [(name, value) for name, value in kept if value]
    return StoredObject(data, etag_of(data), now, headers.get("content-type") or DEFAULT_TYPE, tuple(kept))
