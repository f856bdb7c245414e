"""
SASL: what a server says in a login by PLAIN or SCRAM; bytes in, bytes out.

Source: RFC 4616 (PLAIN), RFC 5802 and RFC 7677 (SCRAM).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import NamedTuple, Protocol
from uuid import uuid4

_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
MECHANISMS = ("PLAIN", *_HASHES)
_ITERATIONS = 4096
_NO_CHANNEL_BINDING = b"n,,"


class Denied(Exception):
    """
    The login fails; the message is for the client.
    """

    def __init__(self, message: str = "Authentication failed: Invalid username or password") -> None:
        super().__init__(message)


class Said(NamedTuple):
    """
    What the server answers.
    """

    answer: bytes
    user: str = ""
    """Who the client has proved to be; empty while it has not."""


class Exchange(Protocol):
    """
    One login.
    """

    def hear(self, said: bytes) -> Said:
        """
        Take what the client says next.

        Raises:
            Denied: It is not who it says, or does not follow the mechanism.
        """


def exchange(mechanism: str, users: Mapping[str, str]) -> Exchange:
    """
    A login by *mechanism*, one of MECHANISMS, of one of *users* with its password.
    """
    return _Scram(_HASHES[mechanism], users) if mechanism in _HASHES else _Plain(users)


class _Plain:
    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = users

    def hear(self, said: bytes) -> Said:
        parts = said.split(b"\0")
        if len(parts) != 3:
            raise Denied("Authentication failed: PLAIN is a user and a password")
        user, password = parts[1].decode(errors="replace"), parts[2]
        known = self._users.get(user)
        if known is None or not hmac.compare_digest(known.encode(), password):
            raise Denied
        return Said(b"", user)


class _Scram:
    def __init__(self, hash_name: str, users: Mapping[str, str]) -> None:
        self._hash = hash_name
        self._users = users
        self._user = ""
        self._nonce = ""
        self._salted = b""
        self._so_far = b""
        """What both signatures are made of, as far as it has been said."""

    def hear(self, said: bytes) -> Said:
        try:
            return self._first(said) if not self._nonce else self._last(said)
        except (KeyError, ValueError, NotBase64) as error:
            raise Denied(f"Authentication failed: SCRAM is not followed: {type(error).__name__}") from error

    def _first(self, said: bytes) -> Said:
        if not said.startswith(_NO_CHANNEL_BINDING):
            raise Denied("Authentication failed: channel binding is not supported")
        bare = said.removeprefix(_NO_CHANNEL_BINDING)
        fields = _fields(bare)
        self._user = fields["n"].replace("=2C", ",").replace("=3D", "=")
        known = self._users.get(self._user)
        if known is None:
            raise Denied
        salt = uuid4().bytes
        self._nonce = f"{fields['r']}{uuid4().hex}"
        self._salted = hashlib.pbkdf2_hmac(self._hash, known.encode(), salt, _ITERATIONS)
        answer = f"r={self._nonce},s={b64encode(salt).decode()},i={_ITERATIONS}".encode()
        self._so_far = bare + b"," + answer
        return Said(answer)

    def _last(self, said: bytes) -> Said:
        without_proof, _, _ = said.rpartition(b",p=")
        fields = _fields(said)
        if fields["r"] != self._nonce or b64decode(fields["c"], validate=True) != _NO_CHANNEL_BINDING:
            raise Denied
        spoken = self._so_far + b"," + without_proof
        client_key = self._signed(self._salted, b"Client Key")
        signature = self._signed(hashlib.new(self._hash, client_key).digest(), spoken)
        proof = bytes(key ^ mark for key, mark in zip(client_key, signature, strict=True))
        if not hmac.compare_digest(proof, b64decode(fields["p"], validate=True)):
            raise Denied
        server_signature = self._signed(self._signed(self._salted, b"Server Key"), spoken)
        return Said(b"v=" + b64encode(server_signature), self._user)

    def _signed(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, self._hash)


def _fields(said: bytes) -> dict[str, str]:
    return {name: value for name, _, value in (each.partition("=") for each in said.decode().split(","))}
