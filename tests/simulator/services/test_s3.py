"""
The S3 service beyond the contract: what its stimuli and events are known by, what it covers, and operations that fail.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from simulator.errors import SimulatorError
from simulator.scenario_file.step import FaultReply
from simulator.services.embedded.s3.notifications import Happening, Listening, record_of
from simulator.services.embedded.s3.store import etag_of
from simulator.services.s3 import EmbeddedS3
from simulator.services.s3_listening import listening_of
from simulator.services.service import Stimulus

TEXT = """\
s3EventConfig: {Bucket: foo, endpoint: "minio:9000", event: "s3:ObjectCreated:*", filter: {prefix: in/, suffix: .csv}}
"""


class StillTime:
    """
    Scenario time that stands.
    """

    def now(self) -> datetime:
        return datetime(2018, 10, 7, tzinfo=UTC)

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def stall_peer(self, peer: str) -> Callable[[], None]:
        return lambda: None


def service(setup: dict[str, Any]) -> EmbeddedS3:
    def died(cause: str) -> None:
        raise AssertionError(cause)

    return EmbeddedS3("s3", setup, peers=("minio:9000",), relayed=False, time=StillTime(), died=died)


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def put(key: str, payload: bytes = b"abc", verb: str = "put") -> Stimulus:
    return Stimulus((("bucket", "foo"), ("key", key)), payload, verb=verb)


def test_an_event_is_known_by_the_object_and_its_state() -> None:
    s3 = service({})
    etag = etag_of(b"abc")
    happening = Happening("s3:ObjectCreated:Put", "foo", "a b/ü", 1, StillTime().now(), 3, etag)
    payload = json.dumps(record_of(happening)).encode()
    assert s3.mark_in(payload) == s3.mark_of(put("a b/ü"))
    assert s3.mark_in(payload) != s3.mark_of(put("a b/ü", b"other"))
    raw = json.loads(payload)
    raw["s3"]["object"]["key"] = "a b/ü"
    assert s3.mark_in(json.dumps(raw).encode()) == s3.mark_of(put("a b/ü"))  # as a MinIO of today tells it
    gone = json.dumps(record_of(happening._replace(event="s3:ObjectRemoved:Delete", size=None))).encode()
    assert s3.mark_in(gone) == s3.mark_of(put("a b/ü", b"", "remove"))
    for other in (b"", b"{", b"[1]", b'{"s3": 5}'):
        assert s3.mark_in(other) == other


def test_what_a_text_covers_depends_on_key_bucket_and_what_happens() -> None:
    s3 = service({})
    assert listening_of(TEXT) == Listening("foo", "in/", ".csv", ("s3:ObjectCreated:*",))
    assert s3.covers(TEXT, put("in/1.csv"))
    assert not s3.covers(TEXT, put("in/1.txt"))
    assert not s3.covers(TEXT, put("in/1.csv", verb="remove"))
    assert s3.covers(TEXT.replace("Created", "Removed"), put("in/1.csv", verb="remove"))
    assert not s3.covers(TEXT, Stimulus((("bucket", "bar"), ("key", "in/1.csv")), b"", verb="put"))


def test_what_cannot_be_stored_is_said() -> None:
    async def story() -> None:
        s3 = service({"buckets": ["foo"]})
        await s3.start()
        try:
            for stimulus in (
                Stimulus((("bucket", "bar"), ("key", "k")), b"", verb="put"),
                Stimulus((("bucket", "bar"), ("key", "k")), b"", verb="remove"),
            ):
                published = await s3.publish([stimulus])
                assert not published.taken
                assert published.cause.startswith("NoSuchBucket: ")
            assert (await s3.publish([put("k"), put("k", verb="remove")])).taken
        finally:
            await s3.stop()

    play(story())


def test_a_bucket_that_cannot_be_is_named() -> None:
    with pytest.raises(SimulatorError, match="service s3: bucket 'Foo!'"):
        play(service({"buckets": ["Foo!"]}).start())


async def status_of(s3: EmbeddedS3, line: str) -> bytes:
    reader, writer = await asyncio.open_connection(*s3.endpoint)
    writer.write(f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


def test_an_operation_fails_as_often_as_asked_and_until_healed() -> None:
    async def story() -> None:
        s3 = service({"buckets": ["foo"]})
        await s3.start()
        try:
            await s3.fault("reply", FaultReply(request="ListObjects", error="SlowDown", times=2))
            answers = [await status_of(s3, "GET /foo") for _ in range(3)]
            assert [answer[9:12] for answer in answers] == [b"503", b"503", b"200"]
            assert b"<Code>SlowDown</Code>" in answers[0]
            await s3.fault("reply", FaultReply(request="HeadBucket", error="AccessDenied"))
            assert (await status_of(s3, "HEAD /foo"))[9:12] == b"403"
            await s3.heal()
            assert (await status_of(s3, "HEAD /foo"))[9:12] == b"200"
            with pytest.raises(SimulatorError, match="no operation 'Fetch'"):
                await s3.fault("reply", FaultReply(request="Fetch", error="SlowDown"))
        finally:
            await s3.stop()

    play(story())
