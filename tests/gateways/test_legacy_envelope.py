"""
The 0.1 envelope against what binaries of that era were observed to send.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from gateways.cloudevent import CloudEvent, DataForm
from gateways.legacy_envelope import legacy, legacy_id, protobuf_time

AT = datetime(2026, 11, 23, 19, 19, 58, 213836, tzinfo=UTC)
OBSERVED = (
    '{"context":{"eventType":"webhook","eventTypeVersion":"1.0","cloudEventsVersion":"0.1",'
    '"source":{"scheme":"","user":"","password":"","host":"gw/webhook.fooConfig","port":0,"path":"","query":"","fragment":""},'
    '"eventID":"33623461363965642d386565302d346632392d613261612d613039303762323631393231",'
    '"eventTime":"2026-11-23T19:19:58.213836Z","schemaURL":null,"contentType":"application/json"},"payload":"aGVsbG8="}'
)


def event(payload: bytes = b"hello", **changes: object) -> CloudEvent:
    base = CloudEvent(
        "3b4a69ed-8ee0-4f29-a2aa-a0907b261921",
        "gw/webhook.fooConfig",
        "webhook",
        AT,
        "/foo",
        "",
        (),
        payload,
        DataForm.TEXT,
    )
    return base._replace(**changes)  # type: ignore[arg-type]  # fields by name


def test_the_envelope_is_byte_for_byte_what_was_observed() -> None:
    form = legacy(event(), event_type_version="1.0", transformed_at=AT)
    assert form.body.decode() == OBSERVED
    assert form.headers == (("content-type", "application/json"),)


@pytest.mark.parametrize("payload", [b"", b"\x00\xff", "žluťoučký".encode(), b"x" * 1024 * 1024])
def test_any_payload_travels_as_base64(payload: bytes) -> None:
    body = json.loads(legacy(event(payload), event_type_version="1.0", transformed_at=AT).body)
    assert base64.b64decode(body["payload"]) == payload


def test_event_time_always_has_six_decimals() -> None:
    whole = datetime(2018, 10, 7, 12, tzinfo=UTC)
    body = json.loads(legacy(event(), event_type_version="1.0", transformed_at=whole).body)
    assert body["context"]["eventTime"] == "2018-10-07T12:00:00.000000Z"


@pytest.mark.parametrize(
    "id", ["3b4a69ed-8ee0-4f29-a2aa-a0907b261921", "d4d2b1a0-0000-5000-8000-000000000000", "delivery 7"]
)
def test_an_id_is_the_hex_of_a_version_4_uuid_and_stays_the_same(id: str) -> None:
    made = legacy_id(id)
    assert re.fullmatch(r"[0-9a-f]{72}", made)
    assert UUID(bytes.fromhex(made).decode()).version == 4
    assert made == legacy_id(id)


def test_what_the_era_sent_instead_of_the_payload_is_sent() -> None:
    body = json.loads(legacy(event(legacy_payload=b"era"), event_type_version="1.0", transformed_at=AT).body)
    assert base64.b64decode(body["payload"]) == b"era"


@pytest.mark.parametrize(
    ("instant", "expected"), [("2018-10-07T12:00:22+00:00", "CNbq590FEAA="), ("1970-01-01T00:00:00+00:00", "CAAQAA==")]
)
def test_calendar_instants_are_protobuf_times(instant: str, expected: str) -> None:
    assert base64.b64encode(protobuf_time(datetime.fromisoformat(instant))).decode() == expected
