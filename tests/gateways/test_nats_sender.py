"""
Dispatch over NATS, against real servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateways.addresses import DirectAddresses
from gateways.clock import Clock, SystemClock, SystemHold
from gateways.errors import ConfigurationError
from gateways.gateway_spec import Dispatch, GatewaySpec
from gateways.limits import Limits
from gateways.nats_sender import NatsTarget, NatsTargets, problem_of
from gateways.source_event import Certainty
from gateways.watcher import ACCEPTED, Attempt
from tests.gateways.processors.nats_server import PEER, NatsServer, nats_server
from tests.gateways.surroundings import play
from tests.gateways.watchers import EVENT

DENYING = {
    "authorization": {
        "users": [
            {"user": "gw", "password": "x", "permissions": {"publish": {"deny": ["gw/foo"]}}},
        ]
    }
}


@asynccontextmanager
async def targets_at(
    server: NatsServer | None, *, jetstream: bool = False, clock: Clock | None = None, login: str = "", **options: Any
) -> AsyncIterator[NatsTargets]:
    spec = GatewaySpec(name="gw", type="webhook", **options)
    where = {PEER: server.endpoint if server is not None else ("127.0.0.1", 1)}
    dispatch = Dispatch("NATS", f"url: nats://{login}{PEER}", jetstream=jetstream)
    targets = NatsTargets(spec, dispatch, clock=clock or SystemClock(), addresses=DirectAddresses(overrides=where))
    try:
        yield targets
    finally:
        await targets.close()


def only(targets: NatsTargets) -> NatsTarget:
    [target] = targets.of("foo")
    return target


async def attempted(targets: NatsTargets, source: str = "gw/foo") -> Attempt:
    return await only(targets).attempt(EVENT._replace(source=source), SystemHold())


def test_an_event_is_accepted_once_the_server_has_it() -> None:
    async def story() -> None:
        async with nats_server() as server, targets_at(server) as targets:
            assert await attempted(targets) == ACCEPTED

    play(story)


def test_many_at_once_share_one_connection() -> None:
    async def story() -> None:
        async with nats_server() as server, targets_at(server) as targets:
            assert await asyncio.gather(*(attempted(targets) for _ in range(50))) == [ACCEPTED] * 50
            connections = (await server.publisher.ask("$SYS.REQ.USER.INFO", {}))["data"]
            assert connections["user"] == ""
            line = targets._line
            assert await line.connected() is await line.connected()

    play(story)


def test_a_server_that_is_not_there_certainly_has_nothing() -> None:
    async def story() -> None:
        async with targets_at(None) as targets:
            assert await attempted(targets) == Attempt(Certainty.REFUSED, f"{PEER}: connection refused")

    play(story)


def test_after_an_outage_a_new_connection_is_made() -> None:
    async def story() -> None:
        async with nats_server() as server, targets_at(server) as targets:
            assert await attempted(targets) == ACCEPTED
            server.configuration["listen"] = f"127.0.0.1:{server.port}"
            await server.stop()
            assert (await attempted(targets)).certainty is not Certainty.ACCEPTED
            await server.start()
            assert await attempted(targets) == ACCEPTED

    play(story)


def test_what_may_not_be_published_is_refused_and_others_go_on() -> None:
    async def story() -> None:
        async with nats_server(DENYING) as server, targets_at(server, login="gw:x@") as targets:
            denied, allowed = await asyncio.gather(attempted(targets), attempted(targets, "gw/bar"))
            assert denied == Attempt(Certainty.REFUSED, f"{PEER}: we may not publish to gw/foo")
            assert allowed == ACCEPTED

    play(story)


def test_a_wrong_password_is_told_without_it() -> None:
    async def story() -> None:
        async with nats_server(DENYING) as server, targets_at(server, login="gw:hunter2@") as targets:
            attempt = await attempted(targets)
            assert attempt == Attempt(Certainty.REFUSED, f"{PEER}: authorization violation")

    play(story)


def test_what_is_larger_than_the_server_takes_is_refused_before_it_is_sent() -> None:
    async def story() -> None:
        async with nats_server({"max_payload": 1000}) as server, targets_at(server) as targets:
            large = EVENT._replace(source="gw/foo", data=b'"%b"' % (b"x" * 1000))
            attempt = await only(targets).attempt(large, SystemHold())
            assert attempt.certainty is Certainty.REFUSED
            assert attempt.cause.endswith("and the server takes 1,000")
            assert await attempted(targets) == ACCEPTED

    play(story)


def test_a_stream_says_that_it_has_stored_an_event_and_stores_it_once() -> None:
    async def story() -> None:
        async with nats_server(jetstream=True) as server, targets_at(server, jetstream=True) as targets:
            assert await attempted(targets) == Attempt(Certainty.REFUSED, f"{PEER}: no stream takes gw/foo")
            await server.make_stream("EVENTS", "gw/foo")
            assert await attempted(targets) == ACCEPTED
            assert await attempted(targets) == ACCEPTED
            assert (await server.api("STREAM.INFO.EVENTS"))["state"]["messages"] == 1

    play(story)


@pytest.mark.parametrize(
    ("limit", "cause"),
    [
        ({"max_bytes": 1, "discard": "new"}, "maximum bytes exceeded"),
        ({"max_msg_size": 1}, "message size exceeds maximum allowed"),
    ],
)
def test_a_stream_that_does_not_take_an_event_refuses_it_by_name(limit: dict[str, Any], cause: str) -> None:
    async def story() -> None:
        async with nats_server(jetstream=True) as server, targets_at(server, jetstream=True) as targets:
            stream = {"name": "EVENTS", "subjects": ["gw/foo"], "storage": "memory", **limit}
            await server.api("STREAM.CREATE.EVENTS", **stream)
            assert await attempted(targets) == Attempt(Certainty.REFUSED, f"{PEER}: {cause}")

    play(story)


def test_an_answer_that_does_not_come_leaves_the_event_uncertain() -> None:
    async def story() -> None:
        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"headers":true}\r\n')
            answered = False
            while line := await reader.readline():
                if line.startswith(b"PING") and not answered:
                    answered = True
                    writer.write(b"PONG\r\n")
            writer.close()

        server = await asyncio.start_server(mute, "127.0.0.1", 0)
        spec = GatewaySpec(name="gw", type="webhook", limits=Limits(answer_s=0.05))
        where = DirectAddresses(overrides={PEER: server.sockets[0].getsockname()})
        targets = NatsTargets(spec, Dispatch("NATS", f"url: nats://{PEER}"), clock=SystemClock(), addresses=where)
        assert await attempted(targets) == Attempt(Certainty.UNCERTAIN, f"{PEER}: no answer within 0.05 s")
        targets.abort()
        await targets.close()
        server.close()

    play(story)


def test_who_gives_up_leaves_the_connection_to_the_others() -> None:
    async def story() -> None:
        async with nats_server() as server, targets_at(server) as targets:
            first = asyncio.create_task(attempted(targets))
            await asyncio.sleep(0)
            second = asyncio.create_task(attempted(targets))
            await asyncio.sleep(0)
            first.cancel()
            assert await second == ACCEPTED
            with pytest.raises(asyncio.CancelledError):
                await first

    play(story)


@pytest.mark.parametrize("configuration", ["foo.", "a..b", "."])
def test_a_key_that_gives_an_empty_token_cannot_be_dispatched(configuration: str) -> None:
    async def story() -> None:
        async with targets_at(None) as targets:
            with pytest.raises(ConfigurationError, match="has an empty token"):
                targets.of(configuration)
            assert problem_of("gw/.foo") == ""

    play(story)


def test_a_source_that_is_no_subject_is_refused() -> None:
    async def story() -> None:
        async with targets_at(None) as targets:
            assert (await attempted(targets, "gw/a..b")).cause.endswith("has an empty token, between or beside dots")
            assert (await attempted(targets, "x" * 1001)).cause.endswith("of more than 1000 bytes")

    play(story)
