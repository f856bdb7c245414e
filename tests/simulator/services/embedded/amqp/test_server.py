"""
The server as pika knows servers: routing, consuming, settling, confirms, and the reply codes for what is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
from pamqp import commands
from pamqp.heartbeat import Heartbeat
from pika import BasicProperties, exceptions
from pika.adapters.blocking_connection import BlockingChannel

from tests.simulator.services.embedded.amqp.servers import HELLO, Running, running, wire


@pytest.fixture(name="here")
def fixture_here() -> Iterator[Running]:
    with running() as here:
        yield here


@pytest.fixture(name="channel")
def fixture_channel(here: Running) -> Iterator[BlockingChannel]:
    with here.channel() as channel:
        yield channel


def queue_on(channel: BlockingChannel, exchange: str = "", key: str = "", **more: Any) -> str:
    name: str = channel.queue_declare("", exclusive=True).method.queue
    if exchange:
        channel.queue_bind(name, exchange, key, **more)
    return name


def got(channel: BlockingChannel, queue: str) -> list[bytes]:
    """
    Everything that waits in *queue*.
    """
    bodies = []
    while (found := channel.basic_get(queue, auto_ack=True))[0] is not None:
        bodies.append(found[2])
    return bodies


@pytest.mark.parametrize(
    ("type_", "binding", "key", "comes"),
    [
        ("direct", "a.b", "a.b", True),
        ("direct", "a.b", "a", False),
        ("fanout", "a.b", "z", True),
        ("topic", "a.*", "a.b", True),
        ("topic", "a.*", "a.b.c", False),
        ("topic", "a.#", "a", True),
        ("topic", "#.c", "a.b.c", True),
        ("topic", "*.#.*", "a", False),
    ],
)
def test_an_exchange_routes_by_its_type(
    channel: BlockingChannel, type_: str, binding: str, key: str, comes: bool
) -> None:
    channel.exchange_declare("e", type_)
    queue = queue_on(channel, "e", binding)
    channel.basic_publish("e", key, b"x")
    assert got(channel, queue) == ([b"x"] if comes else [])


def test_the_default_exchange_takes_a_queue_s_name_for_a_key(channel: BlockingChannel) -> None:
    queue = queue_on(channel)
    channel.basic_publish("", queue, b"x")
    assert got(channel, queue) == [b"x"]


def test_headers_are_matched_by_value_and_properties_come_back_as_they_were(channel: BlockingChannel) -> None:
    queue = queue_on(channel, "amq.headers", arguments={"x-match": "any", "n": 7, "region": "eu"})
    properties = BasicProperties(
        "text/plain", headers={"n": 7, "deep": {"list": [1, "two"]}}, correlation_id="c", timestamp=5, type="t"
    )
    channel.basic_publish("amq.headers", "k", b"yes", properties)
    channel.basic_publish("amq.headers", "k", b"no", BasicProperties(headers={"n": 8}))
    method, found, body = channel.basic_get(queue)
    assert (method.routing_key, body, found) == ("k", b"yes", properties)
    assert got(channel, queue) == []


def test_exchanges_may_be_bound_to_one_another_in_a_circle_and_a_queue_gets_a_message_once(
    channel: BlockingChannel,
) -> None:
    for name in ("a", "b"):
        channel.exchange_declare(name, "fanout")
    channel.exchange_bind("b", "a")
    channel.exchange_bind("a", "b")
    queue = queue_on(channel, "b")
    channel.queue_bind(queue, "a")
    channel.basic_publish("a", "", b"x")
    assert got(channel, queue) == [b"x"]
    channel.exchange_unbind("b", "a")
    channel.queue_unbind(queue, "a")
    channel.basic_publish("a", "", b"y")
    assert got(channel, queue) == []


def test_what_an_exchange_cannot_route_goes_to_its_alternate(channel: BlockingChannel) -> None:
    channel.exchange_declare("rest", "fanout")
    channel.exchange_declare("e", "direct", arguments={"alternate-exchange": "rest"})
    queue = queue_on(channel, "rest")
    channel.basic_publish("e", "nobody", b"x")
    assert got(channel, queue) == [b"x"]


def test_large_and_empty_bodies_arrive_whole(channel: BlockingChannel) -> None:
    queue = queue_on(channel)
    bodies = [b"", b"x", bytes(range(256)) * 4096]
    for body in bodies:
        channel.basic_publish("", queue, body)
    assert got(channel, queue) == bodies


def test_no_more_is_delivered_than_the_prefetch_allows_until_something_is_acknowledged(here: Running) -> None:
    with here.connection() as connection:
        channel = connection.channel()
        queue = queue_on(channel)
        seen: list[tuple[int, bytes]] = []
        channel.basic_qos(prefetch_count=2)
        channel.basic_consume(queue, lambda c, method, p, body: seen.append((method.delivery_tag, body)))
        for number in range(5):
            channel.basic_publish("", queue, str(number).encode())
        until(connection, lambda: len(seen) == 2)
        assert channel.queue_declare(queue, passive=True).method.message_count == 3
        channel.basic_ack(seen[1][0], multiple=True)
        until(connection, lambda: len(seen) == 4)
        assert [body for _, body in seen] == [b"0", b"1", b"2", b"3"]


def until(connection: pika.BlockingConnection, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not done():
        assert time.monotonic() < deadline
        connection.process_data_events(0.01)


def test_what_is_requeued_comes_again_in_its_place_and_says_so(channel: BlockingChannel) -> None:
    queue = queue_on(channel)
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", queue, body)
    first, _, _ = channel.basic_get(queue)
    second, _, _ = channel.basic_get(queue)
    assert (first.redelivered, second.redelivered) == (False, False)
    channel.basic_nack(second.delivery_tag, requeue=True)
    channel.basic_reject(first.delivery_tag, requeue=True)
    again = [channel.basic_get(queue) for _ in range(3)]
    assert [(method.redelivered, body) for method, _, body in again] == [(True, b"1"), (True, b"2"), (False, b"3")]


def test_what_a_lost_connection_had_in_hands_goes_to_another_in_its_order(here: Running) -> None:
    with here.channel() as keeper:
        keeper.queue_declare("work")
        for body in (b"1", b"2", b"3", b"4"):
            keeper.basic_publish("", "work", body)
        with here.channel() as lost:
            assert [lost.basic_get("work")[2] for _ in range(3)] == [b"1", b"2", b"3"]
        found = [keeper.basic_get("work") for _ in range(4)]
        assert [body for _, _, body in found] == [b"1", b"2", b"3", b"4"]
        assert [method.redelivered for method, _, _ in found] == [True, True, True, False]


def test_one_word_may_settle_all_up_to_a_tag_and_no_further(channel: BlockingChannel) -> None:
    queue = queue_on(channel)
    for body in (b"1", b"2", b"3", b"4", b"5"):
        channel.basic_publish("", queue, body)
    tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(5)]
    channel.basic_ack(tags[1], multiple=True)
    channel.basic_nack(tags[3], multiple=True, requeue=True)
    assert got(channel, queue) == [b"3", b"4"]
    channel.basic_nack(0, multiple=True, requeue=True)
    assert got(channel, queue) == [b"5"]


def test_consumers_of_a_queue_take_turns(here: Running) -> None:
    with here.connection() as connection:
        channel = connection.channel()
        queue = queue_on(channel)
        seen: list[str] = []
        for name in ("a", "b"):
            channel.basic_consume(queue, lambda c, m, p, b, name=name: seen.append(name), auto_ack=True)
        for _ in range(4):
            channel.basic_publish("", queue, b"x")
        until(connection, lambda: len(seen) == 4)
        assert sorted(seen) == ["a", "a", "b", "b"]


def test_publishers_are_told_that_a_message_was_taken_and_that_a_mandatory_one_was_not_routed(
    channel: BlockingChannel,
) -> None:
    channel.confirm_delivery()
    channel.basic_publish("amq.direct", "nobody", b"x")
    with pytest.raises(exceptions.UnroutableError) as unroutable:
        channel.basic_publish("amq.direct", "nobody", b"x", mandatory=True)
    assert (unroutable.value.messages[0].method.reply_code, unroutable.value.messages[0].body) == (312, b"x")


def test_a_queue_of_one_connection_is_locked_to_others_and_gone_with_it(here: Running) -> None:
    with here.channel() as mine:
        name = queue_on(mine)
        with here.channel() as other, pytest.raises(exceptions.ChannelClosedByBroker) as refused:
            other.queue_declare(name, passive=True)
        assert refused.value.reply_code == 405
    with here.channel() as later, pytest.raises(exceptions.ChannelClosedByBroker) as gone:
        later.queue_declare(name, passive=True)
    assert gone.value.reply_code == 404


def test_an_auto_delete_queue_goes_with_its_last_consumer_and_a_deleted_queue_is_told(here: Running) -> None:
    with here.connection() as connection:
        channel = connection.channel()
        channel.queue_declare("passing", auto_delete=True)
        tag = channel.basic_consume("passing", lambda *_: None)
        channel.basic_cancel(tag)
        assert "passing" not in here.server.vhosts["/"].queues
        cancelled: list[Any] = []
        queue = queue_on(channel)
        channel.add_on_cancel_callback(cancelled.append)
        channel.basic_consume(queue, lambda *_: None)
        channel.queue_delete(queue)
        until(connection, lambda: bool(cancelled))


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda c: c.basic_publish("nowhere", "k", b"x"), 404),
        (lambda c: c.queue_bind("nowhere", "amq.direct", "k"), 404),
        (lambda c: c.basic_consume("nowhere", lambda *_: None), 404),
        (lambda c: c.exchange_declare("amq.direct", "topic"), 406),
        (lambda c: c.exchange_declare("amq.mine", "topic"), 403),
        (lambda c: c.exchange_delete("amq.direct"), 403),
        (lambda c: c.queue_declare("amq.mine"), 403),
        (lambda c: c.queue_declare("q", arguments={"x-message-ttl": "soon"}), 406),
        (lambda c: c.basic_ack(99), 406),
        (lambda c: [c.queue_declare("q"), c.queue_declare("q", durable=True)], 406),
        (lambda c: [c.queue_declare("q"), c.basic_publish("", "q", b"x"), c.queue_delete("q", if_empty=True)], 406),
        (lambda c: c.basic_publish("", "q", b"x", BasicProperties(expiration="soon")), 406),
        (
            lambda c: [
                c.queue_declare("q"),
                c.basic_consume("q", lambda *_: None, exclusive=True),
                c.basic_consume("q", lambda *_: None),
            ],
            403,
        ),
    ],
)
def test_a_wrong_request_closes_its_channel_alone(here: Running, wrong: Callable[[Any], Any], code: int) -> None:
    with here.connection() as connection:
        channel, other = connection.channel(), connection.channel()
        with pytest.raises(exceptions.ChannelClosedByBroker) as refused:
            # What is not answered is followed by something that is.
            (wrong(channel), channel.basic_qos(prefetch_count=1))
        assert refused.value.reply_code == code
        other.basic_qos(prefetch_count=1)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda c: c.exchange_declare("e", "topics"), 503),
        (lambda c: c.tx_select(), 540),
        (lambda c: c.queue_declare("q", arguments={"x-queue-type": "stream"}), 540),
        (lambda c: c.queue_declare("q", arguments={"x-max-priority": 3}), 540),
        (lambda c: c.basic_qos(prefetch_size=1), 540),
    ],
)
def test_a_request_that_nobody_serves_closes_the_connection(
    here: Running, wrong: Callable[[Any], Any], code: int
) -> None:
    with here.connection() as connection, pytest.raises(exceptions.ConnectionClosedByBroker) as refused:
        wrong(connection.channel())
    assert refused.value.reply_code == code


def test_a_wrong_password_and_a_virtual_host_that_is_not_there_are_refused(here: Running) -> None:
    wrong = pika.PlainCredentials("guest", "wrong")
    with pytest.raises(exceptions.ProbableAuthenticationError, match="403"), here.connection(credentials=wrong):
        pass
    with pytest.raises(exceptions.ProbableAccessDeniedError, match="530"), here.connection(virtual_host="nowhere"):
        pass
    with here.connection(virtual_host="other") as connection:
        connection.channel().queue_declare("q")
    assert "q" not in here.server.vhosts["/"].queues


def test_a_message_that_lives_too_long_dies_at_the_head_and_goes_where_its_queue_says(here: Running) -> None:
    with here.channel() as channel:
        dead = queue_on(channel, "amq.fanout")
        arguments = {"x-dead-letter-exchange": "amq.fanout", "x-dead-letter-routing-key": "dead"}
        channel.queue_declare("q", arguments=arguments)
        channel.basic_publish("", "q", b"short", BasicProperties(expiration="10", headers={"own": 1}))
        channel.basic_publish("", "q", b"long")
        deadline = time.monotonic() + 5
        while (found := channel.basic_get(dead))[0] is None:
            assert time.monotonic() < deadline
        method, properties, body = found
        assert (method.routing_key, body, properties.expiration) == ("dead", b"short", None)
        (death,) = properties.headers["x-death"]
        assert properties.headers["own"] == 1
        assert (death["queue"], death["reason"], death["count"]) == ("q", "expired", 1)
        assert death["original-expiration"] == "10"
        assert got(channel, "q") == [b"long"]


def test_what_is_rejected_or_too_many_goes_there_too(channel: BlockingChannel) -> None:
    dead = queue_on(channel, "amq.fanout")
    channel.queue_declare("q", arguments={"x-dead-letter-exchange": "amq.fanout", "x-max-length": 2})
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", "q", body)
    channel.basic_reject(channel.basic_get("q")[0].delivery_tag, requeue=False)
    found = [channel.basic_get(dead) for _ in range(2)]
    assert [(body, p.headers["x-first-death-reason"]) for _, p, body in found] == [(b"1", "maxlen"), (b"2", "rejected")]


def test_a_message_that_dies_in_a_circle_is_dropped(channel: BlockingChannel) -> None:
    channel.queue_declare("q", arguments={"x-dead-letter-exchange": "", "x-message-ttl": 0})
    channel.basic_publish("", "q", b"x")
    assert got(channel, "q") == []


def test_a_restart_keeps_what_is_durable_and_nothing_else(here: Running) -> None:
    with here.channel() as channel:
        channel.exchange_declare("kept", "direct", durable=True)
        channel.exchange_declare("gone", "direct")
        channel.queue_declare("kept", durable=True)
        channel.queue_declare("gone")
        channel.queue_bind("kept", "kept", "k")
        channel.queue_bind("kept", "gone", "k")
        for body, mode in ((b"in hands", 2), (b"persistent", 2), (b"transient", 1)):
            channel.basic_publish("kept", "k", body, BasicProperties(delivery_mode=mode))
        assert channel.basic_get("kept")[2] == b"in hands"
        here.do(here.server.kill)
    broker = here.server.vhosts["/"]
    assert [message.body for message in broker.queues["kept"].waiting()] == [b"in hands", b"persistent"]
    assert list(broker.queues) == ["kept"]
    assert "gone" not in broker.exchanges
    assert [source for source, _ in broker.bindings_to("kept")] == ["kept"]


def test_a_server_that_stops_says_so(here: Running) -> None:
    with here.connection() as connection:
        connection.channel()
        here.do(here.server.stop)
        with pytest.raises(exceptions.ConnectionClosedByBroker) as closed:
            connection.channel()
        assert closed.value.reply_code == 320


def test_what_speaks_another_protocol_is_told_ours(here: Running) -> None:
    with wire(here) as line:
        line.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert line.socket.recv(8) == HELLO
        assert line.is_closed()


@pytest.mark.parametrize(
    ("bytes_", "code"),
    [
        (b"\x09\0\0\0\0\0\0\xce", 501),
        (b"\x01\0\0\x7f\xff\xff\xff", 501),
        (b"\x01\0\0\0\0\0\x04\0\x0a\0\x0b\x00", 501),
        (b"\x01\0\0\0\0\0\x04\0\x99\0\x99\xce", 502),
        (b"\x02\0\0\0\0\0\x0e" + b"\0\x3c" + bytes(12) + b"\xce", 505),
    ],
)
def test_bytes_that_are_no_frames_end_the_connection_with_the_code_for_it(
    here: Running, bytes_: bytes, code: int
) -> None:
    with wire(here) as line:
        line.greet()
        line.socket.sendall(bytes_)
        _, close = line.hear()
        assert isinstance(close, commands.Connection.Close)
        assert close.reply_code == code


def test_what_is_said_at_the_wrong_time_ends_the_connection(here: Running) -> None:
    cases: list[tuple[list[tuple[Any, int]], int]] = [
        ([(commands.Basic.Qos(0, 1, False), 3)], 504),
        ([(commands.Channel.Open(), 1), (commands.Channel.Open(), 1)], 503),
        ([(commands.Connection.Open("/"), 0)], 503),
        ([(commands.Channel.Open(), 1), (commands.Basic.Publish(), 1), (commands.Basic.Qos(), 1)], 505),
    ]
    for said, code in cases:
        with wire(here) as line:
            line.greet()
            for method, channel in said:
                line.say(method, channel)
            while not isinstance(close := line.hear()[1], commands.Connection.Close):
                pass
            assert close.reply_code == code
            line.say(commands.Connection.CloseOk())
            assert line.is_closed()


def test_a_client_that_goes_silent_is_dropped_after_two_heartbeats_and_gets_them_meanwhile(here: Running) -> None:
    with wire(here) as line:
        line.greet(heartbeat=1)
        assert isinstance(line.hear()[1], Heartbeat)
        assert line.is_closed()
