"""
Listings: which objects of a bucket a page shows, and where the next one begins; pure, with both versions' documents.

Source: Amazon S3 API reference, ListObjects and ListObjectsV2.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote

from simulator.services.embedded.s3.documents import Element, document, instant
from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.request import Answer, S3Request
from simulator.services.embedded.s3.store import StoredObject

_PAGE = 1000


class Page(NamedTuple):
    """
    One page.
    """

    keys: tuple[str, ...]
    prefixes: tuple[str, ...]
    """What stands for all keys that begin so."""
    following: str
    """The last name of this page, where there is more; else empty."""


def page_of(keys: Iterable[str], *, prefix: str, delimiter: str, after: str, most: int) -> Page:
    """
    The page that begins behind *after* (a key, or one of the prefixes).
    """
    found: list[str] = []
    prefixes: list[str] = []
    last = ""
    for key in sorted(keys):
        if not key.startswith(prefix) or key <= after:
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if cut < 0 else key[: cut + len(delimiter)]
        if cut >= 0 and (name <= after or (prefixes and prefixes[-1] == name)):
            continue
        if len(found) + len(prefixes) >= most:
            return Page(tuple(found), tuple(prefixes), last)
        last = name
        (found if cut < 0 else prefixes).append(name)
    return Page(tuple(found), tuple(prefixes), "")


def list_objects(request: S3Request, objects: Mapping[str, StoredObject]) -> Answer:
    """
    The answer to ListObjects.
    """
    said, page, written = _page(request, objects, request.parameter("marker"))
    more: list[Element] = [("Marker", written(request.parameter("marker")))]
    if page.following:
        more.append(("NextMarker", written(page.following)))
    return document("ListBucketResult", (*said, *more, *_contents(page, objects, written)))


def list_objects_v2(request: S3Request, objects: Mapping[str, StoredObject]) -> Answer:
    """
    The answer to ListObjectsV2.
    """
    token = request.parameter("continuation-token")
    after = _place_of(token) if token else request.parameter("start-after")
    said, page, written = _page(request, objects, after)
    more: list[Element] = [("KeyCount", str(len(page.keys) + len(page.prefixes)))]
    if token:
        more.append(("ContinuationToken", token))
    if request.parameter("start-after"):
        more.append(("StartAfter", written(request.parameter("start-after"))))
    if page.following:
        more.append(("NextContinuationToken", _token_of(page.following)))
    return document("ListBucketResult", (*said, *more, *_contents(page, objects, written)))


class _Written:
    """
    Names as the client asked for them.
    """

    def __init__(self, encoding: str) -> None:
        if encoding not in ("", "url"):
            raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
        self._escaped = encoding == "url"

    def __call__(self, name: str) -> str:
        return quote(name, safe="/") if self._escaped else name


def _page(request: S3Request, objects: Mapping[str, StoredObject], after: str) -> tuple[list[Element], Page, _Written]:
    written = _Written(request.parameter("encoding-type"))
    prefix, delimiter = request.parameter("prefix"), request.parameter("delimiter")
    most = request.whole_number("max-keys", _PAGE, _PAGE)
    page = page_of(objects, prefix=prefix, delimiter=delimiter, after=after, most=most)
    said: list[Element] = [
        ("Name", request.bucket),
        ("Prefix", written(prefix)),
        ("MaxKeys", str(most)),
        ("IsTruncated", "true" if page.following else "false"),
    ]
    if delimiter:
        said.append(("Delimiter", written(delimiter)))
    if request.has("encoding-type"):
        said.append(("EncodingType", "url"))
    return said, page, written


def _contents(page: Page, objects: Mapping[str, StoredObject], written: _Written) -> Iterator[Element]:
    for key in page.keys:
        stored = objects[key]
        yield (
            "Contents",
            (
                ("Key", written(key)),
                ("LastModified", instant(stored.modified)),
                ("ETag", f'"{stored.etag}"'),
                ("Size", str(len(stored.data))),
                ("StorageClass", "STANDARD"),
            ),
        )
    for prefix in page.prefixes:
        yield "CommonPrefixes", (("Prefix", written(prefix)),)


def _token_of(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode()


def _place_of(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None
