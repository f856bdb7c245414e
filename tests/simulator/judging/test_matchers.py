"""
Matchers: what matches, what does not, and that the difference is named where it is.
"""

from __future__ import annotations

from typing import Any

import pytest

from simulator.cloudevents_spec import ReceivedEvent
from simulator.judging.matchers import match_event, match_value

EVENT = ReceivedEvent(
    {"id": "1", "source": "gw/c", "type": "nats", "time": "2018-10-07T12:00:22Z", "eventtypeversion": "1.0"},
    b'{"order": {"id": 7, "items": ["a", "b"]}, "paid": true}',
    "json",
    "structured",
)


def paths(expected: dict[str, Any], event: ReceivedEvent = EVENT) -> list[str]:
    return [mismatch.path for mismatch in match_event(expected, event)]


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"type": "nats"},
        {"data": {"paid": True}},
        {"data": {"order": {"items": ["a", "b"]}}},
        {"data": {"order": {"id": {"$type": "int"}}}},
        {"source": {"$regex": "^gw/"}},
        {"time": "2018-10-07T14:00:22+02:00"},
        {"time": "2018-10-07T12:00:22.000Z"},
        {"subject": {"$absent": True}},
        {"data": {"order": {"price": {"$absent": True}}}},
        {"mode": "structured"},
        {"eventtypeversion": "1.0"},
        {"data": {"$regex": '"paid": true'}},
    ],
)
def test_a_subset_matches(expected: dict[str, Any]) -> None:
    assert match_event(expected, EVENT) == []


@pytest.mark.parametrize(
    ("expected", "path"),
    [
        ({"type": "mqtt"}, "type"),
        ({"subject": "foo"}, "subject"),
        ({"data": {"order": {"id": 8}}}, "data.order.id"),
        ({"data": {"order": {"id": "7"}}}, "data.order.id"),
        ({"data": {"order": {"items": ["a"]}}}, "data.order.items"),
        ({"data": {"order": {"items": ["a", "c"]}}}, "data.order.items[1]"),
        ({"data": {"paid": 1}}, "data.paid"),
        ({"data": {"missing": None}}, "data.missing"),
        ({"data": [1]}, "data"),
        ({"time": "2018-10-07T12:00:23Z"}, "time"),
        ({"time": "noon"}, "time"),
        ({"source": {"$absent": True}}, "source"),
        ({"source": {"$regex": "^other"}}, "source"),
        ({"id": {"$type": "uuid"}}, "id"),
        ({"mode": "binary"}, "mode"),
        ({"base64": "aGVsbG8="}, "data"),
    ],
)
def test_a_difference_is_named_by_its_path(expected: dict[str, Any], path: str) -> None:
    assert paths(expected) == [path]


def test_all_differences_are_named_at_once() -> None:
    assert paths({"type": "x", "subject": "y", "data": {"paid": False, "order": {"id": 1}}}) == [
        "type", "subject", "data.paid", "data.order.id",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "expected", "matches"),
    [
        (b"hello", "hello", True),
        (b"hello", "hell", False),
        (b'"hello"', "hello", True),
        (b'"hello"', '"hello"', True),
        (b'{"a":1}', '{"a":1}', True),
        (b'{"a": 1}', {"a": 1}, True),
        (b"\xff", "\\xff", True),
        (b"", "", True),
        (b"7", 7, True),
        (b"7", 7.0, True),
        (b"true", True, True),
        (b"true", 1, False),
        (b"null", None, True),
        (b"no json", {"a": 1}, False),
    ],
)
def test_text_matches_the_text_of_any_payload_and_the_rest_matches_json(
    data: bytes, expected: Any, matches: bool
) -> None:
    event = EVENT._replace(data=data)
    assert (match_event({"data": expected}, event) == []) is matches


def test_base64_compares_exact_bytes() -> None:
    assert match_event({"base64": "/wA="}, EVENT._replace(data=b"\xff\x00")) == []


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int", 7, True),
        ("number", 7.5, "7"),
        ("bool", False, 0),
        ("text", "", 1),
        ("uuid", "3b4a69ed-8ee0-4f29-a2aa-a0907b261921", "3b4a"),
        ("time", "2018-10-07T12:00:22Z", "2018-10-07"),
        ("bytes", "aGVsbG8=", "a"),
    ],
)
def test_types_tell_like_from_unlike(kind: str, good: Any, bad: Any) -> None:
    assert match_value({"$type": kind}, good) == []
    assert match_value({"$type": kind}, bad) != []
