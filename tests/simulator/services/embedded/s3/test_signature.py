"""
Signatures: the examples of S3's documentation hold, and whatever is changed in them does not.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from simulator.services.embedded.s3.chunked import decode_chunks
from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.request import S3Request, request_of
from simulator.services.embedded.s3.signature import EMPTY_SHA256, check_signature

USERS = {"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
NOW = datetime(2013, 5, 24, tzinfo=UTC)
SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"


def authorization(signed: str, signature: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={signed},Signature={signature}"


GET = request_of(
    "GET",
    "/test.txt",
    {
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY_SHA256,
        "x-amz-date": "20130524T000000Z",
        "authorization": authorization(
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
    },
)
LIST = request_of(
    "GET",
    "/?max-keys=2&prefix=J",
    {
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": EMPTY_SHA256,
        "x-amz-date": "20130524T000000Z",
        "authorization": authorization(
            "host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        ),
    },
)
PRESIGNED = request_of(
    "GET",
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    {"host": "examplebucket.s3.amazonaws.com"},
)
CHUNKED = request_of(
    "PUT",
    "/examplebucket/chunkObject.txt",
    {
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "content-length": "66824",
        "authorization": authorization(
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
    },
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
)


@pytest.mark.parametrize("request_", [GET, LIST, PRESIGNED, CHUNKED], ids=["get", "list", "presigned", "chunked"])
def test_the_documented_examples_are_right(request_: S3Request) -> None:
    assert check_signature(request_, USERS, NOW).access_key == "AKIAIOSFODNN7EXAMPLE"


def test_the_documented_pieces_are_right_and_changed_ones_are_not() -> None:
    (secret,) = USERS.values()
    signature = check_signature(CHUNKED, USERS, NOW)
    assert decode_chunks(CHUNKED.body, CHUNKED.headers, signature, secret).body == b"a" * 66560
    for raw, code in (
        (CHUNKED.body.replace(b"aaa\r\n400", b"aab\r\n400"), "SignatureDoesNotMatch"),
        (CHUNKED.body[:-100], "IncompleteBody"),
        (CHUNKED.body.replace(b"0055", b"0056"), "SignatureDoesNotMatch"),
        (b"nonsense\r\n" + CHUNKED.body, "IncompleteBody"),
    ):
        with pytest.raises(S3Error) as refused:
            decode_chunks(raw, CHUNKED.headers, signature, secret)
        assert refused.value.code == code


def changed(request_: S3Request, **headers: str) -> S3Request:
    return request_._replace(
        headers={**request_.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    )


@pytest.mark.parametrize(
    ("request_", "now", "code"),
    [
        (changed(GET, range="bytes=0-8"), NOW, "SignatureDoesNotMatch"),
        (GET._replace(path="/test2.txt"), NOW, "SignatureDoesNotMatch"),
        (GET._replace(method="HEAD"), NOW, "SignatureDoesNotMatch"),
        (LIST._replace(query=(("max-keys", "3"), ("prefix", "J"))), NOW, "SignatureDoesNotMatch"),
        (GET._replace(body=b"x"), NOW, "XAmzContentSHA256Mismatch"),
        (GET, NOW + timedelta(minutes=16), "RequestTimeTooSkewed"),
        (PRESIGNED, NOW + timedelta(days=1, seconds=1), "ExpiredRequest"),
        (changed(GET, authorization="Basic x"), NOW, "AuthorizationHeaderMalformed"),
        (changed(GET, x_amz_date="yesterday"), NOW, "AuthorizationHeaderMalformed"),
        (changed(GET, authorization=""), NOW, "AccessDenied"),
        (changed(GET, authorization=GET.headers["authorization"].replace("AKIA", "AKIB")), NOW, "InvalidAccessKeyId"),
    ],
)
def test_whatever_is_changed_is_refused(request_: S3Request, now: datetime, code: str) -> None:
    with pytest.raises(S3Error) as refused:
        check_signature(request_, USERS, now)
    assert refused.value.code == code
