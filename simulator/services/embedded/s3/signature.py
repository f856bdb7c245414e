"""
Signatures: whether a request was signed by someone whose secret key is known; pure.

Source: Amazon S3 API reference, "Authenticating requests (AWS Signature Version 4)": in the header, in the query
(presigned), and over the pieces of a body (aws-chunked).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.request import S3Request

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
_SKEW = timedelta(minutes=15)
_EXPIRY_MAX_S = 7 * 24 * 3600
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEADER = re.compile(r"AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]+)")


class Signature(NamedTuple):
    """
    What a request says of its signature.
    """

    access_key: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str
    date: str
    """As it stands in the request: `20181007T120000Z`."""
    payload: str
    """SHA-256 of the body, or what stands for it."""

    @property
    def scope(self) -> str:
        """
        What the key that signs is good for.
        """
        return f"{self.day}/{self.region}/{self.service}/aws4_request"

    def key(self, secret: str) -> bytes:
        """
        The key that signs.
        """
        key = f"AWS4{secret}".encode()
        for part in (self.day, self.region, self.service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key

    def sign(self, secret: str, kind: str, *lines: str) -> str:
        """
        The signature over *lines*, in the way that *kind* names.
        """
        text = "\n".join((kind, self.date, self.scope, *lines))
        return hmac.new(self.key(secret), text.encode(), hashlib.sha256).hexdigest()


def check_signature(request: S3Request, users: Mapping[str, str], now: datetime) -> Signature:
    """
    The signature of *request*, which is right.

    Args:
        users: Access keys to secret keys.
        now: Real time; signatures are good for 15 minutes, presigned ones for as long as they say.

    Raises:
        S3Error: There is none, nobody of that access key is known, it is wrong, or too old.
    """
    presigned = request.has("X-Amz-Signature")
    found = _presigned(request) if presigned else _in_header(request)
    secret = users.get(found.access_key)
    if secret is None:
        raise S3Error("InvalidAccessKeyId")
    _check_date(request, found, now, presigned=presigned)
    hashed = hashlib.sha256(_canonical(request, found).encode()).hexdigest()
    if not hmac.compare_digest(found.sign(secret, ALGORITHM, hashed), found.value):
        raise S3Error("SignatureDoesNotMatch")
    if _SHA256.fullmatch(found.payload) and found.payload != hashlib.sha256(request.body).hexdigest():
        raise S3Error("XAmzContentSHA256Mismatch")
    return found


def _in_header(request: S3Request) -> Signature:
    text = request.headers.get("authorization", "")
    if not text:
        raise S3Error("AccessDenied")
    match = _HEADER.fullmatch(text.strip())
    if match is None:
        raise S3Error("AuthorizationHeaderMalformed")
    date = request.headers.get("x-amz-date", "")
    payload = request.headers.get("x-amz-content-sha256", UNSIGNED)
    return _signature(match[1], match[2], match[3], date, payload)


def _presigned(request: S3Request) -> Signature:
    if request.parameter("X-Amz-Algorithm") != ALGORITHM:
        raise S3Error("AuthorizationHeaderMalformed")
    return _signature(
        request.parameter("X-Amz-Credential"),
        request.parameter("X-Amz-SignedHeaders"),
        request.parameter("X-Amz-Signature"),
        request.parameter("X-Amz-Date"),
        request.headers.get("x-amz-content-sha256", UNSIGNED),
    )


def _signature(credential: str, signed: str, value: str, date: str, payload: str) -> Signature:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request" or not date.startswith(parts[1]):
        raise S3Error("AuthorizationHeaderMalformed")
    return Signature(parts[0], parts[1], parts[2], parts[3], tuple(signed.split(";")), value, date, payload)


def _check_date(request: S3Request, signature: Signature, now: datetime, *, presigned: bool) -> None:
    try:
        signed_at = datetime.strptime(signature.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise S3Error("AuthorizationHeaderMalformed") from None
    if not presigned:
        if abs(now - signed_at) > _SKEW:
            raise S3Error("RequestTimeTooSkewed")
        return
    expires_s = request.whole_number("X-Amz-Expires", 0, _EXPIRY_MAX_S)
    if now > signed_at + timedelta(seconds=expires_s) or now < signed_at - _SKEW:
        raise S3Error("ExpiredRequest")


def _canonical(request: S3Request, signature: Signature) -> str:
    pairs = ((name, value) for name, value in request.query if name != "X-Amz-Signature")
    query = "&".join(f"{name}={value}" for name, value in sorted((_escaped(n), _escaped(v)) for n, v in pairs))
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signature.signed_headers
    )
    signed = ";".join(signature.signed_headers)
    return "\n".join((request.method, request.path, query, headers, signed, signature.payload))


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")
