"""
aws-chunked: the body of an upload in pieces, each with a signature of its own where the client signs them; pure.

Source: Amazon S3 API reference, "Signature calculations for the authorization header: transferring payload in multiple
chunks", with and without trailing headers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.signature import ALGORITHM, EMPTY_SHA256, Signature

SIGNED = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


class Decoded(NamedTuple):
    """
    What was in the pieces.
    """

    body: bytes
    trailers: Mapping[str, str]
    """Headers that came after the body, by lower-case name."""


def is_chunked(headers: Mapping[str, str]) -> bool:
    """
    Whether a request with these headers has such a body.
    """
    return headers.get("x-amz-content-sha256", "").startswith("STREAMING-")


def decode_chunks(raw: bytes, headers: Mapping[str, str], signature: Signature | None, secret: str) -> Decoded:
    """
    The body that *raw* holds.

    Args:
        signature: Of the request's head, from which that of the first piece goes on; None checks none.
        secret: The key of its signer.

    Raises:
        S3Error: A piece is incomplete, or its signature is wrong.
    """
    kind = headers.get("x-amz-content-sha256", "")
    if kind not in (*SIGNED, UNSIGNED):
        raise S3Error("NotImplemented", f"a body of the kind {kind} is not taken")
    chain = _Chain(signature, secret) if signature is not None and kind in SIGNED else None
    pieces, at = [], 0
    while True:
        line, at = _line(raw, at)
        match = _SIZE.fullmatch(line)
        if match is None:
            raise S3Error("IncompleteBody", "a piece of the body does not begin with its size")
        size = int(match[1], 16)
        piece = raw[at : at + size]
        if len(piece) < size:
            raise S3Error("IncompleteBody")
        if chain is not None:
            chain.check(piece, (match[2] or b"").decode())
        at += size
        if not size:
            break
        pieces.append(piece)
        if raw[at : at + 2] != b"\r\n":
            raise S3Error("IncompleteBody", "a piece of the body is longer than its size")
        at += 2
    body = b"".join(pieces)
    wanted = headers.get("x-amz-decoded-content-length", str(len(body)))
    if wanted != str(len(body)):
        raise S3Error("IncompleteBody")
    return Decoded(body, _trailers(raw, at, chain))


def _line(raw: bytes, at: int) -> tuple[bytes, int]:
    end = raw.find(b"\r\n", at, at + 256)
    if end < 0:
        raise S3Error("IncompleteBody")
    return raw[at:end], end + 2


def _trailers(raw: bytes, at: int, chain: _Chain | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in raw[at:].split(b"\r\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            found[name.strip().lower()] = value.strip()
    signed_by = found.pop(_TRAILER_SIGNATURE, "")
    if chain is not None and found:
        chain.check_trailers("".join(f"{name}:{value}\n" for name, value in found.items()), signed_by)
    return found


class _Chain:
    """
    Signatures of pieces, each over the one before.
    """

    def __init__(self, signature: Signature, secret: str) -> None:
        self._signature = signature
        self._secret = secret
        self._last = signature.value

    def check(self, piece: bytes, said: str) -> None:
        hashed = hashlib.sha256(piece).hexdigest()
        right = self._signature.sign(self._secret, f"{ALGORITHM}-PAYLOAD", self._last, EMPTY_SHA256, hashed)
        self._compare(right, said)

    def check_trailers(self, text: str, said: str) -> None:
        hashed = hashlib.sha256(text.encode()).hexdigest()
        self._compare(self._signature.sign(self._secret, f"{ALGORITHM}-TRAILER", self._last, hashed), said)

    def _compare(self, right: str, said: str) -> None:
        if not hmac.compare_digest(right, said):
            raise S3Error("SignatureDoesNotMatch")
        self._last = right
