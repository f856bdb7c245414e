"""
MinioClient: what a scenario does to a MinIO, by MinIO's own client, each thing within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any

from minio import Minio
from minio.datatypes import Part
from minio.error import MinioException, S3Error
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from simulator.services.local.s3_stream import PADDING
from simulator.services.service import Stimulus

_ANSWER_S = 1.0
_PART_BYTES_MIN = 5 * 1024 * 1024
_PUBLIC = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:*"],'
    ' "Resource": ["arn:aws:s3:::%s", "arn:aws:s3:::%s/*"]}]}'
)


class Refused(Exception):
    """
    The store did not do it; says why.
    """


class MinioClient:
    """
    One server's. All that waits does so in a thread.

    Args:
        access: As KeptMinio gives it.
    """

    def __init__(self, access: Mapping[str, Any]) -> None:
        pool = PoolManager(timeout=Timeout(_ANSWER_S), retries=False)
        self._client = Minio(
            f"127.0.0.1:{access['port']}",
            access["user"],
            access["secret"],
            secure=False,
            region="us-east-1",
            http_client=pool,
        )
        self._client.set_app_info("gatesim", PADDING)

    async def make_bucket(self, bucket: str, *, public: bool) -> None:
        """
        Make a bucket.

        Args:
            public: Whether it is open to those who sign nothing.

        Raises:
            Refused: See there.
        """
        await _done(partial(self._make_bucket, bucket, public))

    async def publish(self, stimulus: Stimulus) -> None:
        """
        Put or remove an object.

        Raises:
            Refused: See there.
        """
        await _done(partial(self._take, stimulus))

    async def touch(self, bucket: str, key: str, *, in_parts: bool) -> None:
        """
        Have an object put, read and removed.

        Args:
            in_parts: Whether it is put in parts, of which events have another name.

        Raises:
            Refused: See there.
        """
        await _done(partial(self._touch, bucket, key, in_parts))

    async def remove_all(self) -> None:
        """
        Remove every bucket and what is in it.

        Raises:
            Refused: See there.
        """
        await _done(self._remove_all)

    def _make_bucket(self, bucket: str, public: bool) -> None:
        self._client.make_bucket(bucket)
        if public:
            self._client.set_bucket_policy(bucket, _PUBLIC % (bucket, bucket))

    def _take(self, stimulus: Stimulus) -> None:
        bucket, key = stimulus.get("bucket"), stimulus.get("key")
        if stimulus.verb != "put":
            self._client.remove_object(bucket, key)
            return
        headers: dict[str, Any] = {name.lower(): value for name, value in stimulus.headers}
        kind = str(headers.pop("content-type", "application/octet-stream"))
        size = len(stimulus.payload)
        # In one piece, whatever its size: parts make an event of another name.
        part = max(size, _PART_BYTES_MIN)
        self._client.put_object(
            bucket, key, BytesIO(stimulus.payload), size, content_type=kind, metadata=headers or None, part_size=part
        )

    def _touch(self, bucket: str, key: str, in_parts: bool) -> None:
        if in_parts:
            self._put_in_parts(bucket, key)
        else:
            self._client.put_object(bucket, key, BytesIO(b""), 0)
        try:
            answer = self._client.get_object(bucket, key)
            answer.close()
            answer.release_conn()
        finally:
            self._client.remove_object(bucket, key)

    def _put_in_parts(self, bucket: str, key: str) -> None:
        # The library does so of its own accord only for more than 5 MiB.
        client: Any = self._client
        upload = client._create_multipart_upload(bucket, key, {})
        etag = client._upload_part(bucket, key, b"1", None, upload, 1)
        client._complete_multipart_upload(bucket, key, upload, [Part(1, etag)])

    def _remove_all(self) -> None:
        for bucket in self._client.list_buckets():
            for found in self._client.list_objects(bucket.name, recursive=True):
                assert found.object_name is not None, "a list of objects names each"
                self._client.remove_object(bucket.name, found.object_name)
            with suppress(S3Error):
                self._client.delete_bucket_policy(bucket.name)
            self._client.remove_bucket(bucket.name)


async def _done(work: Any) -> None:
    try:
        await asyncio.to_thread(work)
    except S3Error as error:
        raise Refused(f"{error.code}: {error.message}") from error
    except (MinioException, HTTPError, OSError, ValueError) as error:
        raise Refused(str(error)) from error
