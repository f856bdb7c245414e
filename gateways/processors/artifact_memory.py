"""
BucketMemory: which objects of a bucket are known, so that a list of it shows what came while nobody listened; pure.

What was last modified before a watermark is known. From there on each state of an object, by key and etag, is
remembered with the time at which the store told of it. The watermark follows the newest of these times at a distance,
so that what is remembered is bounded however large the bucket is.
"""

from __future__ import annotations

import heapq
import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote_plus
from uuid import UUID, uuid5
from weakref import WeakKeyDictionary

from gateways.processors.artifact_options import ArtifactOptions
from gateways.source_event import SourceEvent

WINDOW = timedelta(seconds=60)
"""How late a store may tell of an object, or how far the clocks of its machines may differ."""
ID_NAMESPACE = UUID("5a0c1c1e-98a4-5b0e-8f57-4f2d1f0c6a77")
"""Ids of events that a list makes are uuid5 of this and `<endpoint>/<bucket>/<key>/<etag>/<last modified>`."""
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_PUT, _IN_PARTS = "s3:ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload"


class StoredObject(NamedTuple):
    """
    An object as a list shows it.
    """

    key: str
    etag: str
    size: int
    modified: datetime

    @property
    def event(self) -> str:
        """
        What made it: the etag of an object that came in parts ends with how many they were. A copy looks like a put.
        """
        return _IN_PARTS if "-" in self.etag else _PUT


State = tuple[str, str]
"""Key and etag."""


class BucketMemory:
    """
    What is known of one bucket.

    Args:
        remembered_max: States that are remembered. Where more fall into the window, the window is shortened; of those
            that bear one instant a list may then show some as news that are none.
    """

    def __init__(self, remembered_max: int) -> None:
        self.begun = False
        """Whether a list has shown what was there at the start."""
        self._max = remembered_max
        self._behind = True
        self._watermark = _BEGINNING
        self._newest = _BEGINNING
        self._known: dict[State, datetime] = {}
        self._oldest: list[tuple[datetime, State]] = []
        """A heap; has also what is no longer known, or known from later on."""

    def __len__(self) -> int:
        return len(self._known)

    def falls_behind(self) -> None:
        """
        Something may have come untold: until a list is complete the watermark stands where it is.
        """
        self._behind = self.begun

    def note(self, key: str, etag: str, at: datetime) -> None:
        """
        The store told of this state at that time, or a list shows that it was last modified then.
        """
        state = key, etag
        known = self._known.get(state)
        if at < self._watermark or (known is not None and known >= at):
            return
        self._known[state] = at
        heapq.heappush(self._oldest, (at, state))
        self._newest = max(self._newest, at)
        if not self._behind:
            self._raise_watermark(self._newest - WINDOW)
        self._forget_beyond_the_limit()

    def knows(self, stored: StoredObject) -> bool:
        """
        Whether nothing has to be said of *stored*.
        """
        if stored.modified < self._watermark:
            return True
        at = self._known.get((stored.key, stored.etag))
        return at is not None and stored.modified <= at

    def is_complete(self) -> None:
        """
        A list was gone through to its end; what it showed was noted.
        """
        self.begun = True
        self._behind = False
        if self._newest > _BEGINNING:
            self._raise_watermark(self._newest - WINDOW)

    def _raise_watermark(self, at: datetime) -> None:
        self._watermark = max(self._watermark, at)
        while self._oldest and self._oldest[0][0] < self._watermark:
            self._forget_oldest()

    def _forget_beyond_the_limit(self) -> None:
        while len(self._known) > self._max:
            self._forget_oldest()
            if not self._behind:
                self._raise_watermark(self._oldest[0][0])
        if len(self._oldest) > 2 * self._max:
            self._oldest = [(at, state) for state, at in self._known.items()]
            heapq.heapify(self._oldest)

    def _forget_oldest(self) -> None:
        at, state = heapq.heappop(self._oldest)
        if self._known.get(state) == at:
            del self._known[state]


class Memories:
    """
    The memories of all configurations of one gateway, each for as long as its configuration stands.
    """

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[object, BucketMemory] = WeakKeyDictionary()

    def of(self, configuration: object, remembered_max: int) -> BucketMemory:
        """
        That of one incarnation of a configuration.
        """
        if configuration not in self._of:
            self._of[configuration] = BucketMemory(remembered_max)
        return self._of[configuration]

    async def reconcile(self) -> None:
        """See Shared."""

    async def close(self) -> None:
        """See Shared."""

    def abort(self) -> None:
        """See Shared."""


def covers(options: ArtifactOptions, stored: StoredObject) -> bool:
    """
    Whether a configuration that lists objects with its prefix wants *stored*.
    """
    wanted = options.event
    made_so = wanted == stored.event or (wanted.endswith("*") and stored.event.startswith(wanted[:-1]))
    return made_so and stored.key.endswith(options.suffix)


def event_from_list(stored: StoredObject, options: ArtifactOptions) -> SourceEvent:
    """
    The event of an object that only a list shows: a record as the store would have told it, with what a list tells.
    """
    at = stored.modified.astimezone(UTC)
    time = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
    bucket = {"name": options.bucket, "arn": f"arn:aws:s3:::{options.bucket}"}
    about = {"key": quote_plus(stored.key), "size": stored.size, "eTag": stored.etag}
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": options.region,
        "eventTime": time,
        "eventName": stored.event,
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "reconcile", "bucket": bucket, "object": about},
    }
    place = f"{options.endpoint}/{options.bucket}/{stored.key}/{stored.etag}/{time}"
    payload = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return SourceEvent(payload, at, stored.key, "application/json", id=str(uuid5(ID_NAMESPACE, place)))
