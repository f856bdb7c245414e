"""
Failure: what a client did wrong, by its AMQP reply code, which closes its channel or its whole connection.
"""

from __future__ import annotations

ACCESS_REFUSED = 403
NOT_FOUND = 404
RESOURCE_LOCKED = 405
PRECONDITION_FAILED = 406
CONNECTION_FORCED = 320
FRAME_ERROR = 501
SYNTAX_ERROR = 502
COMMAND_INVALID = 503
CHANNEL_ERROR = 504
UNEXPECTED_FRAME = 505
NOT_ALLOWED = 530
NOT_IMPLEMENTED = 540
INTERNAL_ERROR = 541

_NAMES = {
    ACCESS_REFUSED: "ACCESS_REFUSED",
    NOT_FOUND: "NOT_FOUND",
    RESOURCE_LOCKED: "RESOURCE_LOCKED",
    PRECONDITION_FAILED: "PRECONDITION_FAILED",
    CONNECTION_FORCED: "CONNECTION_FORCED",
    FRAME_ERROR: "FRAME_ERROR",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    COMMAND_INVALID: "COMMAND_INVALID",
    CHANNEL_ERROR: "CHANNEL_ERROR",
    UNEXPECTED_FRAME: "UNEXPECTED_FRAME",
    NOT_ALLOWED: "NOT_ALLOWED",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    INTERNAL_ERROR: "INTERNAL_ERROR",
}
_OF_A_CHANNEL = frozenset({ACCESS_REFUSED, NOT_FOUND, RESOURCE_LOCKED, PRECONDITION_FAILED})
_TEXT_MAX = 255


class Failure(Exception):
    """
    A client broke a rule.

    Attributes:
        code: The reply code.
        text: `NOT_FOUND - no queue 'orders' in vhost '/'`; as short as a short string has to be.
        closes_connection: Whether the whole connection ends; else the channel alone.

    Source: AMQP 0-9-1, 1.2 (reply codes); the texts are those that RabbitMQ's users know.
    """

    def __init__(self, code: int, text: str, *, closes_connection: bool | None = None) -> None:
        self.code = code
        self.text = f"{_NAMES[code]} - {text}".encode()[:_TEXT_MAX].decode(errors="ignore")
        self.closes_connection = code not in _OF_A_CHANNEL if closes_connection is None else closes_connection
        super().__init__(self.text)
