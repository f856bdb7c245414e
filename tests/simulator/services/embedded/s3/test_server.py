"""
Our S3 server as boto3, MinIO's client and raw HTTP see it.
"""

from __future__ import annotations

import http.client
import io
import json
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from minio import Minio
from minio.commonconfig import CopySource, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from simulator.services.embedded.s3.operations import NAMES, operation_of
from simulator.services.embedded.s3.request import request_of
from tests.simulator.services.embedded.s3.running import Running, s3_server

KEY = "a b/ü+%&=?.txt"


@pytest.fixture
def running() -> Iterator[Running]:
    with s3_server() as started:
        yield started


def boto(running: Running, secret: str = "secret") -> Any:
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, signature_version="s3v4")
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{running.port}",
        aws_access_key_id="me",
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=config,
    )


def minio(running: Running) -> Minio:
    return Minio(f"127.0.0.1:{running.port}", "me", "secret", secure=False)


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = error.value.response["Error"]["Code"]
    return code


@pytest.fixture
def s3(running: Running) -> Iterator[Any]:
    client = boto(running)
    client.create_bucket(Bucket="one")
    yield client
    client.close()


def test_an_object_comes_back_with_all_that_was_said_of_it(s3: Any) -> None:
    s3.put_object(
        Bucket="one", Key=KEY, Body=b"hello", Metadata={"x": "y"}, ContentType="text/plain", CacheControl="no-store"
    )
    found = s3.get_object(Bucket="one", Key=KEY)
    assert found["Body"].read() == b"hello"
    assert (found["Metadata"], found["ContentType"], found["CacheControl"]) == ({"x": "y"}, "text/plain", "no-store")
    assert found["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    assert s3.head_object(Bucket="one", Key=KEY)["ContentLength"] == 5


@pytest.mark.parametrize(
    ("wanted", "got"), [("bytes=1-2", b"el"), ("bytes=3-", b"lo"), ("bytes=-1", b"o"), ("bytes=0-99", b"hello")]
)
def test_a_range_is_a_part(s3: Any, wanted: str, got: bytes) -> None:
    s3.put_object(Bucket="one", Key="k", Body=b"hello")
    found = s3.get_object(Bucket="one", Key="k", Range=wanted)
    assert (found["Body"].read(), found["ResponseMetadata"]["HTTPStatusCode"]) == (got, 206)


def test_conditions_are_heeded(s3: Any) -> None:
    etag = s3.put_object(Bucket="one", Key="k", Body=b"hello")["ETag"]
    assert s3.get_object(Bucket="one", Key="k", IfMatch=etag)["Body"].read() == b"hello"
    for how, code in (
        ({"IfMatch": '"other"'}, "PreconditionFailed"),
        ({"IfNoneMatch": etag}, "304"),
        ({"Range": "bytes=9-"}, "InvalidRange"),
    ):
        with pytest.raises(ClientError) as refused:
            s3.get_object(Bucket="one", Key="k", **how)
        assert code_of(refused) == code
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="one", Key="k", Body=b"", IfNoneMatch="*")
    assert code_of(refused) == "PreconditionFailed"


def test_uploads_in_parts_and_copies_are_whole(s3: Any) -> None:
    data = bytes(range(256)) * 50_000
    s3.upload_fileobj(io.BytesIO(data), "one", "big")
    assert s3.head_object(Bucket="one", Key="big")["ETag"].endswith('-2"')
    assert s3.get_object(Bucket="one", Key="big")["Body"].read() == data
    s3.copy_object(Bucket="one", Key="copy", CopySource={"Bucket": "one", "Key": "big"})
    assert s3.get_object(Bucket="one", Key="copy")["Body"].read() == data
    upload = s3.create_multipart_upload(Bucket="one", Key="of-parts")["UploadId"]
    assert [each["UploadId"] for each in s3.list_multipart_uploads(Bucket="one")["Uploads"]] == [upload]
    part = s3.upload_part_copy(
        Bucket="one", Key="of-parts", UploadId=upload, PartNumber=1, CopySource="one/big", CopySourceRange="bytes=0-9"
    )
    assert len(s3.list_parts(Bucket="one", Key="of-parts", UploadId=upload)["Parts"]) == 1
    with pytest.raises(ClientError) as refused:
        s3.complete_multipart_upload(
            Bucket="one",
            Key="of-parts",
            UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 2, "ETag": part["CopyPartResult"]["ETag"]}]},
        )
    assert code_of(refused) == "InvalidPart"
    s3.abort_multipart_upload(Bucket="one", Key="of-parts", UploadId=upload)
    with pytest.raises(ClientError) as refused:
        s3.list_parts(Bucket="one", Key="of-parts", UploadId=upload)
    assert code_of(refused) == "NoSuchUpload"


def test_both_listings_go_through_all_pages(s3: Any) -> None:
    keys = sorted([KEY, *(f"d/{number:02}" for number in range(25)), "e"])
    for key in keys:
        s3.put_object(Bucket="one", Key=key, Body=b"")
    for listing in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(listing).paginate(Bucket="one", PaginationConfig={"PageSize": 7})
        assert [each["Key"] for page in pages for each in page.get("Contents", ())] == keys
        top = getattr(s3, listing)(Bucket="one", Delimiter="/")
        assert [each["Prefix"] for each in top["CommonPrefixes"]] == ["a b/", "d/"]
        assert [each["Key"] for each in top["Contents"]] == ["e"]
    deleted = s3.delete_objects(Bucket="one", Delete={"Objects": [{"Key": key} for key in keys]})["Deleted"]
    assert [each["Key"] for each in deleted] == keys
    s3.delete_bucket(Bucket="one")


def test_tags_and_notification_configuration_are_kept(s3: Any) -> None:
    s3.put_object(Bucket="one", Key="k", Body=b"", Tagging="a=b&c=d")
    assert s3.get_object_tagging(Bucket="one", Key="k")["TagSet"] == [
        {"Key": "a", "Value": "b"},
        {"Key": "c", "Value": "d"},
    ]
    s3.delete_object_tagging(Bucket="one", Key="k")
    assert s3.get_object_tagging(Bucket="one", Key="k")["TagSet"] == []
    s3.put_bucket_tagging(Bucket="one", Tagging={"TagSet": [{"Key": "x", "Value": "y"}]})
    assert s3.get_bucket_tagging(Bucket="one")["TagSet"] == [{"Key": "x", "Value": "y"}]
    queue = {"QueueArn": "arn:minio:sqs::1:webhook", "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(Bucket="one", NotificationConfiguration={"QueueConfigurations": [queue]})
    assert s3.get_bucket_notification_configuration(Bucket="one")["QueueConfigurations"] == [queue]


def test_refusals_are_those_of_s3(running: Running, s3: Any) -> None:
    for call, code in (
        (lambda: s3.get_object(Bucket="one", Key="nope"), "NoSuchKey"),
        (lambda: s3.list_objects_v2(Bucket="nope"), "NoSuchBucket"),
        (lambda: s3.create_bucket(Bucket="one"), "BucketAlreadyOwnedByYou"),
        (lambda: s3.get_bucket_tagging(Bucket="one"), "NoSuchTagSet"),
        (lambda: s3.get_bucket_policy(Bucket="one"), "NotImplemented"),
        (lambda: boto(running, "wrong").list_buckets(), "SignatureDoesNotMatch"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert code_of(refused) == code
    s3.put_object(Bucket="one", Key="k", Body=b"")
    with pytest.raises(ClientError) as refused:
        s3.delete_bucket(Bucket="one")
    assert code_of(refused) == "BucketNotEmpty"


def raw(running: Running, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    connection.request(method, target, body=body, headers={name.replace("_", "-"): v for name, v in headers.items()})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_whoever_holds_a_presigned_address_is_let_in(running: Running, s3: Any) -> None:
    for method, operation in (("PUT", "put_object"), ("GET", "get_object")):
        url = urlsplit(s3.generate_presigned_url(operation, Params={"Bucket": "one", "Key": KEY}))
        status, body = raw(running, method, f"{url.path}?{url.query}", b"pre" if method == "PUT" else b"")
        assert status == 200, body
    assert body == b"pre"
    assert raw(running, "GET", f"{url.path}?{url.query}x")[0] == 403
    url = urlsplit(minio(running).presigned_get_object("one", KEY))
    assert raw(running, "GET", f"{url.path}?{url.query}") == (200, b"pre")


def test_minio_s_client_is_content(running: Running) -> None:
    client = minio(running)
    assert not client.bucket_exists("two")
    client.make_bucket("two")
    assert client.bucket_exists("two")
    client.put_object("two", "in/x y.txt", io.BytesIO(b"abc"), 3, metadata={"k": "v"})
    client.put_object("two", "in/big", io.BytesIO(b"q" * 6_000_000), -1, part_size=5 * 1024 * 1024)
    client.copy_object("two", "in/c", CopySource("two", "in/x y.txt"))
    answer = client.get_object("two", "in/c")
    assert answer.data == b"abc"
    answer.close()
    answer.release_conn()
    assert client.stat_object("two", "in/x y.txt").metadata["x-amz-meta-k"] == "v"
    assert [each.object_name for each in client.list_objects("two", recursive=True)] == ["in/big", "in/c", "in/x y.txt"]
    tags = Tags.new_object_tags()
    tags["p"] = "q"
    client.set_object_tags("two", "in/big", tags)
    assert client.get_object_tags("two", "in/big") == tags
    assert list(client.remove_objects("two", [DeleteObject("in/c")])) == []
    with pytest.raises(S3Error, match="NoSuchKey"):
        client.stat_object("two", "in/c")


def test_who_listens_hears_what_is_wanted_and_nothing_else(running: Running) -> None:
    client = minio(running)
    client.make_bucket("two")
    heard: list[dict[str, Any]] = []

    def listen() -> None:
        wanted = ("s3:ObjectCreated:*", "s3:ObjectRemoved:Delete")
        with minio(running).listen_bucket_notification("two", "in/", ".txt", wanted) as notifications:
            for notification in notifications:
                heard.extend(notification["Records"])
                if len(heard) == 4:
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    while not running.call(lambda: running.server.listeners):
        pass
    client.put_object("two", "in/1 ü.txt", io.BytesIO(b"abc"), 3)
    client.put_object("two", "out/2.txt", io.BytesIO(b"abc"), 3)
    client.put_object("two", "in/3.csv", io.BytesIO(b"abc"), 3)
    client.stat_object("two", "in/1 ü.txt")
    client.put_object("two", "in/4.txt", io.BytesIO(b"q" * 6_000_000), -1, part_size=5 * 1024 * 1024)
    client.copy_object("two", "in/5.txt", CopySource("two", "in/1 ü.txt"))
    client.remove_object("two", "in/5.txt")
    thread.join(10)
    assert [record["eventName"].partition(":")[2] for record in heard] == [
        "ObjectCreated:Put",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectCreated:Copy",
        "ObjectRemoved:Delete",
    ]
    first = heard[0]
    assert first["s3"]["bucket"]["name"] == "two"
    assert first["s3"]["object"] | {"sequencer": ""} == {
        "key": "in%2F1+%C3%BC.txt",
        "size": 3,
        "eTag": "900150983cd24fb0d6963f7d28e17f72",
        "contentType": "application/octet-stream",
        "userMetadata": {"content-type": "application/octet-stream"},
        "sequencer": "",
    }
    assert "size" not in heard[3]["s3"]["object"]
    assert [record["s3"]["object"]["sequencer"] for record in heard] == sorted(
        record["s3"]["object"]["sequencer"] for record in heard
    )
    with pytest.raises(S3Error, match="InvalidArgument"):
        next(iter(client.listen_bucket_notification("two", events=("s3:Nope",))))
    with pytest.raises(S3Error, match="NoSuchBucket"):
        next(iter(client.listen_bucket_notification("three")))


def test_a_quiet_stream_says_that_it_is_alive() -> None:
    with s3_server(users={}) as running:
        running.call(lambda: running.server.store.make_bucket("two"))
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        connection.request("GET", "/two?events=s3:ObjectCreated:*")
        answer = connection.getresponse()
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.read(3) == b"   "
        connection.close()


def test_without_users_everybody_is_let_in_and_raw_requests_are_answered_in_s3_s_words() -> None:
    with s3_server(users={}) as running:
        assert raw(running, "PUT", "/two") == (200, b"")
        assert raw(running, "PUT", "/two/k", b"abc", Expect="100-continue")[0] == 200
        assert raw(running, "GET", "/two/k") == (200, b"abc")
        for method, target, body, status, code in (
            ("GET", "/two/nope", b"", 404, "NoSuchKey"),
            ("POST", "/two/k", b"", 405, "MethodNotAllowed"),
            ("PUT", "/TWO", b"", 400, "InvalidBucketName"),
            ("PUT", "/two/" + "k" * 1025, b"", 400, "KeyTooLongError"),
            ("POST", "/two?delete", b"<a", 400, "MalformedXML"),
            ("GET", "/two?max-keys=x", b"", 400, "InvalidArgument"),
            ("GET", "/two?list-type=2&continuation-token=%21", b"", 400, "InvalidArgument"),
            ("GET", "/two?acl", b"", 501, "NotImplemented"),
            ("PUT", "/two/k?partNumber=0&uploadId=x", b"", 404, "NoSuchUpload"),
        ):
            found, text = raw(running, method, target, body)
            assert (found, ET.fromstring(text).findtext("Code")) == (status, code)
        assert raw(running, "HEAD", "/two/nope") == (404, b"")
        assert raw(running, "PUT", "/two/k", b"x", Content_MD5="AAAA")[0] == 400


def test_what_is_stored_outlives_a_stop_of_the_listener(running: Running, s3: Any) -> None:
    s3.put_object(Bucket="one", Key="k", Body=b"kept")
    assert running.server.store.object("one", "k").data == b"kept"


def test_every_operation_has_a_name_and_strange_ones_have_none() -> None:
    assert "ListenBucketNotification" in NAMES
    assert operation_of(request_of("GET", "/b?list-type=2&prefix=events", {})) == "ListObjectsV2"
    assert operation_of(request_of("PUT", "/b/k", {"x-amz-copy-source": "b/o"})) == "CopyObject"
    assert operation_of(request_of("GET", "/?events=x", {})) == "ListenBucketNotification"
    assert json.dumps(sorted(NAMES))
