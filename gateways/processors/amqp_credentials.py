"""
Credentials: user and password of an AMQP configuration, as the client library wants them; files are read anew.
"""

from __future__ import annotations

from pika import PlainCredentials

from gateways.processors.amqp_options import AmqpAuth
from gateways.processors.credential_files import credential

_NOBODY = "guest"
"""Name and password of who names nobody."""


def read_credentials(auth: AmqpAuth) -> PlainCredentials:
    """
    Who logs in.

    Raises:
        SourceUnavailable: A file cannot be read; it may come to be.
    """
    username = credential("usernameFile", auth.username, auth.username_file)
    password = credential("passwordFile", auth.password, auth.password_file)
    return PlainCredentials(
        _NOBODY if username is None else username, _NOBODY if password is None else password, erase_on_connect=True
    )
