"""
Operations on uploads that come in parts.
"""

from __future__ import annotations

from collections.abc import Mapping

from simulator.services.embedded.s3.bucket_operations import Taker
from simulator.services.embedded.s3.documents import Element, document, instant, parsed, text_in
from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.object_operations import copied, range_of
from simulator.services.embedded.s3.request import Answer, S3Request
from simulator.services.embedded.s3.store import Actor, Part, Store, etag_of, object_of

_PARTS_MAX = 10_000


class UploadOperations:
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
            "CreateMultipartUpload": self._begin,
            "UploadPart": self._part,
            "UploadPartCopy": self._copy_part,
            "CompleteMultipartUpload": self._complete,
            "AbortMultipartUpload": self._abort,
            "ListParts": self._list_parts,
            "ListMultipartUploads": self._list,
        }

    def _begin(self, request: S3Request, actor: Actor) -> Answer:
        blank = object_of(b"", request.headers, self._store.now())
        upload_id = self._store.begin_upload(request.bucket, request.key, blank)
        said = (("Bucket", request.bucket), ("Key", request.key), ("UploadId", upload_id))
        return document("InitiateMultipartUploadResult", said)

    def _part(self, request: S3Request, actor: Actor) -> Answer:
        part = self._keep(request, request.body)
        return Answer(headers=(("ETag", f'"{part.etag}"'),))

    def _copy_part(self, request: S3Request, actor: Actor) -> Answer:
        data = copied(self._store, request).data
        wanted = range_of(request.headers.get("x-amz-copy-source-range", ""), len(data))
        part = self._keep(request, data if wanted is None else data[wanted.start : wanted.stop])
        return document("CopyPartResult", (("ETag", f'"{part.etag}"'), ("LastModified", instant(part.modified))))

    def _keep(self, request: S3Request, data: bytes) -> Part:
        upload = self._store.upload(request.parameter("uploadId"), request.bucket, request.key)
        number = request.whole_number("partNumber", 0, _PARTS_MAX + 1)
        if not 1 <= number <= _PARTS_MAX:
            raise S3Error("InvalidArgument", f"Part number must be an integer between 1 and {_PARTS_MAX}, inclusive")
        part = upload.parts[number] = Part(data, etag_of(data), self._store.now())
        return part

    def _complete(self, request: S3Request, actor: Actor) -> Answer:
        upload_id = request.parameter("uploadId")
        upload = self._store.upload(upload_id, request.bucket, request.key)
        wanted = []
        for element in parsed(request.body, "CompleteMultipartUpload").iterfind("Part"):
            number = text_in(element, "PartNumber").strip()
            if not (number.isascii() and number.isdigit()):
                raise S3Error("MalformedXML")
            wanted.append((int(number), text_in(element, "ETag").strip().strip('"')))
        etag = self._store.finish_upload(upload_id, upload, wanted, actor)
        said = (("Location", request.path), ("Bucket", request.bucket), ("Key", request.key), ("ETag", f'"{etag}"'))
        return document("CompleteMultipartUploadResult", said)

    def _abort(self, request: S3Request, actor: Actor) -> Answer:
        upload_id = request.parameter("uploadId")
        self._store.upload(upload_id, request.bucket, request.key)
        del self._store.uploads[upload_id]
        return Answer(204)

    def _list_parts(self, request: S3Request, actor: Actor) -> Answer:
        upload_id = request.parameter("uploadId")
        upload = self._store.upload(upload_id, request.bucket, request.key)
        parts: list[Element] = [
            (
                "Part",
                (
                    ("PartNumber", str(number)),
                    ("LastModified", instant(part.modified)),
                    ("ETag", f'"{part.etag}"'),
                    ("Size", str(len(part.data))),
                ),
            )
            for number, part in sorted(upload.parts.items())
        ]
        said = (("Bucket", request.bucket), ("Key", request.key), ("UploadId", upload_id), ("IsTruncated", "false"))
        return document("ListPartsResult", (*said, *parts))

    def _list(self, request: S3Request, actor: Actor) -> Answer:
        self._store.bucket(request.bucket)
        uploads: list[Element] = [
            (
                "Upload",
                (("Key", upload.key), ("UploadId", upload_id), ("Initiated", instant(upload.blank.modified))),
            )
            for upload_id, upload in sorted(self._store.uploads.items(), key=lambda entry: entry[1].key)
            if upload.bucket == request.bucket and upload.key.startswith(request.parameter("prefix"))
        ]
        return document("ListMultipartUploadsResult", (("Bucket", request.bucket), ("IsTruncated", "false"), *uploads))
