"""
Notifications: what happened in a bucket, who wants to hear of it, and the record that tells it as MinIO does; pure.

Source: MinIO's documentation of bucket notifications and of ListenBucketNotification; "Event message structure" in the
Amazon S3 user guide.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from simulator.services.embedded.s3.errors import S3Error

CREATED = ("Put", "Post", "Copy", "CompleteMultipartUpload", "PutTagging", "DeleteTagging")
ACCESSED = ("Get", "Head")
REMOVED = ("Delete", "DeleteMarkerCreated")
EVENTS = frozenset(
    f"s3:{group}:{name}"
    for group, names in (("ObjectCreated", CREATED), ("ObjectAccessed", ACCESSED), ("ObjectRemoved", REMOVED))
    for name in (*names, "*")
) | {"s3:ReducedRedundancyLostObject"}
"""Every name by which something can be listened for."""


class Happening(NamedTuple):
    """
    One thing that happened to one object.
    """

    event: str
    """`s3:ObjectCreated:Put`."""
    bucket: str
    key: str
    number: int
    """Higher than that of everything before."""
    at: datetime
    size: int | None = None
    """Of the object; None where it is gone."""
    etag: str = ""
    content_type: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    user: str = ""
    sender: str = ""
    """The client's host."""
    user_agent: str = ""


class Listening(NamedTuple):
    """
    What somebody wants to hear of.
    """

    bucket: str
    """Empty for all."""
    prefix: str
    suffix: str
    events: tuple[str, ...]

    def covers(self, event: str, bucket: str, key: str) -> bool:
        """
        Whether it wants to hear of *event* of that object.
        """
        return (
            self.bucket in ("", bucket)
            and key.startswith(self.prefix)
            and key.endswith(self.suffix)
            and any(
                wanted == event or (wanted.endswith("*") and event.startswith(wanted[:-1])) for wanted in self.events
            )
        )


def check_events(events: Iterable[str]) -> None:
    """
    Refuse names of events that are none.

    Raises:
        S3Error: One of them.
    """
    for event in events:
        if event not in EVENTS:
            raise S3Error("InvalidArgument", f"A specified event is not supported for notifications: {event[:60]}")


def record_of(happening: Happening) -> dict[str, Any]:
    """
    The record that tells *happening*. Its key is escaped as in a URL's query.
    """
    stored: dict[str, Any] = {"key": quote_plus(happening.key)}
    if happening.size is not None:
        metadata = {**dict(happening.metadata), "content-type": happening.content_type}
        stored |= {
            "size": happening.size,
            "eTag": happening.etag,
            "contentType": happening.content_type,
            "userMetadata": metadata,
        }
    stored["sequencer"] = f"{happening.number:016X}"
    owner = {"principalId": happening.user}
    at = happening.at.astimezone(UTC)
    bucket = {"name": happening.bucket, "ownerIdentity": owner, "arn": f"arn:aws:s3:::{happening.bucket}"}
    return {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
        "eventName": happening.event,
        "userIdentity": owner,
        "requestParameters": {"principalId": happening.user, "region": "", "sourceIPAddress": happening.sender},
        "responseElements": {"x-amz-request-id": f"{happening.number:016X}"},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "Config", "bucket": bucket, "object": stored},
        "source": {"host": happening.sender, "port": "", "userAgent": happening.user_agent},
    }


def line_of(records: list[dict[str, Any]]) -> bytes:
    """
    A line of a notification stream.
    """
    return json.dumps({"Records": records}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
