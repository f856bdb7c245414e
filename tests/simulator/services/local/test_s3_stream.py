"""
What a MinIO sends to those who listen, in pieces of every size.
"""

from __future__ import annotations

import json

import pytest

from simulator.services.embedded.s3.notifications import Listening
from simulator.services.local.s3_stream import PADDING, Lines, Ours, fence_line, key_of, listening_in, ours_in, told

BODY = b'1\r\n \r\n8\r\n{"a":1}\n\r\n4\r\n{"b"\r\n4\r\n:2}\n\r\n'


@pytest.mark.parametrize("size", range(1, len(BODY) + 1))
def test_lines_come_out_whole_whatever_the_pieces(size: int) -> None:
    lines = Lines()
    found = [line for at in range(0, len(BODY), size) for line in lines.feed(BODY[at : at + size])]
    assert found == [b'{"a":1}', b'{"b":2}']
    assert not lines.over
    assert lines.feed(b"0\r\n\r\n") == []
    assert lines.over


def test_a_line_is_taken_before_the_end_of_its_chunk_has_come() -> None:
    assert Lines().feed(b'8\r\n{"a":1}\n') == [b'{"a":1}']


def test_padding_is_taken_out_of_a_record() -> None:
    agent = json.dumps(f"gatesim/{PADDING}").replace("<", "\\u003c").encode()
    assert told(b'{"userAgent":' + agent + b"}") == b'19\r\n{"userAgent":"gatesim/"}\n\r\n'


@pytest.mark.parametrize("ours", [Ours("canary", "17"), Ours("fence", "mark of /ü")])
def test_what_we_put_is_known_by_its_key_and_covered_by_whoever_it_is_for(ours: Ours) -> None:
    listening = Listening("foo", "in/", ".csv", ("s3:ObjectCreated:*",))
    key = key_of(listening, ours)
    assert listening.covers("s3:ObjectCreated:Put", "foo", key)
    for told_key in (key, key.replace("/", "%2F")):
        assert ours_in(json.dumps({"s3": {"object": {"key": told_key}}}, separators=(",", ":")).encode()) == ours
    assert ours_in(b'{"s3":{"object":{"key":"in/gatesim.csv"}}}') is None


def test_a_fence_is_a_record_of_its_own() -> None:
    assert Lines().feed(fence_line("m")) == [b'{"Records": [{"gatesim-fence": "m"}]}']


def test_only_a_request_with_events_listens() -> None:
    request = b"GET /foo?events=s3%3AObjectCreated%3APut&events=s3:ObjectRemoved:*&prefix=in%2F&suffix= HTTP/1.1\r\n"
    assert listening_in(request) == Listening("foo", "in/", "", ("s3:ObjectCreated:Put", "s3:ObjectRemoved:*"))
    for other in (b"GET /foo?list-type=2 HTTP/1.1\r\n", b"PUT /foo?events=a HTTP/1.1\r\n", b"GET"):
        assert listening_in(other) is None
