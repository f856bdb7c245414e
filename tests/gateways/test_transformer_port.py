"""
The port for processes of somebody's own: what it takes, what it answers, and its settings.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.clock import SystemClock
from gateways.errors import ConfigurationError
from gateways.limits import Limits
from gateways.source_event import Settlement, SourceEvent
from gateways.transformer_port import TransformerPort, TransformerSettings, read_handover, watcher_entries
from gateways.watcher import gateway, sensor
from tests.gateways.surroundings import ACCEPTED, REFUSED, Wire, ask, play, post

Taken = list[tuple[str, SourceEvent]]


@asynccontextmanager
async def port_that(
    settles: Settlement | None = ACCEPTED, *, has_room: bool = True
) -> AsyncIterator[tuple[TransformerPort, int, Taken]]:
    taken: Taken = []

    def on_event(source: str, event: SourceEvent) -> bool:
        if has_room:
            taken.append((source, event))
            if settles is not None and event.settle is not None:
                event.settle(settles)
        return has_room

    transformer = TransformerPort(on_event, clock=SystemClock(), limits=Limits())
    port = await transformer.start("127.0.0.1", 0)
    try:
        yield transformer, port, taken
    finally:
        transformer.abort()
        await transformer.close()


BODIES = [
    (b'{"src":"x","payload":"aGk="}', "x", b"hi"),
    (b'{"src":"x","payload":"aG\\nk="}', "x", b"hi"),
    (b'{"src":"x","payload":null}', "x", b""),
    (b'{"src":"x","payload":""}', "x", b""),
    (b'{"src":"x"}', "x", b""),
    (b'{"SRC":"x","Payload":"aGk=","other":1}', "x", b"hi"),
    (b"null", "", b""),
    (b" {} ", "", b""),
    (b'{"src":"\\ud800"}', "?", b""),
]


@pytest.mark.parametrize(("body", "source", "payload"), BODIES)
@pytest.mark.parametrize("path", ["/", "/unknown/path"])
def test_a_source_and_its_payload_become_an_event(body: bytes, source: str, payload: bytes, path: str) -> None:
    async def story() -> None:
        async with port_that() as (_, port, taken):
            assert (await ask(port, post(path, body)))[::2] == (200, b"Success")
            [(name, event)] = taken
            assert (name, event.payload, event.content_type, event.deadline_s) == (source, payload, "", 10.0)

    play(story)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{bad",
        b"[]",
        b'"x"',
        b'{"src":"x","payload":"%%%"}',
        b'{"src":"x","payload":"aGk"}',
        b'{"src":"x","payload":"-_8="}',
        b'{"src":"x","payload":"\xc3\xa9"}',
        b'{"src":1,"payload":"aGk="}',
        b'{"src":"x","payload":[1]}',
        b'{"src":"x","payload":"aGk="} trailing',
        b'{"src":"x","other":NaN}',
        b'{"src":"\xff"}',
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_an_error(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with port_that() as (_, port, taken):
            assert (await ask(port, post("/", body)))[::2] == (400, b"Error")
            assert not taken

    play(story)
    assert not caplog.records


@given(st.binary(max_size=50) | st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=3).map(
    lambda value: json.dumps({"src": value, "payload": value}).encode()
))  # fmt: skip
def test_whatever_a_body_is_it_is_read_or_refused(body: bytes) -> None:
    try:
        source, _ = read_handover(body)
    except ValueError:
        return
    source.encode()


def test_the_sender_waits_for_the_watchers() -> None:
    async def story() -> None:
        async with port_that(None) as (transformer, port, taken), Wire.to(port) as wire:
            wire.send(post("/", b"{}", "Idempotency-Key: 7"))
            while not taken:
                await asyncio.sleep(0)
            transformer.retire()
            [(_, event)] = taken
            assert event.id == "7"
            assert event.settle is not None
            event.settle(REFUSED)
            assert (await wire.answer())[::2] == (503, b"audit: answered 500\n")

    play(story)


def test_without_room_the_sender_is_told_to_come_again() -> None:
    async def story() -> None:
        async with port_that(has_room=False) as (_, port, _taken):
            status, headers, _ = await ask(port, post("/", b"{}"))
            assert (status, headers["retry-after"]) == (503, "1")

    play(story)


def test_readiness_is_success_and_no_event() -> None:
    async def story() -> None:
        async with port_that() as (_, port, taken):
            assert (await ask(port, b"GET /readiness HTTP/1.1\r\n\r\n"))[::2] == (200, b"Success")
            assert (await ask(port, b"GET / HTTP/1.1\r\n\r\n"))[::2] == (400, b"Error")
            assert not taken

    play(story)


# Settings.

EVENT = {"EVENT_TYPE": "custom", "EVENT_TYPE_VERSION": "1.0", "EVENT_SOURCE": "gw"}


def settings(**data: str) -> TransformerSettings:
    return TransformerSettings.from_config_map({**EVENT, **data}, name="gw-settings")


def test_settings_are_read() -> None:
    read = settings(
        SENSOR_WATCHERS="name: a\n,name: b\n",
        GATEWAY_WATCHERS='endpoint: /a,b\nname: g\nport: "12000"\n,endpoint: /h\nname: h\nport: 12001\n',
    )
    assert (read.event_type, read.event_type_version, read.event_source) == ("custom", "1.0", "gw")
    assert read.watchers == (sensor("a"), sensor("b"), gateway("g", 12000, "/a,b"), gateway("h", 12001, "/h"))


def test_without_watchers_there_are_none() -> None:
    assert settings().watchers == settings(SENSOR_WATCHERS="", GATEWAY_WATCHERS=" \n").watchers == ()


@pytest.mark.parametrize("key", EVENT)
def test_a_missing_key_rejects_them(key: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        TransformerSettings.from_config_map({k: v for k, v in EVENT.items() if k != key}, name="gw-settings")
    assert str(error.value) == f"configMap 'gw-settings' does not have key '{key}'"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"SENSOR_WATCHERS": "name: [a"}, "key 'SENSOR_WATCHERS', entry 1: failed to parse"),
        ({"SENSOR_WATCHERS": "name: a,name:"}, "entry 2: a watcher needs a name"),
        ({"SENSOR_WATCHERS": "a"}, "must be a mapping"),
        ({"GATEWAY_WATCHERS": "{name: g, endpoint: /x}"}, "the port of gateway g is a number from 1 to 65535, not no"),
        ({"GATEWAY_WATCHERS": "{name: g, port: 70000, endpoint: /x}"}, "not 70000"),
        ({"GATEWAY_WATCHERS": "{name: g, port: 1, endpoint: x}"}, "must start with '/'"),
    ],
)
def test_a_watcher_that_cannot_be_read_rejects_them(data: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        settings(**data)
    assert str(error.value).startswith("configMap 'gw-settings', key '")
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("name: a", ["name: a"]),
        ("name: a,name: b", ["name: a", "name: b"]),
        ("name: a\n,\nname: b\n", ["name: a", "name: b"]),
        (
            '{"name":"a","port":"1","endpoint":"/x,y"},{name: b}',
            ['{"name":"a","port":"1","endpoint":"/x,y"}', "{name: b}"],
        ),
        ("endpoint: /a,b,c\nname: g", ["endpoint: /a,b,c\nname: g"]),
        ("name: a,", ["name: a"]),
        (" , ", []),
    ],
)
def test_entries_are_separated_at_the_commas_between_them(text: str, entries: list[str]) -> None:
    assert watcher_entries(text) == entries
