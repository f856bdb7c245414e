from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateways.errors import ConfigurationError, SourceUnavailable
from simulator.server_process import Access
from tests.gateways.processors.nats_runs import FOO, INFO, context_for, failure_at, running
from tests.gateways.processors.nats_server import PEER, make_certificate, nats_server
from tests.gateways.processors.runs import listener, play
from tests.gateways.processors.surroundings import FakeContext

USERS = {"authorization": {"users": [{"user": "me", "password": "hunter2"}]}}


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
                assert "pip install 'gatesim[nkeys]'" in str(error)
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


def test_a_server_that_ends_a_tls_connection_causes_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = make_certificate(tmp_path, "nats.argo-events")
    text = f"url: tls://{PEER}\nattributes: {{subject: foo}}\ntls: {{caFile: {certificate}}}"

    async def story() -> None:
        async with nats_server(with_tls(certificate, key)) as server, running(text, context_for(server)) as run:
            await run.listens()
            await server.process.stop(5)
            await run.failure()

    play(story())
    assert [record.message for record in caplog.records] == []


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
