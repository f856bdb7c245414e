"""
Requests that log in: which SASL mechanism, and what is said by it.
"""

from __future__ import annotations

from typing import Any

from simulator.services.embedded.kafka.cluster import Caller, Cluster
from simulator.services.embedded.kafka.errors import (
    ILLEGAL_SASL_STATE,
    NONE,
    SASL_AUTHENTICATION_FAILED,
    UNSUPPORTED_SASL_MECHANISM,
)
from simulator.services.embedded.kafka.library import sasl
from simulator.services.embedded.kafka.sasl import Denied, exchange


def handshake(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Agree on a mechanism. Where nobody needs to log in there is nothing to agree on.
    """
    error = wrong
    if not error and not cluster.users:
        error = ILLEGAL_SASL_STATE
    elif not error and request.mechanism not in cluster.mechanisms:
        error = UNSUPPORTED_SASL_MECHANISM
    elif not error:
        caller.exchange = exchange(request.mechanism, cluster.users)
    mechanisms = list(cluster.mechanisms) if cluster.users else []
    return sasl.SaslHandshakeResponse(error_code=error, mechanisms=mechanisms)


def authenticate(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Go on with the login. One that fails is told so, and its connection is closed.
    """
    error, message, answer = wrong, None, b""
    if not error and caller.exchange is None:
        error, message = ILLEGAL_SASL_STATE, "a handshake comes first"
    elif not error and caller.exchange is not None:
        try:
            answer, caller.user = caller.exchange.hear(bytes(request.auth_bytes))
        except Denied as denied:
            error, message = SASL_AUTHENTICATION_FAILED, str(denied)
    caller.is_denied = error != NONE
    return sasl.SaslAuthenticateResponse(
        error_code=error, error_message=message, auth_bytes=answer, session_lifetime_ms=0
    )
