"""
SASL: what a client says to a Kafka broker in a login by PLAIN or SCRAM; pure.

Source: RFC 4616 (PLAIN), RFC 5802 and RFC 7677 (SCRAM).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import Protocol

_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
MECHANISMS = ("PLAIN", *_HASHES)
_ITERATIONS = range(4096, 100_001)
"""RFC 7677 asks for as many at least; more would keep everything else waiting."""
_NO_CHANNEL_BINDING = b"n,,"


class NotFollowed(Exception):
    """
    The broker does not do its part of the login; the message says how.
    """


class Exchange(Protocol):
    """
    One login.
    """

    def first(self) -> bytes:
        """
        What the client says first.
        """

    def answer(self, said: bytes) -> bytes | None:
        """
        What the client says to what the broker *said*; None where the login is over.

        Raises:
            NotFollowed: The broker breaks the mechanism, or does not know the password either.
        """


def exchange(mechanism: str, user: str, password: str, nonce: str) -> Exchange:
    """
    A login by *mechanism*, one of MECHANISMS.

    Args:
        mechanism: Its name.
        user: Who the client is.
        password: Never sent by SCRAM.
        nonce: Printable, without commas, and never the same twice.
    """
    if mechanism in _HASHES:
        return _Scram(_HASHES[mechanism], user, password, nonce)
    return _Plain(user, password)


class _Plain:
    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password

    def first(self) -> bytes:
        return f"\0{self._user}\0{self._password}".encode()

    def answer(self, said: bytes) -> bytes | None:
        return None


class _Scram:
    def __init__(self, hash_name: str, user: str, password: str, nonce: str) -> None:
        self._hash = hash_name
        self._password = password
        self._nonce = nonce
        name = user.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={nonce}".encode()
        self._expected = b""
        """The broker's signature, which proves that it knows the password; empty before it is due."""

    def first(self) -> bytes:
        return _NO_CHANNEL_BINDING + self._bare

    def answer(self, said: bytes) -> bytes | None:
        try:
            fields = {name: value for name, _, value in (each.partition("=") for each in said.decode().split(","))}
            if self._expected:
                self._verify(b64decode(fields["v"], validate=True))
                return None
            return self._proof(said, fields["r"], b64decode(fields["s"], validate=True), int(fields["i"]))
        except (KeyError, ValueError, NotBase64) as error:
            raise NotFollowed("the broker's SCRAM cannot be read") from error

    def _proof(self, said: bytes, nonce: str, salt: bytes, iterations: int) -> bytes:
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise NotFollowed("the broker's SCRAM answers somebody else")
        if iterations not in _ITERATIONS:
            raise NotFollowed(
                f"the broker's SCRAM has {iterations} iterations; {_ITERATIONS[0]} to {_ITERATIONS[-1]} do"
            )
        salted = hashlib.pbkdf2_hmac(self._hash, self._password.encode(), salt, iterations)
        without_proof = b"c=" + b64encode(_NO_CHANNEL_BINDING) + b",r=" + nonce.encode()
        spoken = b",".join((self._bare, said, without_proof))
        client_key = self._signed(salted, b"Client Key")
        signature = self._signed(hashlib.new(self._hash, client_key).digest(), spoken)
        proof = bytes(key ^ mark for key, mark in zip(client_key, signature, strict=True))
        self._expected = self._signed(self._signed(salted, b"Server Key"), spoken)
        return without_proof + b",p=" + b64encode(proof)

    def _verify(self, signature: bytes) -> None:
        if not hmac.compare_digest(signature, self._expected):
            raise NotFollowed("the broker does not prove that it knows the password")

    def _signed(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, self._hash)
