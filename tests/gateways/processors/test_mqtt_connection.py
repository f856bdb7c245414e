from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateways.errors import SourceUnavailable
from gateways.limits import Limits
from gateways.processors.mqtt_session import Sessions
from tests.gateways.processors.mqtt_runs import (
    CONNACK,
    FOO,
    PEER,
    SUBACK,
    context_for,
    failure_at,
    mqtt_server,
    running,
    speaking,
)
from tests.gateways.processors.nats_runs import silent
from tests.gateways.processors.runs import listener, play
from tests.gateways.processors.surroundings import FakeContext

QUICK = Limits(connect_s=0.3)


def test_nobody_there_is_said_so() -> None:
    async def story() -> None:
        async with listener(silent) as (host, port):
            pass
        assert await failure_at((host, port)) == f"{PEER}: connection refused"

    play(story())


def test_a_name_that_nobody_knows_is_said_so() -> None:
    async def story() -> None:
        async with running("url: tcp://nowhere.invalid\nattributes: {topic: foo}", FakeContext()) as run:
            assert str(await run.failure()).startswith("nowhere.invalid:1883: ")

    play(story())


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"INFO {}\r\n",
        b"\x00" * 70_000,
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x90\x01",
    ],
)
def test_a_server_that_speaks_something_else_is_said_so(greeting: bytes) -> None:
    async def story() -> None:
        async with speaking(greeting) as endpoint:
            assert await failure_at(endpoint) == f"{PEER}: no MQTT server answers there"

    play(story())


@pytest.mark.parametrize(
    ("connack", "why"),
    [
        (b"\x20\x02\x00\x05", "the server refuses the connection: not authorized"),
        (b"\x20\x02\x00\x04", "the server refuses the connection: bad user name or password"),
        (b"\x20\x02\x00\x03", "the server refuses the connection: server unavailable"),
        (b"\x20\x02\x00\x01", "no MQTT 3.1.1 server answers there"),
        (b"\x20\x07\x00\x00abcde", "no MQTT 3.1.1 server answers there"),
        (b"\x20\xff\xff\xff\xff\xff", "no MQTT 3.1.1 server answers there"),
        (b"\x20\xff\xff\xff\x7fabc", "no MQTT 3.1.1 server answers there"),
    ],
)
def test_a_refusal_is_told_in_the_protocols_words(connack: bytes, why: str) -> None:
    async def story() -> None:
        async with speaking(connack) as endpoint:
            assert await failure_at(endpoint) == f"{PEER}: {why}"

    play(story())


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ((CONNACK, b"\x90\x03\x00\x01\x80"), "the server refuses the subscription to foo"),
        ((CONNACK, b"\x90\x03\x00\x01\x00"), "the server grants no more than qos 0 for foo"),
        ((CONNACK, b"\xf0\x00"), "the server breaks the protocol"),
    ],
)
def test_a_subscription_that_is_not_what_was_asked_for_is_an_error(answers: tuple[bytes, ...], why: str) -> None:
    async def story() -> None:
        async with speaking(*answers) as endpoint:
            assert await failure_at(endpoint, f"{FOO}qos: 1\n", limits=QUICK) == f"{PEER}: {why}"

    play(story())


@pytest.mark.parametrize("answers", [(), (CONNACK,)])
def test_a_server_that_says_nothing_is_given_up_after_the_limit(answers: tuple[bytes, ...]) -> None:
    async def story() -> None:
        async with speaking(*answers) as endpoint:
            said = await failure_at(endpoint, limits=Limits(connect_s=0.1))
            assert said == f"{PEER}: no answer within 0.1 s"

    play(story())


def test_a_server_that_leaves_ends_the_run_with_the_cause() -> None:
    async def story() -> None:
        async with speaking(CONNACK, SUBACK, leaves=True) as endpoint:
            assert await failure_at(endpoint) == f"{PEER}: the server closed the connection"

    play(story())


def test_messages_that_come_a_byte_at_a_time_are_whole() -> None:
    message = b"\x30\x08\x00\x03foo\x00\xff\x00"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(CONNACK)
        await reader.read(1000)
        for byte in SUBACK + message * 3:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)

    async def story() -> None:
        async with listener(serve) as endpoint, running(FOO, FakeContext({PEER: endpoint}, limits=QUICK)) as run:
            await run.events(3)
            assert run.context.payloads == [b"\x00\xff\x00"] * 3

    play(story())


def test_a_topic_that_is_no_text_harms_nobody() -> None:
    async def story() -> None:
        message = b"\x30\x05\x00\x02\xff\xfex" + b"\x30\x06\x00\x03fooy"
        async with (
            speaking(CONNACK, SUBACK + message) as endpoint,
            running(FOO, FakeContext({PEER: endpoint}, limits=QUICK)) as run,
        ):
            await run.events(2)
            assert [event.subject for event in run.context.events] == ["", "foo"]

    play(story())


def test_a_lie_about_a_packets_size_fills_no_memory() -> None:
    async def story() -> None:
        async with speaking(CONNACK, SUBACK + b"\x30\xff\xff\xff\x7f") as endpoint:
            assert await failure_at(endpoint) == f"{PEER}: the server breaks the protocol"

    play(story())


def test_users_and_passwords_are_checked_by_the_server(tmp_path: Path) -> None:
    async def story() -> None:
        async with mqtt_server(users={"gateway": "right"}) as server:
            (tmp_path / "user").write_text("gateway\n")
            (tmp_path / "password").write_text("right\n")
            files = f"auth: {{usernameFile: {tmp_path / 'user'}, passwordFile: {tmp_path / 'password'}}}\n"
            async with running(FOO + files, context_for(server)) as run:
                await run.listens()
            said = await failure_at(server.endpoint, f"{FOO}auth: {{username: gateway, password: wrong}}\n")
            assert said == f"{PEER}: the server refuses the connection: not authorized"
            missing = await failure_at(server.endpoint, f"{FOO}auth: {{username: a, passwordFile: /nowhere}}\n")
            assert missing == "auth.passwordFile /nowhere cannot be read: no such file or directory"

    play(story())


def test_over_tls_the_name_in_the_text_is_verified() -> None:
    text = FOO.replace("tcp://", "ssl://")

    async def story() -> None:
        async with mqtt_server(tls=True) as server:
            async with running(text, context_for(server)) as run:
                await run.listens()
                await server.say("foo", b"x" * 200_000)
                await run.events(1)
            said = await failure_at(server.endpoint, f"{text}tls: {{serverName: elsewhere}}\n")
            assert said.startswith(f"{PEER}: TLS: Hostname mismatch")
            await failure_at(server.endpoint)
        async with mqtt_server() as server:
            await failure_at(server.endpoint, text)

    play(story())


def test_a_client_id_belongs_to_one_configuration() -> None:
    async def story() -> None:
        shared = Sessions()
        async with mqtt_server() as server:
            text = f"{FOO}clientId: shop\n"
            other = context_for(server)
            other.configuration = "mqtt.barConfig"
            async with running(text, context_for(server), shared) as run:
                await run.listens()
                async with running(text, other, shared) as second:
                    error = await second.failure()
                    assert type(error) is SourceUnavailable
                    assert str(error) == f"{PEER}: the clientId shop is taken by configuration nats.fooConfig"
            async with running(text, other, shared) as run:
                await run.listens()

    play(story())


def test_a_crash_says_nothing_to_the_server() -> None:
    async def story() -> None:
        heard = bytearray()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for answer in (CONNACK, SUBACK):
                await reader.read(1000)
                writer.write(answer)
            try:
                heard.extend(await reader.read(1000))
            except ConnectionResetError:
                heard.extend(b"reset")

        async with listener(serve) as endpoint, running(FOO, FakeContext({PEER: endpoint})) as run:
            await run.listens()
            run.processor.abort()
            run.task.cancel()
            await asyncio.wait({run.task})
            while not heard:
                await asyncio.sleep(0.001)
                heard.extend(b"" if run.task.done() is False else b" ")
        assert b"\xe0" not in heard

    play(story())
