"""
The artifact processor against our S3 server, and against servers that are none.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from gateways.errors import SourceUnavailable
from gateways.limits import Limits
from gateways.processors.artifact import ArtifactProcessor
from gateways.processors.artifact_memory import Memories
from gateways.processors.artifact_store import WAITING_MAX, key_in
from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.server import S3Server
from simulator.services.embedded.s3.store import Actor, object_of
from tests.gateways.processors.surroundings import FakeContext

PEER = "minio.argo-events:9000"
TEXT = f"""\
s3EventConfig: {{bucket: foo, endpoint: "{PEER}", event: "s3:ObjectCreated:*"}}
insecure: true
accessKey: {{name: minio, key: accesskey}}
secretKey: {{name: minio, key: secretkey}}
"""
SECRETS = {"minio": {"accesskey": "me", "secretkey": "very-secret"}}


def play(story: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(limited())
    for thread in threading.enumerate():
        if "listens" in thread.name:
            thread.join(5)
            assert not thread.is_alive()


@asynccontextmanager
async def store(**more: Any) -> AsyncIterator[S3Server]:
    server = S3Server(lambda: datetime(2018, 10, 7, tzinfo=UTC), {"me": "very-secret"}, **more)
    server.store.make_bucket("foo")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def put(server: S3Server, key: str, data: bytes = b"x") -> None:
    server.store.put("foo", key, object_of(data, {}, server.store.now()), Actor())


@asynccontextmanager
async def running(
    context: FakeContext, text: str = TEXT, *, shared: Memories | None = None
) -> AsyncIterator[tuple[ArtifactProcessor, asyncio.Task[None]]]:
    processor = ArtifactProcessor(ArtifactProcessor.parse("s3.fooConfig", text), context, shared)  # type: ignore[arg-type]
    task = asyncio.create_task(processor.run())
    before = len(context.said)
    said = asyncio.ensure_future(context.until(lambda: len(context.said) > before))
    await asyncio.wait({said, task}, return_when=asyncio.FIRST_COMPLETED)
    said.cancel()
    try:
        yield processor, task
    finally:
        task.cancel()
        await asyncio.wait({task})
        await processor.close()


def context_at(port: int, **more: Any) -> FakeContext:
    return FakeContext({PEER: ("127.0.0.1", port)}, secrets=SECRETS, **more)


async def failure_at(port: int, text: str = TEXT, **more: Any) -> str:
    async with running(context_at(port, **more), text) as (_, task):
        await asyncio.wait({task})
        error = task.exception()
        assert isinstance(error, SourceUnavailable), error
        assert "very-secret" not in str(error)
        return str(error)


def test_a_record_becomes_an_event_with_the_object_s_key_time_and_a_stable_id() -> None:
    async def story() -> None:
        async with store() as server:
            context = context_at(server.port)
            async with running(context):
                assert context.said == [f"running: listening for s3:ObjectCreated:* of bucket foo at {PEER}"]
                put(server, "in/ü +%.txt", b"abc")
                put(server, "in/ü +%.txt", b"abc")
                await context.until(lambda: len(context.events) == 2)
            first, second = context.events
            assert first.subject == "in/ü +%.txt"
            assert first.time == datetime(2018, 10, 7, tzinfo=UTC)
            assert first.content_type == "application/json"
            assert first.id
            assert first.id != second.id
            assert json.loads(first.payload)["s3"]["object"]["size"] == 3
            assert first.settle is None

    play(story())


def test_all_that_was_put_has_been_handed_on_once_it_has_caught_up() -> None:
    async def story() -> None:
        async with store() as server:
            context = context_at(server.port)
            async with running(context) as (processor, _):
                for round_ in range(20):
                    for number in range(100):
                        put(server, f"{round_}/{number}")
                    while server.on_its_way:
                        await asyncio.sleep(0.001)
                    assert await processor.caught_up()
                    assert len(context.events) == (round_ + 1) * 100
            assert [event.subject for event in context.events] == [f"{r}/{n}" for r in range(20) for n in range(100)]

    play(story())


def test_without_room_a_bounded_number_waits_and_reading_goes_on_when_there_is_some() -> None:
    async def story() -> None:
        async with store() as server:
            context = context_at(server.port, room=5)
            async with running(context) as (processor, _):
                for number in range(3 * WAITING_MAX):
                    put(server, str(number))
                assert await processor.caught_up()
                assert processor.paused()
                assert len(context.events) == 5
                context.make_room(None)
                await context.until(lambda: len(context.events) == 3 * WAITING_MAX)
                assert await processor.caught_up()
                assert not processor.paused()
            assert [event.subject for event in context.events] == [str(number) for number in range(3 * WAITING_MAX)]
            assert context.counted == {}

    play(story())


def test_a_stop_is_prompt_also_while_there_is_no_room_and_counts_what_it_drops() -> None:
    async def story() -> None:
        async with store() as server:
            context = context_at(server.port, room=1)
            async with running(context) as (processor, _):
                for number in range(WAITING_MAX + 100):
                    put(server, str(number))
                await processor.caught_up()
            assert len(context.events) == 1
            assert 0 < context.counted["dropped"] <= WAITING_MAX
            assert await asyncio.wait_for(_nobody_listens(server), 5)

    play(story())


async def _nobody_listens(server: S3Server) -> bool:
    while server.listeners:
        await asyncio.sleep(0)
    return True


def test_a_stream_that_ends_ends_the_run_with_the_cause() -> None:
    async def story() -> None:
        for end, cause in (
            (S3Server.end_streams, "the store ended the stream of notifications"),
            (S3Server.stop, "connection"),
        ):
            async with store() as server, running(context_at(server.port)) as (processor, task):
                put(server, "a")
                ended = end(server)
                if ended is not None:
                    await ended
                await asyncio.wait({task})
                assert str(task.exception()).startswith(f"{PEER}: ")
                assert cause in str(task.exception())
                assert await processor.caught_up()

    play(story())


def test_an_abort_leaves_at_once_without_a_word() -> None:
    async def story() -> None:
        async with store() as server, running(context_at(server.port)) as (processor, task):
            processor.abort()
            await asyncio.wait({task})
            assert isinstance(task.exception(), SourceUnavailable)

    play(story())


def test_a_secret_that_is_missing_is_named_before_anything_is_asked() -> None:
    async def story() -> None:
        said = await failure_at(1, TEXT.replace("key: secretkey", "key: other"))
        assert said == "secret 'minio' does not have the key 'other'"

    play(story())


def test_what_the_store_refuses_is_said() -> None:
    async def story() -> None:
        async with store() as server:
            assert (
                await failure_at(server.port, TEXT.replace("bucket: foo", "bucket: bar"))
                == f"{PEER}: there is no bucket bar"
            )
            wrong = TEXT.replace("key: secretkey", "key: accesskey")
            assert "SignatureDoesNotMatch" in await failure_at(server.port, wrong)
        async with store(listening=False) as server:
            assert "does not know ListenBucketNotification" in await failure_at(server.port)

    play(story())


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LOCATION = b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'
REGION = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(LOCATION), LOCATION)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@asynccontextmanager
async def speaking(*pieces: bytes) -> AsyncIterator[int]:
    """
    A store that answers the question for its region, and the next one with these pieces; then it leaves.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if b"location" in await reader.readuntil(b"\r\n\r\n"):
                writer.write(REGION)
                await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)


RECORDS = b'{"Records":[{"s3":{"object":{"key":"a"}}},{"s3":{"object":{"key":"b"}}}]}\n'


def test_every_record_of_a_notification_is_an_event_however_its_bytes_come() -> None:
    async def story() -> None:
        for pieces in (
            [chunk(RECORDS)],
            [chunk(b" "), chunk(b" " + RECORDS[:20]), chunk(RECORDS[20:])],
            [chunk(bytes([b])) for b in RECORDS],
        ):
            async with speaking(HEAD, *pieces, chunk(b" ")) as port:
                context = context_at(port)
                async with running(context):
                    await context.until(lambda told=context: len(told.events) == 2)
                assert [event.subject for event in context.events] == ["a", "b"]
                assert context.events[0].payload == b'{"s3":{"object":{"key":"a"}}}'
                assert context.events[0].id == ""

    play(story())


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([HEAD, chunk(b"no json\n")], "the store sent something that is no notification"),
        ([HEAD, chunk(b"[1]\n")], "the store sent something that is no notification"),
        ([HEAD, chunk(b'{"Event": 1}\n')], "the store sent something that is no notification"),
        ([HEAD, b"0\r\n\r\n"], "the store ended the stream of notifications"),
        ([HEAD, b"zz\r\n"], "the store"),
        ([b"SSH-2.0-OpenSSH_9\r\n"], "what answers there speaks no HTTP"),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 4\r\n\r\n<a/>"],
            "does not know ListenBucketNotification",
        ),
        (
            [b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno"],
            "no S3 store answers there",
        ),
        (
            [b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n"],
            "no S3 store answers there",
        ),
        ([], "the store"),
    ],
)
def test_a_server_that_is_no_such_store_is_an_error_that_says_so(pieces: list[bytes], said: str) -> None:
    async def story() -> None:
        async with speaking(*pieces) as port:
            assert said in await failure_at(port)

    play(story())


def test_a_server_that_answers_nothing_is_given_up_at_the_limit_and_its_thread_ends() -> None:
    async def story() -> None:
        over = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await over.wait()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        said = await failure_at(port, limits=Limits(connect_s=0.05))
        assert said == f"{PEER}: no answer within 0.05 s"
        over.set()
        server.close()

    play(story())


RECONCILE = TEXT + "reconcile: true\n"


def test_what_came_while_nobody_listened_is_handed_on_once_there_is_a_stream_again() -> None:
    async def story() -> None:
        async with store() as server:
            context, shared = context_at(server.port), Memories()
            put(server, "before")
            async with running(context, RECONCILE, shared=shared) as (processor, task):
                put(server, "a", b"1")
                assert await processor.caught_up()
                server.end_streams()
                await asyncio.wait({task})
            for number in range(1500):
                put(server, f"missed/{number:04}")
            put(server, "a", b"2")
            async with running(context, RECONCILE, shared=shared) as (processor, _):
                assert await processor.caught_up()
                assert [event.subject for event in context.events[:2]] == ["a", "a"]
                assert [event.subject for event in context.events[2:]] == [f"missed/{n:04}" for n in range(1500)]
                put(server, "b")
                assert await processor.caught_up()
                assert context.events[-1].subject == "b"
            assert len(context.events) == 1503
            assert len({event.id for event in context.events}) == 1503

    play(story())


def test_what_is_told_while_a_bucket_is_listed_is_handed_on_once() -> None:
    async def story() -> None:
        async with store() as server:
            context, shared = context_at(server.port), Memories()
            async with running(context, RECONCILE, shared=shared):
                pass
            for number in range(2500):
                put(server, f"missed/{number}")
            processor = ArtifactProcessor(ArtifactProcessor.parse("s3.fooConfig", RECONCILE), context, shared)  # type: ignore[arg-type]
            task = asyncio.create_task(processor.run())
            told = 0
            while len(context.said) < 2:
                put(server, f"told/{told}")
                told += 1
                await asyncio.sleep(0.001)
            assert told > 3
            assert await processor.caught_up()
            assert len(context.events) == 2500 + told
            assert len({event.subject for event in context.events}) == 2500 + told
            task.cancel()
            await asyncio.wait({task})

    play(story())


def test_without_room_a_list_waits_and_what_is_told_meanwhile_is_handed_on_once() -> None:
    async def story() -> None:
        async with store() as server:
            context, shared = context_at(server.port, room=5), Memories()
            async with running(context, RECONCILE, shared=shared):
                pass
            for number in range(1500):
                put(server, f"missed/{number}")
            processor = ArtifactProcessor(ArtifactProcessor.parse("s3.fooConfig", RECONCILE), context, shared)  # type: ignore[arg-type]
            task = asyncio.create_task(processor.run())
            await context.until(lambda: len(context.events) == 5)
            assert await processor.caught_up()
            assert processor.paused()
            assert len(context.said) == 1
            for number in range(100):
                put(server, f"told/{number}")
            context.make_room(None)
            await context.until(lambda: len(context.said) == 2)
            assert await processor.caught_up()
            assert len(context.events) == len({event.subject for event in context.events}) == 1600
            task.cancel()
            await asyncio.wait({task})

    play(story())


def test_a_list_that_fails_ends_the_run_and_forgets_nothing() -> None:
    async def story() -> None:
        refusals = [S3Error("SlowDown")]

        def hook(operation: str) -> S3Error | None:
            return refusals.pop() if operation == "ListObjectsV2" and refusals else None

        async with store(hook=hook) as server:
            context, shared = context_at(server.port), Memories()
            async with running(context, RECONCILE, shared=shared) as (_, task):
                await asyncio.wait({task})
                assert "cannot list bucket foo: the store refuses: SlowDown" in str(task.exception())
                assert context.said == []
            async with running(context, RECONCILE, shared=shared):
                assert len(context.said) == 1
            refusals.append(S3Error("AccessDenied"))
            put(server, "a")
            async with running(context, RECONCILE, shared=shared) as (_, task):
                await asyncio.wait({task})
                assert "AccessDenied" in str(task.exception())
            put(server, "b")
            async with running(context, RECONCILE, shared=shared):
                await context.until(lambda: len(context.said) == 2)
            assert [event.subject for event in context.events] == ["a", "b"]

    play(story())


@pytest.mark.parametrize(
    ("told", "key"),
    [
        ("in%2F%C3%BC+1.txt", "in/ü 1.txt"),
        ("in/ü+1%2B.txt", "in/ü+1%2B.txt"),
        ("a b", "a b"),
        ("50%", "50%"),
        ("a+b", "a b"),
        ("plain-1_2.~", "plain-1_2.~"),
    ],
)
def test_a_key_is_read_whether_the_store_tells_it_escaped_or_as_it_is(told: str, key: str) -> None:
    assert key_in(told) == key
