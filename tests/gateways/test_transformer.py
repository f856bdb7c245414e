"""
The transformer: what becomes of a payload, and where ids come from.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateways.chance import Chance
from gateways.cloudevent import DataForm
from gateways.source_event import SourceEvent
from gateways.transformer import Transformer, data_form, is_strict_json

AT = datetime(2018, 10, 7, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("payload", "stated", "content_type", "form"),
    [
        (b"", "", "", DataForm.NONE),
        (b"", "text/plain", "text/plain", DataForm.NONE),
        (b'{"a":1}', "", "application/json", DataForm.JSON),
        (b" 12 ", "", "application/json", DataForm.JSON),
        (b"hello", "", "text/plain", DataForm.TEXT),
        (b"\xff\x00", "", "application/octet-stream", DataForm.BINARY),
        (b'{"a":1}', "text/plain", "text/plain", DataForm.TEXT),
        (b'{"a":1}', "application/octet-stream", "application/octet-stream", DataForm.BINARY),
        (b'{"a":1', "application/json", "application/json", DataForm.BINARY),
        (b'{"a":1}', "Application/CE+JSON; charset=utf-8", "Application/CE+JSON; charset=utf-8", DataForm.JSON),
        (b"caf\xe9", "text/plain; charset=latin-1", "text/plain; charset=latin-1", DataForm.BINARY),
        (b"caf\xe9", "text/plain", "text/plain", DataForm.BINARY),
        (b"a=1&b=2", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded", DataForm.TEXT),
    ],
)  # fmt: skip
def test_payloads_keep_what_their_source_says_of_them(
    payload: bytes, stated: str, content_type: str, form: DataForm
) -> None:
    assert data_form(payload, stated) == (content_type, form)


@pytest.mark.parametrize(
    "payload",
    [b"NaN", b'{"a": Infinity}', b"\xef\xbb\xbf{}", b"{} {}", b"{'a': 1}", b"[1,]", b"", b" ", b"\xff", b"[" * 100_000],
)
def test_what_is_not_strict_json_is_not_taken_for_it(payload: bytes) -> None:
    assert not is_strict_json(payload)


@pytest.mark.parametrize("payload", [b"0", b'"\\ud800"', b"1" * 10_000, b"1e999", b'{"a":1,"a":2}', b"null"])
def test_unusual_but_strict_json_is_taken_for_it(payload: bytes) -> None:
    assert is_strict_json(payload)


def test_an_id_is_kept_and_a_missing_one_is_drawn_from_the_seed() -> None:
    def ids(seed: int) -> list[str]:
        transformer = Transformer(gateway="g", configuration="c", type="t", version="", chance=Chance(seed))
        events = [SourceEvent(b"", AT), SourceEvent(b"", AT, id="mine"), SourceEvent(b"", AT)]
        return [transformer.transform(event).id for event in events]

    assert ids(1) == ids(1) != ids(2)
    assert ids(1)[1] == "mine"
    assert len(set(ids(1))) == 3


def test_source_type_and_version_are_the_gateways() -> None:
    transformer = Transformer(
        gateway="gw", configuration="calendar.foo", type="calendar", version="1.0", chance=Chance(1)
    )
    event = transformer.transform(SourceEvent(b"x", AT, "s", extensions=(("operation", "added"),)))
    assert (event.source, event.type, event.subject) == ("gw/calendar.foo", "calendar", "s")
    assert event.extensions == (("eventtypeversion", "1.0"), ("operation", "added"))
