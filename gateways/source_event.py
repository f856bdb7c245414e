"""
SourceEvent: what a processor hands on, and what it is told became of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import NamedTuple


class Certainty(Enum):
    """
    How sure we are that a watcher has an event. Delivery claims rest on the difference between the last two.
    """

    ACCEPTED = "accepted"
    """The watcher said yes."""
    REFUSED = "refused"
    """The watcher certainly does not have it: it said no, or was never reached."""
    UNCERTAIN = "uncertain"
    """The request was sent and no answer came: it may have it."""


class DispatchResult(NamedTuple):
    """
    What became of one event at one watcher.
    """

    watcher: str
    certainty: Certainty
    attempts: int
    """Requests made, retries included; 0 where it was given up before the first."""
    cause: str
    """One sentence for people; empty when accepted."""


class Settlement(NamedTuple):
    """
    What became of one event at all watchers, in the order of the Gateway's list. Empty results: there are no watchers.
    """

    results: tuple[DispatchResult, ...]

    @property
    def accepted(self) -> bool:
        """
        Whether every watcher accepted.
        """
        return all(result.certainty is Certainty.ACCEPTED for result in self.results)

    @property
    def cause(self) -> str:
        """
        The first thing that went wrong; empty when accepted.
        """
        return next((f"{r.watcher}: {r.cause}" for r in self.results if r.certainty is not Certainty.ACCEPTED), "")


Settle = Callable[[Settlement], None]


class SourceEvent(NamedTuple):
    """
    A happening as the source told it, before it is a CloudEvent. Payload bytes are untouched.
    """

    payload: bytes
    time: datetime
    """When it happened, else when it was received; aware."""
    subject: str = ""
    """The source's own address of it (a NATS subject, an endpoint, ...); empty for none."""
    content_type: str = ""
    """As the source states it; empty where it states none, and then the transformer looks at the bytes."""
    extensions: tuple[tuple[str, str], ...] = ()
    """Further CloudEvent attributes, name and value."""
    id: str = ""
    """Stable across redeliveries where the source has such a thing; empty: a fresh one is drawn."""
    settle: Settle | None = None
    """Told exactly once what became of the event, in the turn in which that is known. Must not block or raise."""
    legacy_payload: bytes | None = None
    """What the 0.1 envelope carries instead of *payload*, where the seed's era differed (calendar)."""
    deadline_s: float | None = None
    """After so many seconds the event is given up at every watcher that has not accepted it."""
