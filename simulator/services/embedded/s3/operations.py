"""
Operations: which operation a request is, by the name that S3's documentation gives it; pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.request import S3Request

_SERVICE = {("GET", "events"): "ListenBucketNotification", ("GET", ""): "ListBuckets"}
_BUCKET = {
    ("GET", "events"): "ListenBucketNotification",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "notification"): "GetBucketNotificationConfiguration",
    ("PUT", "notification"): "PutBucketNotificationConfiguration",
    ("GET", "tagging"): "GetBucketTagging",
    ("PUT", "tagging"): "PutBucketTagging",
    ("DELETE", "tagging"): "DeleteBucketTagging",
    ("GET", "versioning"): "GetBucketVersioning",
    ("GET", "uploads"): "ListMultipartUploads",
    ("POST", "delete"): "DeleteObjects",
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", ""): "ListObjects",
    ("PUT", ""): "CreateBucket",
    ("HEAD", ""): "HeadBucket",
    ("DELETE", ""): "DeleteBucket",
}
_OBJECT = {
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "tagging"): "PutObjectTagging",
    ("DELETE", "tagging"): "DeleteObjectTagging",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("PUT", "uploadId"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListParts",
    ("GET", ""): "GetObject",
    ("HEAD", ""): "HeadObject",
    ("PUT", ""): "PutObject",
    ("DELETE", ""): "DeleteObject",
}
_COPIES = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}
_OF_EVERYTHING = (_SERVICE, _BUCKET, _OBJECT)
_ASPECTS = frozenset(
    {
        *(aspect for table in _OF_EVERYTHING for _, aspect in table if aspect),
        *("acl", "cors", "encryption", "lifecycle", "logging", "object-lock", "policy", "policyStatus"),
        *("replication", "requestPayment", "restore", "retention", "select", "torrent", "versions", "website"),
        *("accelerate", "analytics", "inventory", "legal-hold", "metrics", "ownershipControls", "publicAccessBlock"),
    }
)
"""Names in a query that say which aspect of a bucket or an object is meant."""

NAMES = frozenset({name for table in _OF_EVERYTHING for name in table.values()} | set(_COPIES.values()))
"""Every operation that is known."""


def operation_of(request: S3Request) -> str:
    """
    The name of the operation.

    Raises:
        S3Error: None of those that are known.
    """
    table: Mapping[tuple[str, str], str]
    table = _OBJECT if request.key else _BUCKET if request.bucket else _SERVICE
    aspects = [name for name, _ in request.query if name in _ASPECTS]
    for aspect in aspects or [""]:
        found = table.get((request.method, aspect))
        if found is not None:
            return _COPIES.get(found, found) if "x-amz-copy-source" in request.headers else found
    if aspects:
        raise S3Error("NotImplemented", f"{request.method} of {aspects[0]} is not implemented")
    raise S3Error("MethodNotAllowed")
