"""
Our encoder against the CloudEvents SDK, and what the SDK does not check.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from hypothesis import given
from hypothesis import strategies as st

from gateways.chance import Chance
from gateways.cloudevent import CloudEvent, DataForm, HttpForm, binary, problems_of, structured
from gateways.source_event import SourceEvent
from gateways.transformer import Transformer

AT = datetime(2018, 10, 7, 12, 0, 22, tzinfo=UTC)
EVENT = CloudEvent(
    "1", "gw/c", "nats", AT, "foo", "application/json", (("eventtypeversion", "1.0"),), b'{"a": 1}', DataForm.JSON
)

text = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
payloads = (
    st.binary()
    | st.text().map(lambda t: t.encode("utf-8", "surrogatepass"))
    | json_values.map(lambda v: json.dumps(v).encode())
)


def read(form: HttpForm) -> Any:
    return from_http_event(HTTPMessage(dict(form.headers), form.body))


def event_of(payload: bytes, subject: str, content_type: str = "") -> CloudEvent:
    transformer = Transformer(gateway="gw", configuration="c", type="nats", version="1.0", chance=Chance(1))
    return transformer.transform(SourceEvent(payload, AT, subject, content_type))


@given(payloads, text)
def test_the_sdk_reads_back_what_structured_mode_wrote(payload: bytes, subject: str) -> None:
    event = event_of(payload, subject)
    seen = read(structured(event))
    assert (seen.get_id(), seen.get_source(), seen.get_type()) == (event.id, "gw/c", "nats")
    assert (seen.get_subject(), seen.get_time()) == (subject, AT)
    assert seen.get_attributes()["eventtypeversion"] == "1.0"
    data = seen.get_data()
    match event.form:
        case DataForm.JSON:
            assert data == json.loads(payload)
        case DataForm.TEXT:
            assert data == payload.decode()
        case DataForm.BINARY:
            assert data == payload
        case DataForm.NONE:
            assert data is None


@given(payloads, text)
def test_the_sdk_reads_back_what_binary_mode_wrote(payload: bytes, subject: str) -> None:
    event = event_of(payload, subject)
    form = binary(event)
    seen = read(form)
    assert (seen.get_id(), seen.get_source(), seen.get_subject(), seen.get_time()) == (event.id, "gw/c", subject, AT)
    assert form.body == payload
    assert all(value.isascii() and value.isprintable() for _, value in form.headers)


def test_json_payloads_are_spliced_in_byte_for_byte() -> None:
    odd = b'{ "b":1.50,\n "a": "\\u00e9", "b": 2 }'
    assert b'"data":' + odd + b"}" in structured(event_of(odd, "s")).body


def test_time_is_utc_and_has_no_fraction_when_zero() -> None:
    newyork = datetime(2018, 10, 7, 8, 0, 22, tzinfo=timezone(timedelta(hours=-4)))
    assert b'"time":"2018-10-07T12:00:22Z"' in structured(EVENT._replace(time=newyork)).body
    assert (
        b'"time":"2018-10-07T12:00:22.000500Z"'
        in structured(EVENT._replace(time=AT + timedelta(microseconds=500))).body
    )


def test_absent_attributes_are_not_written() -> None:
    bare = EVENT._replace(subject="", datacontenttype="", extensions=(), data=b"", form=DataForm.NONE)
    assert json.loads(structured(bare).body) == {
        "specversion": "1.0", "id": "1", "source": "gw/c", "type": "nats", "time": "2018-10-07T12:00:22Z",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["id", "source", "type"])
def test_an_empty_required_attribute_is_a_problem(name: str) -> None:
    """
    The SDK would fill a missing id silently.
    """
    assert problems_of(EVENT) == []
    assert problems_of(EVENT._replace(**{name: " "})) == [f"{name} must not be empty"]


def test_extension_names_are_lower_case_letters_and_digits() -> None:
    assert problems_of(EVENT._replace(extensions=(("event-type", "x"),))) != []
    assert problems_of(EVENT._replace(time=datetime(2018, 10, 7))) == ["time must carry a zone"]
