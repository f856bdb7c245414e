"""
Operations on buckets: making, listing, tags, notification configuration, and who listens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from simulator.services.embedded.s3.documents import (
    Element,
    document,
    instant,
    parsed,
    tagging,
    tags_in,
    text_in,
)
from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.listing import list_objects, list_objects_v2
from simulator.services.embedded.s3.notifications import Listening, check_events
from simulator.services.embedded.s3.request import Answer, S3Request
from simulator.services.embedded.s3.store import Actor, Store

Taker = Callable[[S3Request, Actor], Answer]
DELETED_AT_ONCE_MAX = 1000


class BucketOperations:
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
            "ListBuckets": self._list,
            "CreateBucket": self._create,
            "HeadBucket": self._head,
            "DeleteBucket": self._delete,
            "GetBucketLocation": self._location,
            "GetBucketVersioning": self._versioning,
            "ListObjects": lambda request, actor: list_objects(request, self._store.bucket(request.bucket).objects),
            "ListObjectsV2": lambda request, actor: list_objects_v2(
                request, self._store.bucket(request.bucket).objects
            ),
            "DeleteObjects": self._delete_many,
            "GetBucketTagging": self._tags,
            "PutBucketTagging": self._tag,
            "DeleteBucketTagging": self._untag,
            "GetBucketNotificationConfiguration": self._notification,
            "PutBucketNotificationConfiguration": self._notify,
        }

    def listen(self, request: S3Request) -> Listening:
        """
        What a ListenBucketNotification asks for.

        Raises:
            S3Error: There is no such bucket, or an event is none.
        """
        if request.bucket:
            self._store.bucket(request.bucket)
        events = tuple(value for name, value in request.query if name == "events")
        check_events(events)
        return Listening(request.bucket, request.parameter("prefix"), request.parameter("suffix"), events)

    def _list(self, request: S3Request, actor: Actor) -> Answer:
        owner: Element = ("Owner", (("ID", "gatesim"), ("DisplayName", "gatesim")))
        listed = [
            ("Bucket", (("Name", name), ("CreationDate", instant(bucket.created))))
            for name, bucket in sorted(self._store.buckets.items())
        ]
        return document("ListAllMyBucketsResult", (owner, ("Buckets", listed)))

    def _create(self, request: S3Request, actor: Actor) -> Answer:
        self._store.make_bucket(request.bucket)
        return Answer(headers=(("Location", f"/{quote(request.bucket)}"),))

    def _head(self, request: S3Request, actor: Actor) -> Answer:
        self._store.bucket(request.bucket)
        return Answer(headers=(("x-amz-bucket-region", "us-east-1"),))

    def _delete(self, request: S3Request, actor: Actor) -> Answer:
        self._store.remove_bucket(request.bucket)
        return Answer(204)

    def _location(self, request: S3Request, actor: Actor) -> Answer:
        self._store.bucket(request.bucket)
        return document("LocationConstraint", ())

    def _versioning(self, request: S3Request, actor: Actor) -> Answer:
        self._store.bucket(request.bucket)
        return document("VersioningConfiguration", ())

    def _delete_many(self, request: S3Request, actor: Actor) -> Answer:
        self._store.bucket(request.bucket)
        root = parsed(request.body, "Delete")
        keys = [text_in(element, "Key") for element in root.iterfind("Object")]
        if len(keys) > DELETED_AT_ONCE_MAX or not all(keys):
            raise S3Error("MalformedXML")
        for key in keys:
            self._store.remove(request.bucket, key, actor)
        quiet = text_in(root, "Quiet").lower() == "true"
        deleted: list[Element] = [] if quiet else [("Deleted", (("Key", key),)) for key in keys]
        return document("DeleteResult", deleted)

    def _tags(self, request: S3Request, actor: Actor) -> Answer:
        tags = self._store.bucket(request.bucket).tags
        if not tags:
            raise S3Error("NoSuchTagSet")
        return tagging(tags)

    def _tag(self, request: S3Request, actor: Actor) -> Answer:
        self._store.bucket(request.bucket).tags = tuple(tags_in(request.body))
        return Answer()

    def _untag(self, request: S3Request, actor: Actor) -> Answer:
        self._store.bucket(request.bucket).tags = ()
        return Answer(204)

    def _notification(self, request: S3Request, actor: Actor) -> Answer:
        kept = self._store.bucket(request.bucket).notification
        return Answer(200, kept, (("Content-Type", "application/xml"),)) if kept else document(_NOTIFICATION, ())

    def _notify(self, request: S3Request, actor: Actor) -> Answer:
        bucket = self._store.bucket(request.bucket)
        root = parsed(request.body, _NOTIFICATION)
        check_events(element.text or "" for element in root.iter("Event"))
        bucket.notification = request.body
        return Answer()


_NOTIFICATION = "NotificationConfiguration"
