"""
Targets over real sockets: what they send, and what they make of everything that a watcher may do.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateways.addresses import DirectAddresses
from gateways.clock import Clock, SystemClock, SystemHold
from gateways.cloudevent import CloudEvent, DataForm
from gateways.gateway_spec import GatewaySpec
from gateways.http_client import ClientConnection
from gateways.http_request import Request
from gateways.http_sender import IDLE_MAX, HttpTarget, HttpTargets, request_head
from gateways.limits import Limits
from gateways.source_event import Certainty
from gateways.watcher import ACCEPTED, Attempt, Watcher
from tests.gateways.surroundings import LOOPS, listening, play, virtual_clock
from tests.gateways.watchers import (
    EVENT,
    OK,
    attempt_at,
    read_request,
    refused,
    says,
    targets_at,
    uncertain,
    watcher_that,
)


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def sent_by(target: Callable[[HttpTargets], HttpTarget], event: CloudEvent = EVENT, **options: Any) -> Request:
    """
    The request that a target makes of *event*.
    """
    requests: list[Request] = []

    async def story() -> None:
        def take(request: Request) -> None:
            requests.append(request)
            request.respond(202)

        async with listening(take) as (_, port):
            targets = targets_at(port, **options)
            assert await target(targets).attempt(event, SystemHold()) == ACCEPTED
            await targets.close()

    play(story)
    return requests[0]


def only(targets: HttpTargets) -> HttpTarget:
    [target] = targets.of("foo")
    return target


def test_an_event_is_posted_to_the_address_in_the_text() -> None:
    request = sent_by(only)
    assert (request.method, request.target) == ("POST", b"/")
    assert request.header(b"host") == "audit-sensor-svc:9300"
    assert request.header(b"content-type") == "application/cloudevents+json"
    assert request.header(b"idempotency-key") == "7"
    assert b'"data":{"a":1}' in request.body


def test_binary_mode_says_it_in_headers() -> None:
    request = sent_by(only, content_mode="binary")
    assert (request.header(b"ce-id"), request.header(b"ce-source"), request.body) == ("7", "gw/foo", b'{"a":1}')


def test_the_old_envelope_is_json() -> None:
    request = sent_by(only, envelope="0.1")
    assert request.header(b"content-type") == "application/json"
    assert b'"cloudEventsVersion":"0.1"' in request.body
    assert b'"eventTypeVersion":"1.0"' in request.body


@pytest.mark.parametrize("options", [{"content_mode": "binary"}, {"envelope": "0.1"}])
def test_a_gateway_always_gets_structured_events(options: dict[str, str]) -> None:
    relay = Watcher("relay", "relay-gateway-svc", 12000, "/in?key=1", is_gateway=True)
    request = sent_by(lambda targets: targets.to([relay])[0], **options)
    assert request.header(b"content-type") == "application/cloudevents+json"
    assert request.target == b"/in?key=1"


def test_nothing_that_a_source_states_ends_a_header_line() -> None:
    event = EVENT._replace(datacontenttype="text/plain\r\nX-Evil: 1", form=DataForm.TEXT)
    request = sent_by(only, event, content_mode="binary")
    assert b"x-evil" not in request.headers
    assert request_head(Watcher("x", "h\r\nX: y", 1, "/a b\r\n\r\né#z")).count(b"\r\n") == 3


def test_a_refused_connection_is_certain(loop: str) -> None:
    async def story() -> None:
        async with watcher_that(says()) as port:
            pass
        assert await attempt_at(port) == refused("connect audit-sensor-svc:9300: connection refused")

    play(story, loop)


def test_an_address_that_leads_nowhere_is_certain() -> None:
    async def story() -> None:
        assert await attempt_at(0) == refused("audit-sensor-svc:9300: nothing is there")

    play(story)


@pytest.mark.parametrize("host", ["nobody.invalid", "two..dots.invalid"])
def test_a_name_that_cannot_be_resolved_is_certain(host: str) -> None:
    async def story() -> None:
        spec = GatewaySpec(name="gw", type="webhook", watchers=(Watcher("w", host, 1, "/"),))
        [target] = HttpTargets(spec, clock=SystemClock(), addresses=DirectAddresses()).of("foo")
        attempt = await target.attempt(EVENT, SystemHold())
        assert attempt.certainty is Certainty.REFUSED
        assert attempt.cause.startswith(f"connect {host}:1: ")

    play(story)


def test_a_connection_that_does_not_come_about_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async def never(*_: Any, **__: Any) -> Any:
            await asyncio.Event().wait()

        clock = virtual_clock()
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
        hold = clock.work("audit-sensor-svc:9300")
        hold.stall()
        asking = asyncio.create_task(targets_at(1, clock=clock).of("foo")[0].attempt(EVENT, hold))
        asking.add_done_callback(lambda _: hold.close())
        await asyncio.sleep(0)
        await clock.advance(1.9)
        assert not asking.done()
        await clock.advance(0.1)
        assert await asking == refused("connect audit-sensor-svc:9300: no answer within 2 s")

    play(story)


@pytest.mark.parametrize(("is_gateway", "limit"), [(False, 5), (True, 15)])
def test_an_answer_that_does_not_come_is_given_up_in_time(is_gateway: bool, limit: int, loop: str) -> None:
    async def story() -> None:
        asked = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            asked.set()
            assert await reader.read() == b""  # the connection is dropped

        async with watcher_that(silent) as port:
            clock = virtual_clock()
            targets = targets_at(port, Watcher("w", "w-svc", 1, "/", is_gateway=is_gateway), clock=clock)
            hold = clock.work("w-svc:1")
            asking = asyncio.create_task(targets.of("foo")[0].attempt(EVENT, hold))
            asking.add_done_callback(lambda _: hold.close())
            await asked.wait()
            hold.stall()
            await clock.advance(limit - 0.1)
            assert not asking.done()
            await clock.advance(0.1)
            assert await asking == uncertain(f"no answer within {limit} s")

    play(story, loop)


def test_the_hold_knows_the_socket_before_anything_is_written(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, Any]] = []
    ask = ClientConnection.ask

    def noted(connection: ClientConnection, request: bytes) -> asyncio.Future[Attempt]:
        seen.append(("written", connection.local))
        return ask(connection, request)

    monkeypatch.setattr(ClientConnection, "ask", noted)

    async def story() -> None:

        class Hold(SystemHold):
            def sent_from(self, address: tuple[str, int]) -> None:
                seen.append(("hold", address))

        def take(request: Request) -> None:
            seen.append(("watcher", request.sender))
            request.respond(202)

        async with listening(take) as (_, port):
            targets = targets_at(port)
            await targets.of("foo")[0].attempt(EVENT, Hold())
            await targets.close()
        assert [who for who, _ in seen] == ["hold", "written", "watcher"]
        assert len({address for _, address in seen}) == 1

    play(story, loop)


async def senders_of(
    count: int, *, clock: Clock | None = None, between: Callable[[], Awaitable[None]] | None = None
) -> int:
    """
    How many connections *count* requests in a row took.
    """
    seen: set[Any] = set()

    def take(request: Request) -> None:
        seen.add(request.sender)
        request.respond(202)

    async with listening(take) as (_, port):
        targets = targets_at(port, clock=clock)
        for number in range(count):
            if number and between is not None:
                await between()
            assert await targets.of("foo")[0].attempt(EVENT, SystemHold()) == ACCEPTED
        await targets.close()
    return len(seen)


def test_a_connection_is_used_again_also_by_another_configuration(loop: str) -> None:
    async def story() -> None:
        assert await senders_of(3) == 1

    play(story, loop)


def test_a_connection_that_was_idle_for_long_is_not_used_again() -> None:
    async def story() -> None:
        clock = virtual_clock()
        assert await senders_of(2, clock=clock, between=lambda: clock.advance(60)) == 1
        assert await senders_of(2, clock=clock, between=lambda: clock.advance(61)) == 2

    play(story)


@pytest.mark.parametrize("after", ["a close", "a reset", "unasked bytes"])
def test_a_connection_that_its_server_has_done_with_is_never_used_again(after: str, loop: str) -> None:
    """
    Not even in the very turn in which its end has come and no loop has seen it yet.
    """

    async def story() -> None:
        connections: list[asyncio.Transport] = []

        class Server(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                connections.append(transport)  # type: ignore[arg-type]  # a TCP transport

            def data_received(self, data: bytes) -> None:
                connections[-1].write(OK)

        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        targets = targets_at(server.sockets[0].getsockname()[1])
        for number in range(20):
            assert await targets.of("foo")[0].attempt(EVENT, SystemHold()) == ACCEPTED
            assert len(connections) == number + 1
            {"a close": connections[-1].close, "a reset": connections[-1].abort}.get(
                after, lambda: connections[-1].write(b"?")
            )()
            await asyncio.sleep(0)
        targets.abort()
        server.close()

    play(story, loop)


def test_a_connection_with_more_answers_than_requests_is_not_used_again(loop: str) -> None:
    async def story() -> None:
        connections = 0

        async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await says(OK + b"HTTP/1.1 500 Unasked\r\nContent-Length: 0\r\n\r\n")(reader, writer)

        async with watcher_that(eager) as port:
            targets = targets_at(port)
            for number in range(3):
                assert await targets.of("foo")[0].attempt(EVENT, SystemHold()) == ACCEPTED
                assert connections == number + 1
            await targets.close()

    play(story, loop)


def test_a_cancelled_attempt_drops_its_connection(loop: str) -> None:
    async def story() -> None:
        asked, dropped = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            asked.set()
            await reader.read()
            dropped.set()

        async with watcher_that(silent) as port:
            asking = asyncio.create_task(targets_at(port).of("foo")[0].attempt(EVENT, SystemHold()))
            await asked.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert asking.cancelled()
            await dropped.wait()

    play(story, loop)


def test_idle_connections_are_bounded() -> None:
    async def story() -> None:
        waiting: list[Request] = []
        count = IDLE_MAX + 10
        async with listening(waiting.append) as (listener, port):
            targets = targets_at(port)
            asking = [asyncio.create_task(targets.of("foo")[0].attempt(EVENT, SystemHold())) for _ in range(count)]
            while len(waiting) < count:
                await asyncio.sleep(0)
            for request in waiting:
                request.respond(202)
            assert set(await asyncio.gather(*asking)) == {ACCEPTED}
            while listener.connections > IDLE_MAX:
                await asyncio.sleep(0)
            await targets.close()
            while listener.connections:
                await asyncio.sleep(0)

    play(story)


def test_closing_lets_a_request_end_and_then_closes_its_connection(loop: str) -> None:
    async def story() -> None:
        waiting: list[Request] = []
        async with listening(waiting.append) as (listener, port):
            targets = targets_at(port)
            asking = asyncio.create_task(targets.of("foo")[0].attempt(EVENT, SystemHold()))
            while not waiting:
                await asyncio.sleep(0)
            await targets.close()
            waiting[0].respond(202)
            assert await asking == ACCEPTED
            while listener.connections:
                await asyncio.sleep(0)

    play(story, loop)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A certificate for audit-sensor-svc that signed itself, with its key.
    """
    file = tmp_path_factory.mktemp("tls") / "audit.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=audit-sensor-svc",
    ]
    extension = ["-addext", "subjectAltName=DNS:audit-sensor-svc"]
    try:
        subprocess.run([*command, *extension, "-keyout", file, "-out", f"{file}.crt"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


@pytest.mark.parametrize(
    ("host", "trust", "cause"),
    [
        ("audit-sensor-svc", "SSL_CERT_FILE", ""),
        ("audit-sensor-svc", "NO_SSL_CERT_FILE", "TLS: self-signed certificate"),
        ("other-sensor-svc", "SSL_CERT_FILE", "TLS: Hostname mismatch"),
    ],
)
def test_tls_verifies_the_name_in_the_text(
    host: str, trust: str, cause: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(trust, str(certificate))

    async def story() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        async with watcher_that(says(OK, OK), context) as port:
            targets = targets_at(port, Watcher("audit", host, 9300, "/", tls=True))
            for _ in range(2):
                attempt = await targets.of("foo")[0].attempt(EVENT, SystemHold())
                assert attempt.certainty is (Certainty.REFUSED if cause else Certainty.ACCEPTED)
                assert cause in attempt.cause
            await targets.close()

    play(story)
    play(story, "uvloop")


def test_what_speaks_no_tls_is_certain_not_to_have_the_event(loop: str) -> None:
    async def story() -> None:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with watcher_that(plain) as port:
            targets = targets_at(port, Watcher("audit", "audit-sensor-svc", 9300, "/", tls=True))
            attempt = await targets.of("foo")[0].attempt(EVENT, SystemHold())
            assert attempt.certainty is Certainty.REFUSED
            assert attempt.cause.startswith("connect audit-sensor-svc:9300: ")

    play(story, loop)


def test_limits_of_the_gateway_are_those_of_its_targets() -> None:
    async def story() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with watcher_that(silent) as port:
            attempt = await attempt_at(port, limits=Limits(answer_s=0.05))
            assert attempt == uncertain("no answer within 0.05 s")

    play(story)
