"""
Credentials: user, password and TLS of an AMQP configuration, as the client library wants them; files are read anew.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from pika import PlainCredentials

from gateways.errors import SourceUnavailable
from gateways.processors.amqp_options import AmqpAuth, AmqpTls

_NOBODY = "guest"
"""Name and password of who names nobody."""


def read_credentials(auth: AmqpAuth) -> PlainCredentials:
    """
    Who logs in.

    Raises:
        SourceUnavailable: A file cannot be read; it may come to be.
    """
    username = _read("usernameFile", auth.username_file) if auth.username_file else auth.username
    password = _read("passwordFile", auth.password_file) if auth.password_file else auth.password
    return PlainCredentials(
        _NOBODY if username is None else username, _NOBODY if password is None else password, erase_on_connect=True
    )


def tls_context(tls: AmqpTls) -> ssl.SSLContext:
    """
    What is believed, and what we show of ourselves.

    Raises:
        SourceUnavailable: A file cannot be used; it may come to be.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
    except (OSError, ValueError) as error:
        raise SourceUnavailable(f"tls.caFile {tls.ca_file} cannot be used: {_why(error)}") from error
    if tls.cert_file:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file)
        except (OSError, ValueError) as error:
            raise SourceUnavailable(f"tls.certFile {tls.cert_file} cannot be used: {_why(error)}") from error
    return context


def _read(key: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SourceUnavailable(f"auth.{key} {file} cannot be read: {_why(error)}") from error


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no such certificate").lower().replace("_", " ")
    return (error.strerror if isinstance(error, OSError) and error.strerror else "its content is malformed").lower()
