"""
Credentials and certificates of a NATS configuration, read from its text and from the files that it names.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from gateways.errors import ConfigurationError, SourceUnavailable
from gateways.processors.nats_options import NatsAuth, NatsTls

Credentials = dict[str, Any]
"""Keyword arguments of the client library's `connect`."""

_JWT, _SEED = "BEGIN NATS USER JWT", "BEGIN USER NKEY SEED"


def read_credentials(auth: NatsAuth) -> Credentials:
    """
    What *auth* means now.

    Raises:
        SourceUnavailable: A file cannot be read or used; it may be there next time.
        ConfigurationError: A package is missing.
    """
    if auth.credentials_file:
        return _from_credentials_file(auth.credentials_file)
    if auth.nkey_seed_file:
        return _from_seed_file(auth.nkey_seed_file)
    if (token := _given("tokenFile", auth.token, auth.token_file)) is not None:
        return {"token": token}
    username = _given("usernameFile", auth.username, auth.username_file)
    password = _given("passwordFile", auth.password, auth.password_file)
    return {} if username is None else {"user": username, "password": password}


def tls_context(tls: NatsTls) -> ssl.SSLContext:
    """
    What *tls* means now. Without a `caFile` the machine's authorities are believed.

    Raises:
        SourceUnavailable: A file cannot be read or used; it may be there next time.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
    except (OSError, ValueError) as error:
        raise SourceUnavailable(f"tls.caFile {tls.ca_file} cannot be used: {_why(error)}") from error
    if tls.cert_file:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file)
        except (OSError, ValueError) as error:
            files = f"tls.certFile {tls.cert_file} with tls.keyFile {tls.key_file}"
            raise SourceUnavailable(f"{files} cannot be used: {_why(error)}") from error
    return context


def _given(key: str, value: str | None, file: str) -> str | None:
    return _read(key, file) if file else value


def _read(key: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SourceUnavailable(f"auth.{key} {file} cannot be read: {_why(error)}") from error


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no such certificate").lower().replace("_", " ")
    return (error.strerror if isinstance(error, OSError) and error.strerror else "its content is malformed").lower()


def _from_credentials_file(file: str) -> Credentials:
    nkeys = _nkeys("credentialsFile")
    text = _read("credentialsFile", file)
    # The client library would read beyond the end of a file that lacks one of them, for ever.
    if _JWT not in text or _SEED not in text:
        raise SourceUnavailable(f"auth.credentialsFile {file} cannot be used: it has no user JWT and seed")
    seed = text.partition(_SEED)[2].splitlines()[1:2]
    _check_seed(nkeys, "credentialsFile", file, seed[0] if seed else "")
    from nats.aio.client import RawCredentials  # noqa: PLC0415 - only where it is used

    return {"user_credentials": RawCredentials(text + "\n")}


def _from_seed_file(file: str) -> Credentials:
    nkeys = _nkeys("nkeySeedFile")
    seed = _read("nkeySeedFile", file)
    _check_seed(nkeys, "nkeySeedFile", file, seed)
    return {"nkeys_seed_str": seed}


def _nkeys(key: str) -> Any:
    try:
        import nkeys  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415 - an extra of nats-py
    except ImportError:
        raise ConfigurationError(f"auth.{key} needs the nkeys package: pip install 'gatesim[nkeys]'") from None
    return nkeys


def _check_seed(nkeys: Any, key: str, file: str, seed: str) -> None:
    try:
        nkeys.from_seed(bytearray(seed.strip().encode())).wipe()
    except Exception as error:
        raise SourceUnavailable(f"auth.{key} {file} cannot be used: it has no valid seed") from error
