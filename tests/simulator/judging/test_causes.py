"""
How far missing events got, as the ledger tells it.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from simulator.cloudevents_spec import ReceivedEvent
from simulator.judging.causes import why_missing
from simulator.ledger import Ledger

RECEIVED = ("7b0a7f8e-2f0c-5d1a-8f7e-0123456789ab", "gw/c/17")
"""Ids of which one is a UUID and one is none."""


def old(id: str) -> str:
    """
    As gateways of the 0.1 envelope's time wrote the ids above.
    """
    uuids = {RECEIVED[0]: "7b0a7f8e-2f0c-4d1a-8f7e-0123456789ab", RECEIVED[1]: "b5bf2d03-7fef-472b-8170-9cbddd493cd7"}
    return uuids[id].encode().hex()


def ledger_of(*ids: str) -> Ledger:
    ledger = Ledger(lambda: datetime(2018, 10, 7, tzinfo=UTC))
    for id in ids:
        ledger.record("received", "gw", "c", "gw/c", id)
    return ledger


def accepted(id: str) -> ReceivedEvent:
    return ReceivedEvent({"source": "gw/c", "id": id}, b"", "none", "legacy")


def cause(ledger: Ledger) -> tuple[str, str]:
    reason = why_missing(ledger, "audit", since=0, gateways=frozenset({"gw"}))
    return str(reason.cls), reason.text


@pytest.mark.parametrize("id", RECEIVED)
def test_an_event_that_was_accepted_in_the_old_envelope_is_not_said_to_be_missing(id: str) -> None:
    ledger = ledger_of(id)
    ledger.accept("audit", accepted(old(id)))
    assert cause(ledger)[0] == "not-received"


@pytest.mark.parametrize("id", RECEIVED)
def test_an_event_that_was_refused_in_the_old_envelope_is_named_once_by_its_own_id(id: str) -> None:
    ledger = ledger_of(id)
    ledger.record("offered", "audit", "gw/c", old(id), "503")
    ledger.record("attempted", "gw", "c", id, "audit", 1, "refused", "answered 503")
    cls, text = cause(ledger)
    assert cls == "dispatched-not-accepted"
    assert "1 event: attempt 1: answered 503" in text
    assert id in text


def test_an_event_that_was_never_offered_is_said_to_be_so() -> None:
    assert cause(ledger_of(*RECEIVED))[0] == "received-not-dispatched"
