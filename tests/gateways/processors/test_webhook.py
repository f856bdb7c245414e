"""
Webhooks over real sockets: what a request is answered, and what changes of the configurations do.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

import pytest

from gateways.limits import Limits
from gateways.processors.webhook_options import METHODS
from gateways.processors.webhook_ports import WebhookPorts
from tests.gateways.processors.hooks import FOO, Hooks, free_ports, hooks, reset, waiting_for_room
from tests.gateways.surroundings import (
    ACCEPTED,
    LOOPS,
    REFUSED,
    START,
    Wire,
    ask,
    play,
    post,
    virtual_clock,
)


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_request_becomes_an_event_and_is_answered_when_it_is_accepted(loop: str) -> None:
    async def story() -> None:
        async with hooks(clock=virtual_clock(), port="12000", foo=FOO) as (running, port), Wire.to(port) as wire:
            foo = running.contexts["foo"]
            wire.send(post("/foo?a=1", b'{"a":1}', "Content-Type: application/json"))
            await foo.until(lambda: foo.events)
            [event] = foo.events
            assert (event.payload, event.subject, event.content_type) == (b'{"a":1}', "/foo", "application/json")
            assert (event.time, event.id, event.deadline_s) == (START, "", 10.0)
            foo.settle(ACCEPTED)
            assert await wire.answer() == (
                200, {"content-type": "text/plain; charset=utf-8", "content-length": "7"}, b"Success"
            )  # fmt: skip

    play(story, loop)


def test_an_event_that_is_not_accepted_is_answered_503_in_one_line() -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, port), Wire.to(port) as wire:
            foo = running.contexts["foo"]
            wire.send(post())
            await foo.until(lambda: foo.events)
            foo.settle(REFUSED)
            status, headers, body = await wire.answer()
            assert (status, headers["retry-after"], body) == (503, "1", b"audit: answered 500\n")

    play(story)


@pytest.mark.parametrize(
    ("headers", "event_id"),
    [
        ((), ""),
        (("ce-id: 1", "X-GitHub-Delivery: 2", "webhook-id: 3", "Idempotency-Key: 4"), "4"),
        (("ce-id: 1", "X-GitHub-Delivery: 2", "webhook-id: 3"), "3"),
        (("ce-id: 1", "X-GitHub-Delivery: 2"), "2"),
        (("ce-id: 1", "Idempotency-Key:   "), "1"),
        (("Idempotency-Key:  order 7\t",), "order 7"),
        (("Idempotency-Key: " + "x" * 257,), str(uuid5(NAMESPACE_URL, "x" * 257))),
        (("Idempotency-Key: a\x80b",), str(uuid5(NAMESPACE_URL, "a\x80b"))),
    ],
)
def test_the_id_is_the_one_that_the_client_gave(headers: tuple[str, ...], event_id: str) -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, port), Wire.to(port) as wire:
            foo = running.contexts["foo"]
            wire.send(post("/foo", b"", *headers))
            await foo.until(lambda: foo.events)
            assert foo.events[0].id == event_id
            foo.settle()
            assert await wire.status() == 200

    play(story)


def test_each_method_of_an_endpoint_keeps_its_own_name() -> None:
    async def story() -> None:
        texts = {method.lower(): f"{{endpoint: /x, method: {method}}}" for method in METHODS}
        async with hooks(port="12000", **texts) as (running, port):
            for method in METHODS:
                asking = asyncio.create_task(ask(port, f"{method} /x HTTP/1.1\r\n\r\n".encode()))
                context = running.contexts[method.lower()]
                await context.until(lambda context=context: context.events)
                context.settle()
                assert (await asking)[0] == 200

    play(story)


ANSWERS = [
    (b"POST /nope HTTP/1.1", 404, {}),
    (b"POST /foo/bar HTTP/1.1", 404, {}),
    (b"POST /FOO HTTP/1.1", 404, {}),
    (b"PUT /foo HTTP/1.1", 405, {"allow": "HEAD, POST"}),
    (b"OPTIONS /foo HTTP/1.1", 405, {"allow": "HEAD, POST"}),
    (b"OPTIONS * HTTP/1.1", 404, {}),
    (b"CONNECT foo:80 HTTP/1.1", 404, {}),
    (b"HEAD /foo HTTP/1.1", 200, {}),
    (b"HEAD /sub/x HTTP/1.1", 200, {}),
    (b"HEAD /nope HTTP/1.1", 404, {}),
    (b"POST /sub?a=1 HTTP/1.1", 301, {"location": "/sub/?a=1"}),
]


@pytest.mark.parametrize(("line", "status", "headers"), ANSWERS)
def test_what_is_no_event_is_answered_at_once(line: bytes, status: int, headers: dict[str, str]) -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO, sub="{endpoint: /sub/, method: POST}") as (running, port):
            answered, found, _ = await ask(port, line + b"\r\n\r\n")
            assert answered == status
            assert headers.items() <= found.items()
            assert not running.contexts["foo"].events

    play(story)


def test_below_a_subtree_the_subject_is_the_path() -> None:
    async def story() -> None:
        async with hooks(port="12000", foo="{endpoint: /sub/, method: POST}") as (running, port), Wire.to(port) as wire:
            foo = running.contexts["foo"]
            wire.send(post("/sub/caf%C3%A9?x"))
            await foo.until(lambda: foo.events)
            assert foo.events[0].subject == "/sub/café"
            foo.settle()
            assert await wire.status() == 200

    play(story)


# Changes.


def test_messages_name_what_is_served_where() -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, _):
            assert running.says("foo") == "running: listening on port 12000: POST /foo"
            assert running.says("port") == "running: listening on port 12000"

    play(story)


def test_nobody_is_told_more_than_once_when_all_start_together() -> None:
    async def story() -> None:
        async with hooks(foo=FOO, b=FOO, bar="{endpoint: /bar, method: POST}", port="12000") as (running, _):
            assert [len(context.said) for context in running.contexts.values()] == [1, 1, 1, 1]
            assert running.says("b").startswith("running")
            assert running.says("foo").startswith("failing: POST /foo on port 12000 is served by b")

    play(story)


def test_when_the_first_of_two_equal_ones_goes_the_second_comes_alive() -> None:
    async def story() -> None:
        async with hooks(port="12000", a=FOO, foo=FOO) as (running, _):
            await running.apply(gone=("a",))
            assert running.says("foo").startswith("running")
            assert (await running.post())[0] == 200

    play(story)


def test_a_first_that_changes_keeps_its_place() -> None:
    async def story() -> None:
        async with hooks(port="12000", a=FOO, foo=FOO) as (running, _):
            await running.apply(gone=("a",), a=f"{FOO} # changed")
            assert len(running.contexts["foo"].said) == 1
            assert running.says("a").startswith("running")

    play(story)


def test_a_changed_port_takes_effect_and_closes_the_old_one(loop: str) -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, port):
            await running.apply(gone=("port",), port="12001")
            assert running.says("foo") == "running: listening on port 12001: POST /foo"
            assert (await running.post(port=12001))[0] == 200
            with pytest.raises(ConnectionRefusedError):
                await ask(port, post())

    play(story, loop)


def test_a_port_stays_open_while_a_configuration_on_it_changes() -> None:
    async def story() -> None:
        async with hooks(foo="{endpoint: /foo, method: POST, port: 12000}") as (running, port), Wire.to(port) as wire:
            wire.send(b"HEAD /foo HTTP/1.1\r\n\r\n")
            assert (await wire.answer(method="HEAD"))[0] == 200
            await running.apply(gone=("foo",), foo="{endpoint: /new, method: POST, port: 12000}")
            wire.send(b"HEAD /new HTTP/1.1\r\n\r\n")
            assert (await wire.answer(method="HEAD"))[0] == 200

    play(story)


def test_a_removed_route_is_gone_at_once_but_its_requests_get_their_answers(loop: str) -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, port), Wire.to(port) as wire:
            foo = running.contexts["foo"]
            wire.send(post())
            await foo.until(lambda: foo.events)
            await running.apply(gone=("foo",))
            assert (await ask(port, post()))[0] == 404
            await running.apply(gone=("port",))
            with pytest.raises(ConnectionRefusedError):
                await ask(port, post())
            foo.settle()
            status, headers, _ = await wire.answer()
            assert (status, headers["connection"]) == (200, "close")

    play(story, loop)


def test_several_ports_are_several_listeners() -> None:
    async def story() -> None:
        texts = {key: f"{{endpoint: /x, method: POST, port: {port}}}" for key, port in (("a", 12000), ("b", 12001))}
        async with hooks(**texts) as (running, _):
            assert (await running.post("/x", key="b", port=12001))[0] == 200
            assert (await running.post("/x", key="a", port=12000))[0] == 200

    play(story)


def test_a_port_that_is_taken_is_an_error_until_it_is_free(loop: str) -> None:
    async def story() -> None:
        clock = virtual_clock()
        ports = {12000: free_ports(1)[0]}
        other = await asyncio.start_server(lambda *_: None, "127.0.0.1", ports[12000])
        running = Hooks(clock, Limits(), ports)
        await running.apply(port="12000", foo=FOO)
        assert running.says("foo") == "failing: listen 12000: address already in use; trying again"
        assert running.says("port") == running.says("foo")
        other.close()
        await asyncio.sleep(0)
        await clock.advance(0.5)
        assert running.says("foo") == "running: listening on port 12000: POST /foo"
        assert (await running.post())[0] == 200
        await running.stop()

    play(story, loop)


def test_a_port_that_nobody_needs_any_more_is_not_tried_again() -> None:
    async def story() -> None:
        clock = virtual_clock()
        ports = {12000: free_ports(1)[0]}
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", ports[12000]):
            running = Hooks(clock, Limits(), ports)
            await running.apply(port="12000")
            await running.apply(gone=("port",))
            assert clock.next_timer is None
            await running.stop()

    play(story)


# When there is no room.


def test_requests_wait_for_room_in_their_order() -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, port), Wire.to(port) as one, Wire.to(port) as two:
            foo = running.contexts["foo"]
            foo.make_room(0)
            await waiting_for_room(running, one, post(body=b"1"), count=1)
            await waiting_for_room(running, two, post(body=b"2"), count=2)
            foo.make_room(None)
            await foo.until(lambda: len(foo.events) == 2)
            assert [event.payload for event in foo.events] == [b"1", b"2"]
            foo.settle()
            foo.settle()
            assert [await one.status(), await two.status()] == [200, 200]
            assert not running.processors["foo"].paused()

    play(story)


def test_nobody_overtakes_who_waits_for_room() -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, port), Wire.to(port) as one, Wire.to(port) as two:
            foo = running.contexts["foo"]
            foo.make_room(0)
            await waiting_for_room(running, one, post(body=b"1"), count=1)
            assert (await ask(port, b"HEAD /foo HTTP/1.1\r\n\r\n"))[0] == 200  # the first asks for room by now
            foo.space = 1  # nobody who waits knows yet
            await waiting_for_room(running, two, post(body=b"2"), count=2)
            foo.make_room(2)
            await foo.until(lambda: len(foo.events) == 2)
            assert [event.payload for event in foo.events] == [b"1", b"2"]
            foo.settle()
            foo.settle()
            assert [await one.status(), await two.status()] == [200, 200]

    play(story)


def test_a_request_that_finds_no_room_in_time_is_answered_503() -> None:
    async def story() -> None:
        clock = virtual_clock()
        async with hooks(clock=clock, port="12000", foo=FOO) as (running, port), Wire.to(port) as wire:
            running.contexts["foo"].make_room(0)
            await waiting_for_room(running, wire, post(), count=1)
            await clock.advance(10)
            status, _, body = await wire.answer()
            assert (status, body) == (503, b"the watchers had no room within 10 s\n")
            running.contexts["foo"].make_room(1)
            assert (await running.post())[0] == 200

    play(story)


def test_waiting_for_room_counts_towards_the_deadline_of_the_event() -> None:
    async def story() -> None:
        clock = virtual_clock()
        async with hooks(clock=clock, port="12000", foo=FOO) as (running, port), Wire.to(port) as wire:
            foo = running.contexts["foo"]
            foo.make_room(0)
            await waiting_for_room(running, wire, post(), count=1)
            await clock.advance(4)
            foo.make_room(1)
            await foo.until(lambda: foo.events)
            assert foo.events[0].deadline_s == 6.0
            foo.settle()
            assert await wire.status() == 200
            assert clock.active == 0
            assert clock.next_timer == START + timedelta(seconds=75)  # the connection's, no deadline is left

    play(story)


def test_no_more_requests_wait_than_the_limit_says() -> None:
    async def story() -> None:
        async with hooks(limits=Limits(waiting=1), port="12000", foo=FOO) as (running, port), Wire.to(port) as wire:
            running.contexts["foo"].make_room(0)
            await waiting_for_room(running, wire, post(), count=1)
            status, headers, body = await ask(port, post())
            assert (status, headers["retry-after"], body) == (503, "1", b"too many requests wait for the watchers\n")

    play(story)


def test_a_client_that_leaves_while_it_waits_makes_no_event() -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, port):
            foo = running.contexts["foo"]
            foo.make_room(0)
            async with Wire.to(port) as wire:
                await waiting_for_room(running, wire, post(), count=1)
                reset(wire)
            while running.processors["foo"].paused():
                await asyncio.sleep(0)
            foo.make_room(1)
            assert (await running.post(body=b"next"))[0] == 200

    play(story)


def test_a_client_that_leaves_while_its_event_is_under_way_changes_nothing() -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, port):
            foo = running.contexts["foo"]
            async with Wire.to(port) as wire:
                wire.send(post())
                await foo.until(lambda: foo.events)
                reset(wire)
            assert (await ask(port, b"HEAD /foo HTTP/1.1\r\n\r\n"))[0] == 200
            foo.settle()
            assert (await running.post())[0] == 200

    play(story)


def test_who_waits_when_the_configuration_is_removed_is_told_to_come_again() -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, port), Wire.to(port) as wire:
            running.contexts["foo"].make_room(0)
            await waiting_for_room(running, wire, post(), count=1)
            await running.apply(gone=("foo",))
            assert (await wire.answer())[::2] == (503, b"the configuration was removed\n")

    play(story)


# How it ends.


def test_a_crash_drops_everything_and_leaves_no_task(loop: str) -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, port), Wire.to(port) as wire:
            foo = running.contexts["foo"]
            wire.send(post())
            await foo.until(lambda: foo.events)
            running.shared.abort()
            assert await wire.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                await ask(port, post())

    play(story, loop)


def test_it_can_always_tell_that_it_has_caught_up() -> None:
    async def story() -> None:
        async with hooks(port="12000", foo=FOO) as (running, _):
            assert await running.processors["foo"].caught_up()
            assert isinstance(running.shared, WebhookPorts)

    play(story)
