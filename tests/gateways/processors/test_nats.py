from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateways.errors import AddressRefused, ConfigurationError, SourceUnavailable
from gateways.limits import Limits
from gateways.processors import nats_backlog
from gateways.processors.nats import NatsProcessor
from simulator.services.nats_publisher import Access
from simulator.virtual_clock import VirtualClock
from tests.gateways.processors.nats_runs import Run, context_for, play, running
from tests.gateways.processors.nats_server import PEER, make_certificate, nats_server
from tests.gateways.processors.surroundings import FakeContext

FOO = f"url: nats://{PEER}\nattributes: {{subject: foo}}\n"
USERS = {"authorization": {"users": [{"user": "me", "password": "hunter2"}]}}


async def failure_at(endpoint: tuple[str, int], text: str = FOO, **more: Any) -> str:
    async with running(text, FakeContext({PEER: endpoint}, **more)) as run:
        error = await run.failure()
        assert type(error) is SourceUnavailable
        return str(error)


def test_a_message_becomes_an_event_with_its_bytes_and_subject() -> None:
    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server)) as run:
            await run.listens()
            await server.publish("foo", b'{"a": 1}', b"", b"\xff\x00")
            assert await run.processor.caught_up()
            assert run.context.payloads == [b'{"a": 1}', b"", b"\xff\x00"]
            event = run.context.events[0]
            assert (event.subject, event.id, event.settle, event.content_type) == ("foo", "", None, "")

    play(story())


def test_it_says_what_it_listens_to_and_where() -> None:
    async def story() -> None:
        async with nats_server() as server:
            async with running(FOO, context_for(server)) as run:
                await run.listens()
                assert run.context.said == [f"running: subscribed to foo at {PEER}"]
            async with running(FOO + "queue: workers", context_for(server)) as run:
                await run.listens()
                assert run.context.said == [f"running: subscribed to foo in queue group workers at {PEER}"]

    play(story())


def test_wildcards_pass_through_and_the_subject_is_the_messages_own() -> None:
    async def story() -> None:
        text = f"url: nats://{PEER}\nattributes: {{subject: 'orders.*.>'}}"
        async with nats_server() as server, running(text, context_for(server)) as run:
            await run.listens()
            for subject in ("orders.eu.new.1", "orders.eu", "invoices.eu.new", "orders.us.old"):
                await server.publish(subject, b"")
            assert await run.processor.caught_up()
            assert [event.subject for event in run.context.events] == ["orders.eu.new.1", "orders.us.old"]

    play(story())


def test_members_of_a_queue_group_share_and_others_do_not() -> None:
    async def story() -> None:
        async with nats_server() as server:
            contexts = [context_for(server) for _ in range(3)]
            texts = [FOO + "queue: workers", FOO + "queue: workers", FOO]
            async with (
                running(texts[0], contexts[0]) as one,
                running(texts[1], contexts[1]) as two,
                running(texts[2], contexts[2]) as alone,
            ):
                for run in (one, two, alone):
                    await run.listens()
                await server.publish("foo", *[b"%d" % i for i in range(100)])
                for run in (one, two, alone):
                    assert await run.processor.caught_up()
                assert sorted(contexts[0].payloads + contexts[1].payloads) == sorted(contexts[2].payloads)
                assert contexts[0].payloads
                assert contexts[1].payloads

    play(story())


def test_a_subject_that_is_no_utf8_does_not_deafen_it() -> None:
    async def story() -> None:
        text = f"url: nats://{PEER}\nattributes: {{subject: '>'}}"
        async with nats_server() as server, running(text, context_for(server)) as run:
            await run.listens()
            _, writer = await asyncio.open_connection(*server.endpoint)
            writer.write(b"CONNECT {}\r\nPUB f\xff\xfe 2\r\nhi\r\nPUB foo 2\r\nho\r\n")
            await run.context.until(lambda: len(run.context.events) == 2)
            assert [event.subject for event in run.context.events] == ["f��", "foo"]
            writer.close()

    play(story())


def test_a_header_that_is_malformed_does_not_deafen_it() -> None:
    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server)) as run:
            await run.listens()
            _, writer = await asyncio.open_connection(*server.endpoint)
            header = b"NATS/1.0 \xff\r\n\r\n"
            writer.write(
                b'CONNECT {"headers": true}\r\nHPUB foo %d %d\r\n%shi\r\n' % (len(header), len(header) + 2, header)
            )
            await run.context.until(lambda: run.context.events)
            assert run.context.payloads == [b"hi"]
            writer.close()

    play(story())


def test_caught_up_means_that_all_that_was_published_before_is_handed_on() -> None:
    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server)) as run:
            await run.listens()
            for number in range(1, 21):
                await server.publish("foo", *[b"x"] * 500)
                assert await run.processor.caught_up()
                assert len(run.context.events) == number * 500

    play(story())


def test_it_says_that_it_listens_only_when_the_server_knows() -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        for _ in range(2):
            heard.append(await reader.readuntil(b"PING\r\n"))
            writer.write(b"PONG\r\n")

    async def story() -> None:
        async with (
            listener(serve) as endpoint,
            running(FOO, FakeContext({PEER: endpoint}, limits=Limits(connect_s=0.1))) as run,
        ):
            await run.listens()
            assert heard[1] == b"SUB foo  1\r\nPING\r\n"

    play(story())


def test_who_is_not_connected_has_nothing_to_catch_up_with() -> None:
    async def story() -> None:
        run = NatsProcessor(NatsProcessor.parse("k", FOO), FakeContext())
        assert await run.caught_up()

    play(story())


def test_a_lost_connection_ends_the_run_and_the_next_run_listens_again() -> None:
    async def story() -> None:
        async with nats_server() as server:
            async with running(FOO, context_for(server)) as run:
                await run.listens()
                await server.process.kill()
                assert str(await run.failure()) == f"{PEER}: the server closed the connection"
            await server.start()
            async with running(FOO, context_for(server)) as run:
                await run.listens()

    play(story())


def test_messages_that_came_just_before_the_end_are_handed_on() -> None:
    async def story() -> None:
        async with speaking(b"".join(b"MSG foo 1 2\r\n%02d\r\n" % i for i in range(50)), leaves=True) as endpoint:
            context = FakeContext({PEER: endpoint})
            async with running(FOO, context) as run:
                assert "closed the connection" in str(await run.failure())
                assert len(context.events) == 50

    play(story())


# What can go wrong with a connect.

INFO = b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576}\r\n'


@asynccontextmanager
async def listener(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Any]:
    """
    A server that is not quite nats-server.
    """
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        over.set()
        server.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def speaking(after_subscribe: bytes, *, leaves: bool = False) -> AsyncIterator[Any]:
    """
    A server that says something right after the subscription's PONG.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        for answer in (b"PONG\r\n", b"PONG\r\n" + after_subscribe):
            await reader.readuntil(b"PING\r\n")
            writer.write(answer)
        if leaves:
            writer.close()

    async with listener(serve) as endpoint:
        yield endpoint


def test_nobody_there_is_said_so() -> None:
    async def story() -> None:
        async with listener(_silent) as (host, port):
            pass
        assert await failure_at((host, port)) == f"{PEER}: connection refused"

    play(story())


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"INFO []\r\n",
        b"INFO {\r\n",
        b"INFO\r\n",
        b"\x00" * 70_000,
        b"220 smtp\r\n",
    ],
)
def test_a_server_that_speaks_something_else_is_said_so(greeting: bytes) -> None:
    async def story() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)

        async with listener(serve) as endpoint:
            assert await failure_at(endpoint) == f"{PEER}: no NATS server answers there"

    play(story())


def test_a_server_that_leaves_at_once_is_said_so() -> None:
    async def story() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with listener(serve) as endpoint:
            assert await failure_at(endpoint) == f"{PEER}: no NATS server answers there"

    play(story())


def test_a_server_that_says_nothing_runs_into_the_limit() -> None:
    async def story() -> None:
        async with listener(_silent) as endpoint:
            assert await failure_at(endpoint, limits=Limits(connect_s=0.05)) == f"{PEER}: no answer within 0.05 s"

    play(story())


def test_nonsense_in_the_middle_ends_the_run() -> None:
    async def story() -> None:
        async with speaking(b"WHAT IS THIS\r\n") as endpoint, running(FOO, FakeContext({PEER: endpoint})) as run:
            assert isinstance(await run.failure(), SourceUnavailable)

    play(story())


def test_the_first_server_that_answers_is_used_and_named() -> None:
    async def story() -> None:
        text = f"url: nats://nowhere:1,nats://{PEER}\nattributes: {{subject: foo}}"
        async with nats_server() as server, listener(_silent) as gone:
            pass
        async with nats_server() as server:
            context = FakeContext({"nowhere:1": gone, PEER: server.endpoint})
            async with running(text, context) as run:
                await run.listens()
                assert context.said == [f"running: subscribed to foo at {PEER}"]

    play(story())


def test_when_no_server_answers_each_is_named() -> None:
    async def story() -> None:
        async with listener(_silent) as gone:
            pass
        text = "url: nats://one:1,nats://two:2\nattributes: {subject: foo}"
        async with running(text, FakeContext({"one:1": gone, "two:2": gone})) as run:
            assert str(await run.failure()) == "one:1: connection refused; two:2: connection refused"

    play(story())


def test_an_address_that_leads_nowhere_is_said_so() -> None:
    class Nowhere(FakeContext):
        def dial(self, host: str, port: int) -> tuple[str, int]:
            raise AddressRefused(host, port, "nothing is there")

    async def story() -> None:
        context = Nowhere()
        context.addresses = context  # type: ignore[assignment]  # it dials, which is all that is used
        async with running(FOO, context) as run:
            assert str(await run.failure()) == f"{PEER}: nothing is there"

    play(story())


# Who may.


def test_wrong_credentials_are_refused_and_not_shown() -> None:
    async def story() -> None:
        async with nats_server(USERS) as server:
            text = f"url: nats://me:wr0ng@{PEER}\nattributes: {{subject: foo}}"
            assert await failure_at(server.endpoint, text) == f"{PEER}: authorization violation"
            assert await failure_at(server.endpoint, FOO) == f"{PEER}: authorization violation"

    play(story())


@pytest.mark.parametrize("way", ["url", "text", "files"])
def test_right_credentials_are_taken(way: str, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("me\n")
    (tmp_path / "password").write_text("hunter2\n")
    text = {
        "url": f"url: nats://me:hunter2@{PEER}\nattributes: {{subject: foo}}",
        "text": FOO + "auth: {username: me, password: hunter2}",
        "files": FOO + f"auth: {{usernameFile: {tmp_path}/user, passwordFile: {tmp_path}/password}}",
    }[way]

    async def story() -> None:
        async with nats_server(USERS) as server, running(text, context_for(server)) as run:
            await run.listens()

    play(story())


def test_a_token_is_read_again_at_each_run(tmp_path: Path) -> None:
    async def story() -> None:
        text = FOO + f"auth: {{tokenFile: {tmp_path}/token}}"
        async with nats_server({"authorization": {"token": "s3cret"}}) as server:
            missing = f"auth.tokenFile {tmp_path}/token cannot be read: no such file or directory"
            assert await failure_at(server.endpoint, text) == missing
            (tmp_path / "token").write_text("s3cret")
            async with running(text, context_for(server)) as run:
                await run.listens()

    play(story())


def test_a_package_that_is_missing_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(FOO + f"auth: {{nkeySeedFile: {tmp_path}/seed}}", FakeContext()) as run:
            error = await run.failure()
            if type(error) is ConfigurationError:
                assert "pip install 'nats-py[nkeys]'" in str(error)
            else:
                assert "cannot be read" in str(error)

    play(story())


PERMISSIONS = {
    "authorization": {
        "users": [
            {"user": "me", "password": "hunter2", "permissions": {"subscribe": ["foo", "_INBOX.>"]}},
            {"user": "boss", "password": "boss"},
        ]
    }
}
MINE = f"url: nats://me:hunter2@{PEER}\nattributes: {{subject: %s}}"


def test_a_subject_that_the_account_may_not_have_ends_the_run() -> None:
    async def story() -> None:
        async with nats_server(PERMISSIONS) as server:
            said = await failure_at(server.endpoint, MINE % "bar")
            assert said == f'{PEER}: permissions violation for subscription to "bar"'

    play(story())


def test_a_permission_that_is_taken_away_ends_the_run() -> None:
    async def story() -> None:
        async with nats_server(PERMISSIONS) as server, running(MINE % "foo", context_for(server)) as run:
            await run.listens()
            me = {"user": "me", "password": "hunter2", "permissions": {"subscribe": ["_INBOX.>"]}}
            server.reload({"authorization": {"users": [me]}})
            assert "permissions violation" in str(await run.failure())

    play(story())


def test_an_account_that_is_taken_away_ends_the_run() -> None:
    async def story() -> None:
        async with nats_server(PERMISSIONS) as server, running(MINE % "foo", context_for(server)) as run:
            await run.listens()
            server.reload({"authorization": {"users": [{"user": "boss", "password": "boss"}]}})
            assert isinstance(await run.failure(), SourceUnavailable)

    play(story())


# TLS.


def with_tls(certificate: Path, key: Path) -> dict[str, Any]:
    return {"tls": {"cert_file": str(certificate), "key_file": str(key)}}


def test_tls_verifies_the_name_in_the_text(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "nats.argo-events")
    text = f"url: tls://{PEER}\nattributes: {{subject: foo}}\ntls: {{caFile: {certificate}}}"

    async def story() -> None:
        access = Access("127.0.0.1", 0, certificate=certificate, name="nats.argo-events")
        secured = nats_server(with_tls(certificate, key), access=access)
        async with secured as server, running(text, context_for(server)) as run:
            await run.listens()
            await server.publish("foo", b"secretly")
            assert await run.processor.caught_up()
            assert run.context.payloads == [b"secretly"]

    play(story())


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "somebody.else")

    async def story() -> None:
        text = f"url: tls://{PEER}\nattributes: {{subject: foo}}\ntls: {{caFile: {certificate}%s}}"
        async with nats_server(with_tls(certificate, key)) as server:
            said = await failure_at(server.endpoint, text % "")
            assert said.startswith(f"{PEER}: TLS: Hostname mismatch")
            async with running(text % ", serverName: somebody.else", context_for(server)) as run:
                await run.listens()

    play(story())


def test_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "nats.argo-events")

    async def story() -> None:
        async with nats_server(with_tls(certificate, key)) as server:
            for text in (FOO, FOO.replace("nats://", "tls://")):
                assert await failure_at(server.endpoint, text) == f"{PEER}: TLS: self-signed certificate"

    play(story())


def test_a_client_certificate_is_shown_where_the_text_names_one(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "nats.argo-events")
    mine, my_key = make_certificate(tmp_path, "gateway")

    async def story() -> None:
        tls = {**with_tls(certificate, key)["tls"], "ca_file": str(mine), "verify": True}
        files = f"caFile: {certificate}, certFile: {mine}, keyFile: {my_key}"
        text = f"url: tls://{PEER}\nattributes: {{subject: foo}}\ntls: {{{files}}}"
        async with nats_server({"tls": tls}) as server, running(text, context_for(server)) as run:
            await run.listens()

    play(story())


def test_a_certificate_that_cannot_be_read_is_named() -> None:
    async def story() -> None:
        said = await failure_at(("127.0.0.1", 1), FOO + "tls: {caFile: /nowhere/ca.pem}")
        assert said == "tls.caFile /nowhere/ca.pem cannot be used: no such file or directory"

    play(story())


def test_credentials_never_go_to_a_server_without_tls_where_the_text_asks_for_it() -> None:
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        heard.extend(await reader.read())

    async def story() -> None:
        async with listener(serve) as endpoint:
            text = f"url: tls://me:hunter2@{PEER}\nattributes: {{subject: foo}}"
            said = await failure_at(endpoint, text)
            assert said == f"{PEER}: the text asks for TLS and the server has none"
            assert not heard

    play(story())


# Backpressure.


def test_without_room_it_waits_and_keeps_the_order() -> None:
    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server, room=2)) as run:
            await run.listens()
            await server.publish("foo", *[b"%d" % i for i in range(10)])
            assert await run.processor.caught_up()
            assert run.processor.paused()
            assert run.context.payloads == [b"0", b"1"]
            run.context.make_room(3)
            await run.context.until(lambda: len(run.context.events) == 5)
            run.context.make_room(None)
            await run.context.until(lambda: len(run.context.events) == 10)
            assert run.context.payloads == [b"%d" % i for i in range(10)]
            assert not run.processor.paused()

    play(story())


def test_what_no_longer_fits_is_counted_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(nats_backlog, "EVENTS_MAX", 5)

    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server, room=0)) as run:
            await run.listens()
            await server.publish("foo", *[b"%d" % i for i in range(12)])
            assert await run.processor.caught_up()
            assert run.context.counted == {"dropped": 7}
            run.context.make_room(None)
            await run.context.until(lambda: len(run.context.events) == 5)
            assert run.context.payloads == [b"%d" % i for i in range(5)]

    with caplog.at_level(logging.WARNING, "gateways"):
        play(story())
    assert [record.message for record in caplog.records] == [
        "dropping messages: the watchers are too slow and no more may wait"
    ]


def test_the_bytes_that_wait_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_backlog, "BYTES_MAX", 1000)

    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server, room=0)) as run:
            await run.listens()
            await server.publish("foo", *[b"x" * 300] * 4)
            assert await run.processor.caught_up()
            assert run.context.counted == {"dropped": 1}

    play(story())


def test_what_waits_when_the_connection_is_lost_is_still_handed_on() -> None:
    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server, room=0)) as run:
            await run.listens()
            await server.publish("foo", b"1", b"2")
            assert await run.processor.caught_up()
            await server.process.kill()
            await run.context.until(lambda: len(run.context.said) == 2)
            assert run.context.said[1] == f"failing: {PEER}: the server closed the connection"
            run.context.make_room(None)
            await run.failure()
            assert run.context.payloads == [b"1", b"2"]

    play(story())


# The end.


def test_a_cancelled_run_leaves_no_subscription_and_no_task() -> None:
    async def story() -> None:
        async with nats_server() as server:
            before = asyncio.all_tasks()
            run = await Run(FOO, context_for(server)).listens()
            await run.stop()
            assert asyncio.all_tasks() == before
            await server.publish("foo", b"late")
            assert run.context.events == []

    play(story())


def test_what_was_received_before_the_stop_is_handed_on_where_there_is_room_and_else_counted() -> None:
    async def story() -> None:
        async with nats_server() as server:
            run = await Run(FOO, context_for(server, room=0)).listens()
            await server.publish("foo", b"1", b"2", b"3")
            assert await run.processor.caught_up()
            run.context._room = 2
            await run.stop()
            assert run.context.payloads == [b"1", b"2"]
            assert run.context.counted == {"dropped": 1}

    play(story())


def test_what_the_server_had_accepted_before_the_stop_is_handed_on() -> None:
    async def story() -> None:
        async with nats_server() as server:
            run = await Run(FOO, context_for(server)).listens()
            await server.publish("foo", *[b"x"] * 1000)
            await run.stop()
            assert len(run.context.events) == 1000

    play(story())


def test_a_stop_while_connecting_ends_at_once() -> None:
    async def story() -> None:
        greeted = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            greeted.set()
            assert await reader.read() == b""

        async with listener(serve) as endpoint:
            run = Run(FOO, FakeContext({PEER: endpoint}, limits=Limits(connect_s=3600)))
            await greeted.wait()
            await run.stop()
            assert run.task.cancelled()

    play(story())


def test_abort_drops_the_connection_without_a_word() -> None:
    heard = bytearray()
    ended: list[type[BaseException]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        for _ in range(2):
            await reader.readuntil(b"PING\r\n")
            writer.write(b"PONG\r\n")
        heard.extend(await reader.read())
        ended.append(EOFError)

    async def story() -> None:
        async with listener(serve) as endpoint:
            run = await Run(FOO, FakeContext({PEER: endpoint})).listens()
            run.processor.abort()
            await run.stop()
            while not ended:
                await asyncio.sleep(0)
            assert heard == b""

    play(story())


def test_a_fault_of_ours_ends_the_run_with_it() -> None:
    class Broken(FakeContext):
        def emit(self, event: Any) -> bool:
            raise LookupError("a bug")

    async def story() -> None:
        async with nats_server() as server, running(FOO, Broken({PEER: server.endpoint})) as run:
            await run.listens()
            await server.publish("foo", b"1")
            assert isinstance(await run.failure(), LookupError)

    play(story())


def test_nothing_of_the_client_library_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with nats_server(USERS) as server:
            await failure_at(server.endpoint)
            async with running(FOO + "auth: {username: me, password: hunter2}", context_for(server)) as run:
                await run.listens()
                await server.process.kill()
                await run.failure()

    with caplog.at_level(logging.DEBUG, "nats"):
        play(story())
    assert not [record for record in caplog.records if record.name.startswith("nats")]


def test_virtual_time_stands_still_while_it_connects_and_is_free_while_it_listens() -> None:
    async def story() -> None:
        from datetime import UTC, datetime

        clock = VirtualClock(datetime(2018, 10, 7, tzinfo=UTC))
        async with nats_server() as server:
            run = Run(FOO, context_for(server, clock=clock))
            clock.awake(run.task)
            await clock.still()
            assert run.context.said
            assert clock.active == 0
            await run.stop()

    play(story())


def test_a_black_hole_is_not_taken_for_caught_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        for _ in range(2):
            await reader.readuntil(b"PING\r\n")
            writer.write(b"PONG\r\n")

    async def story() -> None:
        async with listener(serve) as endpoint:
            context = FakeContext({PEER: endpoint}, limits=Limits(connect_s=0.1))
            async with running(FOO, context) as run:
                await run.listens()
                assert not await run.processor.caught_up()
                assert not run.task.done()

    play(story())
