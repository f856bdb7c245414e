"""
HTTP requests as source events: the id that a client gave one, and the answer once it is known what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from uuid import NAMESPACE_URL, uuid5

from gateways.http_request import Request
from gateways.source_event import Settle, Settlement

SUCCESS = b"Success"
ID_HEADERS = (b"idempotency-key", b"webhook-id", b"x-github-delivery", b"ce-id")
"""Where clients say that two requests are the same event; the first that is there counts."""

_ID_LENGTH_MAX = 256
_RETRY_AFTER = (("Retry-After", "1"),)


def event_id(headers: Mapping[bytes, bytes]) -> str:
    """
    The id that the client gave its event; a UUID of it where it is too long or not printable.

    Returns:
        Empty where it gave none.
    """
    for name in ID_HEADERS:
        if (value := headers.get(name)) is not None and (value := value.strip()):
            text = value.decode("utf-8", "replace")
            if len(text) <= _ID_LENGTH_MAX and text.isprintable() and "\ufffd" not in text:
                return text
            return str(uuid5(NAMESPACE_URL, value.decode("latin-1")))
    return ""


def answering(request: Request) -> Settle:
    """
    What a source event needs as its `settle`, so that *request* is answered when the watchers have been.
    """
    return partial(_answer, request)


def _answer(request: Request, settlement: Settlement) -> None:
    if settlement.accepted:
        request.respond(200, SUCCESS)
    else:
        refuse(request, settlement.cause)


def refuse(request: Request, reason: str) -> None:
    """
    Answer 503 with *reason* in one line: the client should come again.
    """
    line = " ".join(reason.split())
    request.respond(503, f"{line}\n".encode(), _RETRY_AFTER)
