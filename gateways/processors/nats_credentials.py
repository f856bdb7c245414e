"""
Credentials of a NATS configuration as the client library wants them: a user, a token, or a key with which to sign.
"""

from __future__ import annotations

from typing import Any

from gateways.errors import ConfigurationError, SourceUnavailable
from gateways.processors.credential_files import credential, read_credential
from gateways.processors.nats_options import NatsAuth

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
    if (token := credential("tokenFile", auth.token, auth.token_file)) is not None:
        return {"token": token}
    username = credential("usernameFile", auth.username, auth.username_file)
    password = credential("passwordFile", auth.password, auth.password_file)
    return {} if username is None else {"user": username, "password": password}


def _from_credentials_file(file: str) -> Credentials:
    nkeys = _nkeys("credentialsFile")
    text = read_credential("credentialsFile", file)
    # The client library would read beyond the end of a file that lacks one of them, for ever.
    if _JWT not in text or _SEED not in text:
        raise SourceUnavailable(f"auth.credentialsFile {file} cannot be used: it has no user JWT and seed")
    seed = text.partition(_SEED)[2].splitlines()[1:2]
    _check_seed(nkeys, "credentialsFile", file, seed[0] if seed else "")
    from nats.aio.client import RawCredentials  # noqa: PLC0415 - only where it is used

    return {"user_credentials": RawCredentials(text + "\n")}


def _from_seed_file(file: str) -> Credentials:
    nkeys = _nkeys("nkeySeedFile")
    seed = read_credential("nkeySeedFile", file)
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
