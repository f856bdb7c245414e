from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid5

import pytest

from gateways.errors import SourceUnavailable
from gateways.limits import Limits
from gateways.processors.nats import NatsProcessor
from gateways.processors.nats_jetstream import ID_NAMESPACE
from simulator.server_process import Access
from tests.gateways.processors.nats_orders import ORDERS, TEXT, orders, publish, settle, unacknowledged
from tests.gateways.processors.nats_runs import Run, context_for, running
from tests.gateways.processors.nats_server import PEER, NatsServer, nats_server
from tests.gateways.processors.runs import play
from tests.gateways.processors.surroundings import REFUSED


def test_what_the_stream_held_before_the_first_start_is_delivered_too() -> None:
    async def story() -> None:
        async with orders() as server:
            await publish(server, b"before")
            async with running(TEXT, context_for(server)) as run:
                await run.listens()
                await publish(server, b"after")
                assert await run.processor.caught_up()
                assert run.context.payloads == [b"before", b"after"]
                assert run.context.said == [
                    f"running: subscribed to orders.> as durable gateway of stream ORDERS at {PEER}"
                ]

    play(story())


def test_a_durable_that_begins_with_new_messages_leaves_the_old_ones_out() -> None:
    async def story() -> None:
        async with orders() as server:
            await publish(server, b"before")
            async with running(ORDERS % ", deliverPolicy: new", context_for(server)) as run:
                await run.listens()
                await publish(server, b"after")
                assert await run.processor.caught_up()
                assert run.context.payloads == [b"after"]

    play(story())


def test_an_event_has_the_streams_time_and_an_id_of_its_coordinates() -> None:
    async def story() -> None:
        async with orders() as server, running(TEXT, context_for(server)) as run:
            await run.listens()
            await publish(server, b"1")
            assert await run.processor.caught_up()
            event = run.context.events[0]
            reply = event.settle.args[0]  # type: ignore[union-attr]  # a partial, which holds where to acknowledge
            nanoseconds = int(reply.split(".")[7])
            assert event.id == str(uuid5(ID_NAMESPACE, f"ORDERS/1/{nanoseconds}"))
            assert event.time == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)
            assert event.subject == "orders.new"

    play(story())


def test_only_what_was_accepted_is_acknowledged() -> None:
    async def story() -> None:
        async with orders() as server, running(TEXT, context_for(server)) as run:
            await run.listens()
            await publish(server, b"1", b"2", b"3")
            assert await run.processor.caught_up()
            await unacknowledged(server, 3)
            settle(run.context, 0, 2)
            assert await run.processor.caught_up()
            await unacknowledged(server, 1)

    play(story())


def test_what_was_refused_comes_again_under_the_same_id() -> None:
    async def story() -> None:
        async with orders() as server, running(TEXT, context_for(server)) as run:
            await run.listens()
            await publish(server, b"1", b"2")
            assert await run.processor.caught_up()
            settle(run.context, 0, 1, REFUSED)
            await run.context.until(lambda: len(run.context.events) == 3)
            assert run.context.payloads == [b"1", b"2", b"1"]
            assert run.context.events[2].id == run.context.events[0].id
            settle(run.context, 1, 3)
            assert await run.processor.caught_up()
            await unacknowledged(server, 0)

    play(story())


def test_a_restart_goes_on_where_it_was_and_keeps_ids() -> None:
    async def story() -> None:
        async with orders() as server:
            async with running(TEXT, context_for(server)) as run:
                await run.listens()
                await publish(server, b"1", b"2")
                assert await run.processor.caught_up()
                settle(run.context, 0, 1)
                settle(run.context, 1, 2, REFUSED)
                await run.context.until(lambda: len(run.context.events) == 3)
                first = run.context.events[1].id
                settle(run.context, 2, 3, REFUSED)
            await publish(server, b"3")
            async with running(TEXT, context_for(server)) as run:
                await run.listens()
                await run.context.until(lambda: len(run.context.events) == 2)
                assert sorted(run.context.payloads) == [b"2", b"3"]
                assert first in [event.id for event in run.context.events]

    play(story())


def test_a_stream_that_was_made_anew_gives_other_ids_to_the_same_numbers() -> None:
    async def story() -> None:
        ids = set()
        async with nats_server(jetstream=True) as server:
            for _ in range(2):
                await server.make_stream()
                await publish(server, b"1")
                async with running(TEXT, context_for(server)) as run:
                    await run.listens()
                    assert await run.processor.caught_up()
                    ids.add(run.context.events[0].id)
                await server.api("STREAM.DELETE.ORDERS")
        assert len(ids) == 2

    play(story())


def test_no_more_is_taken_than_may_wait_whoever_made_the_durable() -> None:
    async def story() -> None:
        async with orders() as server:
            config = {"durable_name": "gateway", "ack_policy": "explicit", "filter_subject": "orders.>"}
            await server.api("CONSUMER.DURABLE.CREATE.ORDERS.gateway", stream_name="ORDERS", config=config)
            await publish(server, *[b"%d" % i for i in range(100)])
            async with running(TEXT, context_for(server, limits=Limits(waiting=16))) as run:
                await run.listens()
                assert await run.processor.caught_up()
                assert len(run.context.events) in (16, 17)  # a probe may bring one more
                assert run.processor.paused()
                for number in range(100):
                    await run.context.until(lambda number=number: len(run.context.events) > number)
                    settle(run.context, number, number + 1)
                    assert len(run.context.events) - number <= 18
                assert await run.processor.caught_up()
                await unacknowledged(server, 0)

    play(story())


def test_without_room_it_waits_and_keeps_the_order() -> None:
    async def story() -> None:
        async with orders() as server, running(TEXT, context_for(server, room=2)) as run:
            await run.listens()
            await publish(server, *[b"%d" % i for i in range(6)])
            assert await run.processor.caught_up()
            assert run.processor.paused()
            assert run.context.payloads == [b"0", b"1"]
            run.context.make_room(None)
            await run.context.until(lambda: len(run.context.events) == 6)
            assert run.context.payloads == [b"%d" % i for i in range(6)]

    play(story())


def test_what_the_server_withholds_is_not_taken_for_all_there_is() -> None:
    async def story() -> None:
        async with orders() as server:
            config = {"durable_name": "gateway", "ack_policy": "explicit", "filter_subject": "orders.>"}
            config["max_ack_pending"] = 2  # type: ignore[assignment]
            await server.api("CONSUMER.DURABLE.CREATE.ORDERS.gateway", stream_name="ORDERS", config=config)
            await publish(server, b"1", b"2", b"3")
            async with running(TEXT, context_for(server)) as run:
                await run.listens()
                assert await run.processor.caught_up()
                assert (run.context.payloads, run.processor.paused()) == ([b"1", b"2"], True)
                settle(run.context, 0, 2)
                await run.context.until(lambda: len(run.context.events) == 3)
                assert await run.processor.caught_up()
                assert not run.processor.paused()

    play(story())


def test_caught_up_means_that_all_that_the_stream_took_before_is_handed_on() -> None:
    async def story() -> None:
        async with orders() as server, running(TEXT, context_for(server)) as run:
            await run.listens()
            for number in range(1, 31):
                await publish(server, *[b"x"] * 7)
                assert await run.processor.caught_up()
                assert len(run.context.events) == number * 7
                settle(run.context, (number - 1) * 7, number * 7)

    play(story())


def test_two_gateways_share_a_durable_and_both_can_tell_that_they_have_caught_up() -> None:
    async def story() -> None:
        async with (
            orders() as server,
            running(TEXT, context_for(server)) as one,
            running(TEXT, context_for(server)) as two,
        ):
            await one.listens()
            await two.listens()
            for number in range(1, 11):
                await publish(server, *[b"%d-%d" % (number, i) for i in range(10)])
                assert await one.processor.caught_up()
                assert await two.processor.caught_up()
                both = one.context.payloads + two.context.payloads
                assert len(both) == len(set(both)) == number * 10
            assert one.context.payloads
            assert two.context.payloads

    play(story())


def test_what_is_in_flight_is_not_sent_again_however_long_it_takes() -> None:
    async def story() -> None:
        async with orders() as server:
            config = {"durable_name": "gateway", "ack_policy": "explicit", "filter_subject": "orders.>"}
            config["ack_wait"] = 150_000_000  # type: ignore[assignment]  # nanoseconds
            await server.api("CONSUMER.DURABLE.CREATE.ORDERS.gateway", stream_name="ORDERS", config=config)
            async with running(TEXT, context_for(server)) as run:
                await run.listens()
                await publish(server, b"slow")
                assert await run.processor.caught_up()
                await run.context.clock.sleep(0.6)
                assert len(run.context.events) == 1
                assert (await server.consumer())["num_redelivered"] == 0

    play(story())


def test_an_event_in_flight_at_the_stop_is_acknowledged_when_it_is_settled() -> None:
    async def story() -> None:
        async with orders() as server:
            run = await Run(NatsProcessor, TEXT, context_for(server)).listens()
            await publish(server, b"1", b"2")
            assert await run.processor.caught_up()
            run.task.cancel()
            await asyncio.wait({run.task})
            await publish(server, b"late")
            settle(run.context, 0, 1)
            settle(run.context, 1, 2, REFUSED)
            await run.processor.close()
            assert run.context.payloads == [b"1", b"2"]
            async with running(TEXT, context_for(server)) as again:
                await again.listens()
                await again.context.until(lambda: len(again.context.events) == 2)
                assert sorted(again.context.payloads) == [b"2", b"late"]

    play(story())


def test_what_found_no_room_before_the_stop_is_handed_back() -> None:
    async def story() -> None:
        async with orders() as server:
            run = await Run(NatsProcessor, TEXT, context_for(server, room=1)).listens()
            await publish(server, b"1", b"2")
            assert await run.processor.caught_up()
            run.task.cancel()
            await asyncio.wait({run.task})
            settle(run.context, 0, 1)
            await run.processor.close()
            assert run.context.counted == {}
            async with running(TEXT, context_for(server)) as again:
                await again.listens()
                await again.context.until(lambda: again.context.payloads == [b"2"])

    play(story())


def test_a_stop_leaves_no_task_and_nobody_who_pulls() -> None:
    async def story() -> None:
        async with orders() as server:
            await publish(server, b"1")
            before = asyncio.all_tasks()
            run = await Run(NatsProcessor, TEXT, context_for(server)).listens()
            await run.stop()
            assert asyncio.all_tasks() == before
            assert (await server.consumer())["num_waiting"] == 0

    play(story())


def test_a_crash_settles_nothing_and_the_next_run_gets_it_at_once() -> None:
    async def story() -> None:
        async with orders() as server:
            run = await Run(NatsProcessor, TEXT, context_for(server)).listens()
            await publish(server, b"1")
            assert await run.processor.caught_up()
            run.processor.abort()
            await run.stop()
            settle(run.context, 0, 1)
            await unacknowledged(server, 1)
            async with running(TEXT, context_for(server)) as again:
                await again.listens()
                assert await again.processor.caught_up()
                assert [event.id for event in again.context.events] == [run.context.events[0].id]

    play(story())


# What can go wrong.


async def failure(server: NatsServer, text: str = TEXT) -> str:
    async with running(text, context_for(server)) as run:
        error = await run.failure()
        assert type(error) is SourceUnavailable
        return str(error)


def test_a_stream_that_is_not_there_is_named() -> None:
    async def story() -> None:
        async with nats_server(jetstream=True) as server:
            assert await failure(server) == f"{PEER}: there is no stream ORDERS"

    play(story())


def test_a_server_without_jetstream_is_said_so() -> None:
    async def story() -> None:
        async with nats_server() as server:
            assert await failure(server) == f"{PEER}: JetStream is not enabled there"

    play(story())


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"deliver_subject": "push.here"}, "durable gateway pushes; it must be one that is pulled from"),
        ({"ack_policy": "none"}, "durable gateway must have the ack policy explicit"),
        ({"filter_subject": "orders.old"}, "durable gateway filters orders.old, not orders.>"),
    ],
)
def test_a_durable_that_cannot_serve_is_said_so(config: dict[str, str], what: str) -> None:
    async def story() -> None:
        async with orders() as server:
            whole = {"durable_name": "gateway", "ack_policy": "explicit", "filter_subject": "orders.>", **config}
            await server.api("CONSUMER.DURABLE.CREATE.ORDERS.gateway", stream_name="ORDERS", config=whole)
            assert await failure(server) == f"{PEER}: {what}"

    play(story())


@pytest.mark.parametrize("what", ["CONSUMER.DELETE.ORDERS.gateway", "STREAM.DELETE.ORDERS"])
def test_a_durable_that_is_deleted_ends_the_run(what: str) -> None:
    async def story() -> None:
        async with orders() as server, running(TEXT, context_for(server)) as run:
            await run.listens()
            await server.api(what)
            error = await run.failure()
            assert "durable gateway of stream ORDERS: consumer deleted" in str(error)
            assert isinstance(error, SourceUnavailable)

    play(story())


def test_an_account_that_may_not_ask_jetstream_is_said_so() -> None:
    async def story() -> None:
        me = {"user": "me", "password": "pw", "permissions": {"publish": ["nothing"], "subscribe": ["_INBOX.>"]}}
        users = {"authorization": {"users": [me, {"user": "boss", "password": "boss"}]}}
        boss = Access("127.0.0.1", 0, "boss", "boss")
        async with nats_server(users, jetstream=True, access=boss) as server:
            said = await failure(server, TEXT.replace("nats://", "nats://me:pw@"))
            assert said.startswith(f"{PEER}: permissions violation for publish")

    play(story())


def test_an_account_that_may_not_reset_the_durable_can_still_listen() -> None:
    async def story() -> None:
        me = {"user": "me", "password": "pw", "permissions": {"publish": {"deny": ["$JS.API.CONSUMER.RESET.>"]}}}
        users = {"authorization": {"users": [me, {"user": "boss", "password": "boss"}]}}
        boss = Access("127.0.0.1", 0, "boss", "boss")
        async with nats_server(users, jetstream=True, access=boss) as server:
            await server.make_stream()
            await publish(server, b"1")
            for _ in range(2):
                async with running(TEXT.replace("nats://", "nats://me:pw@"), context_for(server)) as run:
                    await run.listens()
                    assert await run.processor.caught_up()
                    run.processor.abort()

    play(story())


def test_what_another_gateway_has_in_flight_is_left_to_it() -> None:
    async def story() -> None:
        async with orders() as server, running(TEXT, context_for(server)) as one:
            await one.listens()
            await publish(server, b"1")
            assert await one.processor.caught_up()
            async with running(TEXT, context_for(server)) as two:
                await two.listens()
                assert await two.processor.caught_up()
                assert two.context.payloads == []
                assert await one.processor.caught_up()
                assert one.context.payloads == [b"1"]

    play(story())


def test_events_of_a_lost_connection_may_be_settled_afterwards() -> None:
    async def story() -> None:
        async with orders() as server, running(TEXT, context_for(server)) as run:
            await run.listens()
            await publish(server, b"1", b"2")
            assert await run.processor.caught_up()
            await server.process.kill()
            await run.failure()
            settle(run.context, 0, 1)
            settle(run.context, 1, 2, REFUSED)

    play(story())
