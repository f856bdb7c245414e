"""
The protocol core: a request in, an answer out, over one store; whoever carries both is no matter of it.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from datetime import datetime

from simulator.services.embedded.s3.bucket_operations import BucketOperations
from simulator.services.embedded.s3.chunked import decode_chunks, is_chunked
from simulator.services.embedded.s3.documents import error_document
from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.notifications import Listening
from simulator.services.embedded.s3.object_operations import ObjectOperations
from simulator.services.embedded.s3.operations import operation_of
from simulator.services.embedded.s3.request import Answer, S3Request
from simulator.services.embedded.s3.signature import check_signature
from simulator.services.embedded.s3.store import Actor, Store
from simulator.services.embedded.s3.upload_operations import UploadOperations

Hook = Callable[[str], S3Error | None]
"""Told the name of each operation; what it returns is the answer."""

_CHECKSUMS: Mapping[str, Callable[[bytes], bytes]] = {
    "content-md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "x-amz-checksum-crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "x-amz-checksum-sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "x-amz-checksum-sha256": lambda data: hashlib.sha256(data).digest(),
}
"""Those that are checked; others are taken as they are."""


class S3Core:
    """
    Answers requests.

    Args:
        store: What they are about.
        users: Access keys to secret keys; without any, signatures are not looked at.
        clock: Real time, by which clients sign.
        listening: Whether ListenBucketNotification is known.
        hook: See Hook.
    """

    def __init__(
        self,
        store: Store,
        users: Mapping[str, str],
        *,
        clock: Callable[[], datetime],
        listening: bool = True,
        hook: Hook = lambda operation: None,
    ) -> None:
        self._users = dict(users)
        self._clock = clock
        self._listening = listening
        self._hook = hook
        buckets, objects, uploads = BucketOperations(store), ObjectOperations(store), UploadOperations(store)
        self._takers = {**buckets.by_name(), **objects.by_name(), **uploads.by_name()}
        self._listen = buckets.listen

    def answer(self, request: S3Request) -> Answer | Listening:
        """
        The answer to *request*; for ListenBucketNotification what is listened for. Never raises.
        """
        try:
            return self._answered(request)
        except S3Error as error:
            return error_document(error, request.path, bare=request.method == "HEAD")

    def _answered(self, request: S3Request) -> Answer | Listening:
        request, user = self._checked(request)
        operation = operation_of(request)
        refused = self._hook(operation)
        if refused is not None:
            raise refused
        if operation == "ListenBucketNotification":
            if self._listening:
                return self._listen(request)
            operation = "ListObjects" if request.bucket else "ListBuckets"  # as a store answers that does not know it
        actor = Actor(user, request.sender, request.headers.get("user-agent", ""))
        return self._takers[operation](request, actor)

    def _checked(self, request: S3Request) -> tuple[S3Request, str]:
        """
        *request* with its body decoded, and who sent it.
        """
        signature = check_signature(request, self._users, self._clock()) if self._users else None
        if is_chunked(request.headers):
            secret = self._users[signature.access_key] if signature is not None else ""
            body, trailers = decode_chunks(request.body, request.headers, signature, secret)
            request = request._replace(body=body, headers={**request.headers, **trailers})
        for name, digest in _CHECKSUMS.items():
            said = request.headers.get(name)
            if said is not None and said != base64.b64encode(digest(request.body)).decode():
                raise S3Error("BadDigest")
        return request, signature.access_key if signature is not None else ""
