"""
Reading and checking CloudEvents as a watcher gets them.
"""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.cloudevents_spec import InvalidEvent, read_event, violations_of

GOOD = {"specversion": "1.0", "id": "1", "source": "gw/c", "type": "nats", "time": "2018-10-07T12:00:22Z"}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


def structured(**changes: object) -> bytes:
    members = {**GOOD, **changes}
    return json.dumps({name: value for name, value in members.items() if value is not None}).encode()


def clauses(body: bytes) -> list[str]:
    return [violation.problem for violation in violations_of(read_event(STRUCTURED, body))]


def test_json_data_keeps_its_exact_bytes() -> None:
    body = b'{"specversion":"1.0","id":"1","source":"s","type":"t","data" : { "a":1.50, "b":"\\u00e9" } ,"x":"y"}'
    event = read_event(STRUCTURED, body)
    assert (event.data, event.data_form) == (b'{ "a":1.50, "b":"\\u00e9" }', "json")
    assert event.attributes["x"] == "y"


@pytest.mark.parametrize(
    ("members", "data", "form"),
    [
        ({"data": "hello", "datacontenttype": "text/plain"}, b"hello", "text"),
        ({"data": "hello", "datacontenttype": "application/json"}, b'"hello"', "json"),
        ({"data": "hello"}, b'"hello"', "json"),
        ({"data_base64": "/wA="}, b"\xff\x00", "base64"),
        ({}, b"", "none"),
    ],
)
def test_data_is_read_by_its_content_type(members: dict[str, object], data: bytes, form: str) -> None:
    event = read_event(STRUCTURED, structured(**members))
    assert (event.data, event.data_form) == (data, form)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"specversion": "0.3"}, "specversion is '0.3', not '1.0'"),
        ({"id": ""}, "id is missing or empty"),
        ({"source": None}, "source is missing or empty"),
        ({"type": None}, "type is missing or empty"),
        ({"source": "a b"}, "source 'a b' is no URI-reference"),
        ({"time": "2018-10-07 12:00:22"}, "time '2018-10-07 12:00:22' is no RFC 3339 timestamp"),
        ({"time": "2018-13-07T12:00:22Z"}, "time '2018-13-07T12:00:22Z' is no RFC 3339 timestamp"),
        ({"datacontenttype": "json"}, "datacontenttype 'json' is no media type"),
        ({"event-type": "x"}, "attribute name 'event-type' has characters other than a-z and 0-9"),
        ({"subject": ""}, "subject is present and empty"),
    ],
)
def test_each_breach_is_named(changes: dict[str, object], problem: str) -> None:
    assert clauses(structured(**changes)) == [problem]


def test_a_good_event_breaks_nothing() -> None:
    assert clauses(structured(subject="foo", eventtypeversion="1.0")) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"a":1,}', b'{"a":1}x', b'{"id":"1","id":"2"}', b"\xff", b'{"data":1,"data_base64":""}'],
)
def test_what_cannot_be_read_says_so(body: bytes) -> None:
    with pytest.raises(InvalidEvent):
        read_event(STRUCTURED, body)


def test_binary_mode_decodes_headers() -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "s",
        "ce-type": "t",
        "ce-subject": "%C5%BElu",
        "content-type": "text/plain",
    }
    event = read_event(headers, b"hello")
    assert (event.attributes["subject"], event.attributes["datacontenttype"], event.data) == (
        "žlu",
        "text/plain",
        b"hello",
    )
    assert event.mode == "binary"


def test_a_request_without_an_event_says_what_it_is() -> None:
    with pytest.raises(InvalidEvent, match="content-type 'text/plain'"):
        read_event({"content-type": "text/plain"}, b"x")


@given(
    st.binary(max_size=200),
    st.sampled_from([STRUCTURED, {"ce-specversion": "1.0"}, {"content-type": "application/json"}]),
)
def test_no_bytes_break_the_reader(body: bytes, headers: dict[str, str]) -> None:
    with suppress(InvalidEvent):
        assert isinstance(violations_of(read_event(headers, body)), list)
