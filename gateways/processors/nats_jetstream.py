"""
DurableConsumer: messages of a JetStream stream, each acknowledged once it is known what became of its event.

We pull. The server holds a standing request of ours for as many messages as we have room for, so what is in flight is
bounded here, whoever made the consumer; several gateways that name the same durable share its work.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from gateways.clock import Alarm, Hold, Wakeup, end
from gateways.errors import GatewayError, SourceUnavailable
from gateways.processor import Context
from gateways.processors.backlog import Backlog
from gateways.processors.nats_connection import NatsConnection
from gateways.processors.nats_options import NatsOptions
from gateways.source_event import Certainty, DispatchResult, Settlement, SourceEvent

ID_NAMESPACE = UUID("5b0a2c1e-6d0f-5f7e-9c57-3f0a7d1b6c42")
"""
Ids of events are uuid5 of this and `<stream>/<stream sequence>/<nanoseconds at which the stream took it>`. The last
tells a message from one with the same number in a stream that was made anew under the same name.
"""
_ACK, _NAK, _PROGRESS = b"+ACK", b"-NAK", b"+WPI"
_ACK_WAIT_S = 30
"""Of a consumer that we make: the server sends a message again when it hears nothing for so long."""
_NANOSECONDS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_CONSUMER, _NO_STREAM = 10014, 10059
_PROBE = "probe"
_TOKENS_WITHOUT_DOMAIN = 9
_MORE_WAITS, _NOBODY_THERE = "408", "503"
_NO_ROOM = Settlement((DispatchResult("", Certainty.REFUSED, 0, "the gateway stopped before it had room"),))


class _Answer(NamedTuple):
    reply: str
    data: bytes


class DurableConsumer:
    """
    One gateway's share of a durable consumer.
    """

    def __init__(self, options: NatsOptions, context: Context, connection: NatsConnection, backlog: Backlog) -> None:
        assert options.jetstream is not None
        self._options = options
        self._stream, self._durable, self._policy = options.jetstream
        self._context = context
        self._clock = context.clock
        self._connection = connection
        self._backlog = backlog
        self._room = context.limits.waiting
        self._asked = 0
        self._unsettled: dict[str, None] = {}
        self._ack_wait_s = float(_ACK_WAIT_S)
        self._inbox = ""
        self._requests = 0
        self._probes: dict[str, asyncio.Future[str]] = {}
        self._answers: deque[_Answer] = deque()
        self._work = Wakeup(context.clock)
        self._answering: asyncio.Task[None] | None = None
        self._redelivery: Hold | None = None
        self._alarm: Alarm | None = None
        self._withheld = False
        self._leaving = False

    @property
    def description(self) -> str:
        """See nats._Source."""
        return f"{self._options.subject} as durable {self._durable} of stream {self._stream}"

    @property
    def unsettled(self) -> int:
        """See nats._Source."""
        return len(self._unsettled)

    @property
    def withheld(self) -> bool:
        """See nats._Source."""
        return self._withheld or len(self._unsettled) >= self._room

    async def listen(self) -> None:
        """See nats._Source."""
        self._inbox = self._connection.new_inbox()
        await self._bind()
        await self._connection.subscribe(f"{self._inbox}.*", "", self._take)
        await self._ask_for_more()
        await self._connection.round_trip()
        self._answering = asyncio.create_task(self._answer(), name=f"acknowledge to {self._connection.peer}")
        self._clock.awake(self._answering)

    async def received_all(self) -> None:
        """
        See nats._Source.

        A request that may not wait is answered behind all that was sent to us before it. The answer tells whether
        anything is left; if so it is on its way, unless the server waits for something else first.
        """
        while len(self._unsettled) < self._room and not self._leaving:
            answer = await self._probe()
            self._withheld = answer == _MORE_WAITS and await self._is_withheld()
            if self._withheld or answer not in ("", _MORE_WAITS):
                return

    async def leave(self) -> None:
        """See nats._Source."""
        self._leaving = True
        self._work.set()
        try:
            await self._connection.unsubscribe()
        finally:
            self._backlog.hand_on_what_fits()
            for event in self._backlog.give_up():
                assert event.settle is not None
                event.settle(_NO_ROOM)

    async def close(self) -> None:
        """See nats._Source."""
        self._leaving = True
        if self._alarm is not None:
            self._alarm.cancel()
        if self._answering is not None:
            await end(self._clock, self._answering)
            try:
                limit_s, peer = self._context.limits.connect_s, self._connection.peer
                await self._clock.limit(limit_s, self._say_last_answers(), peer=peer)
            except (TimeoutError, GatewayError):
                pass  # what the server was not told it sends again
        self._end_redelivery()

    # The consumer.

    async def _bind(self) -> None:
        """
        Make the consumer, or see that the one that is there serves.
        """
        answer = await self._ask(f"CONSUMER.INFO.{self._stream}.{self._durable}", {})
        if _code(answer) == _NO_CONSUMER:
            answer = await self._ask(f"CONSUMER.DURABLE.CREATE.{self._stream}.{self._durable}", self._creation())
        if _code(answer) == _NO_STREAM:
            raise self._unusable(f"there is no stream {self._stream}")
        if "error" in answer:
            raise self._unusable(str(answer["error"].get("description", "the server refuses it")))
        self._check(answer["config"])
        if answer.get("num_ack_pending") and not answer.get("num_waiting"):
            await self._take_over()

    async def _take_over(self) -> None:
        """
        Have the server send again, at once, what it sent to somebody who is gone: a gateway that crashed, or ourselves
        over a connection that is lost. Before version 2.14 it cannot; it does so when the acknowledgement wait is over.
        """
        await self._connection.request_where_allowed(f"$JS.API.CONSUMER.RESET.{self._stream}.{self._durable}", b"")

    def _creation(self) -> dict[str, Any]:
        configuration = {
            "durable_name": self._durable,
            "deliver_policy": self._policy,
            "ack_policy": "explicit",
            "ack_wait": _ACK_WAIT_S * _NANOSECONDS,
            "filter_subject": self._options.subject,
            "max_ack_pending": self._room,
            "replay_policy": "instant",
        }
        return {"stream_name": self._stream, "config": configuration}

    def _check(self, config: Mapping[str, Any]) -> None:
        """
        Whoever made it, it has to be a consumer that we can pull from and acknowledge to.
        """
        filters = config.get("filter_subjects") or [config.get("filter_subject") or ">"]
        if config.get("deliver_subject"):
            raise self._unusable(f"durable {self._durable} pushes; it must be one that is pulled from")
        if config.get("ack_policy") != "explicit":
            raise self._unusable(f"durable {self._durable} must have the ack policy explicit")
        if list(filters) != [self._options.subject]:
            found = ", ".join(filters)
            raise self._unusable(f"durable {self._durable} filters {found}, not {self._options.subject}")
        waits = [config.get("ack_wait") or _ACK_WAIT_S * _NANOSECONDS, *(config.get("backoff") or ())]
        self._ack_wait_s = min(waits) / _NANOSECONDS
        self._room = min(self._room, config.get("max_batch") or self._room)

    async def _is_withheld(self) -> bool:
        """
        Whether the server sends nothing before it is told something, or before somebody resumes the consumer.
        """
        info = await self._ask(f"CONSUMER.INFO.{self._stream}.{self._durable}", {})
        cap = info.get("config", {}).get("max_ack_pending") or 0
        return bool(info.get("paused")) or 0 < cap <= info.get("num_ack_pending", 0)

    async def _ask(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(await self._connection.request(f"$JS.API.{what}", _json(body)))
        except SourceUnavailable as error:
            if self._connection.cause:
                raise
            raise self._unusable("JetStream is not enabled there") from error
        return answer

    def _unusable(self, why: str) -> SourceUnavailable:
        return SourceUnavailable(f"{self._connection.peer}: {why}")

    # Receiving.

    async def _ask_for_more(self) -> None:
        """
        Have the server hold a request for as many messages as there is room for; not a new one for each.
        """
        free = self._room - len(self._unsettled) - self._asked
        if free > 0 and (not self._asked or free * 4 >= self._room):
            await self._pull("more", batch=free)

    async def _pull(self, kind: str, *, batch: int, no_wait: bool = False) -> str:
        self._requests += 1
        self._asked += batch
        name = f"{kind}-{self._requests}"
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._durable}"
        await self._connection.publish(subject, _json({"batch": batch, "no_wait": no_wait}), f"{self._inbox}.{name}")
        return name

    async def _probe(self) -> str:
        """
        Ask for a message, at once or not at all.

        Returns:
            The status that the server answers; empty where a message came before it.
        """
        probe: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._probes[await self._pull(_PROBE, batch=1, no_wait=True)] = probe
        return await self._connection.until(probe)

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        if not reply.startswith(b"$JS.ACK."):
            self._told(subject.decode().rpartition(".")[2], headers or b"")
            return
        self._asked -= 1
        answer_to = reply.decode()
        stream, sequence, nanoseconds = _coordinates(answer_to)
        self._unsettled[answer_to] = None
        if self._alarm is None:
            self._set_alarm()
        self._backlog.hand_on(
            SourceEvent(
                data,
                _EPOCH + timedelta(microseconds=int(nanoseconds) // 1_000),
                subject.decode(errors="replace"),
                id=str(uuid5(ID_NAMESPACE, f"{stream}/{sequence}/{nanoseconds}")),
                settle=partial(self._settled, answer_to),
            )
        )
        if self._probes:
            self._end_probes()

    def _told(self, request: str, headers: bytes) -> None:
        """
        The server says what became of a request, in a line such as `NATS/1.0 404 No Messages`.
        """
        _, _, line = headers.partition(b"\r\n")[0].decode(errors="replace").partition(" ")
        status, _, why = line.partition(" ")
        if request.startswith(_PROBE) and status != _NOBODY_THERE:
            self._asked -= 1
            probe = self._probes.pop(request, None)
            if probe is not None and not probe.done():
                probe.set_result(status)
        else:
            self._connection.give_up(f"durable {self._durable} of stream {self._stream}: {why.lower() or 'gone'}")

    def _end_probes(self) -> None:
        """
        A message came: one of them may have got it and will have no answer.
        """
        for probe in self._probes.values():
            if not probe.done():
                probe.set_result("")
        self._probes.clear()

    # Acknowledging.

    def _settled(self, answer_to: str, settlement: Settlement) -> None:
        self._unsettled.pop(answer_to, None)
        if self._connection.cause:
            return
        self._answers.append(_Answer(answer_to, _ACK if settlement.accepted else _NAK))
        if not settlement.accepted and self._redelivery is None and not self._leaving:
            self._redelivery = self._clock.work(self._connection.peer)
        self._work.set()

    async def _answer(self) -> None:
        """
        Tell the server what became of its messages, for as long as there is a connection.

        Time is held from a refusal on until the message has come again, or the server has shown that it will not.
        """
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                await self._within_limit(self._say_answers())
                if not self._leaving:
                    await self._ask_for_more()
                if self._redelivery is not None:
                    await self._within_limit(self.received_all())
                    self._end_redelivery()
        except GatewayError:
            pass  # the connection is lost, and the run ends with the cause
        finally:
            self._end_redelivery()

    async def _say_answers(self) -> None:
        while self._answers:
            answer = self._answers.popleft()
            if answer.data == _NAK:
                # The server confirms it, so that what is asked afterwards tells of the redelivery.
                await self._connection.request(answer.reply, answer.data)
            else:
                await self._connection.publish(answer.reply, answer.data)

    async def _say_last_answers(self) -> None:
        while self._answers:
            await self._connection.publish(*self._answers.popleft())
        await self._connection.round_trip()

    async def _within_limit(self, io: Coroutine[Any, Any, None]) -> None:
        try:
            await self._clock.limit(self._context.limits.connect_s, io, peer=self._connection.peer)
        except TimeoutError:
            self._context.log.warning("the server does not answer; what it was not told it sends again")

    def _end_redelivery(self) -> None:
        if self._redelivery is not None:
            self._redelivery.close()
            self._redelivery = None

    def _set_alarm(self) -> None:
        self._alarm = self._clock.alarm(self._ack_wait_s / 3, self._say_in_progress)

    def _say_in_progress(self) -> None:
        """
        Extend the server's wait for what is still in flight.
        """
        self._alarm = None
        if self._unsettled and not self._connection.cause:
            self._answers.extend(_Answer(answer_to, _PROGRESS) for answer_to in self._unsettled)
            self._work.set()
            self._set_alarm()


def _coordinates(reply: str) -> tuple[str, str, str]:
    """
    Stream, stream sequence and the instant in nanoseconds, of the subject to which a message is acknowledged.
    """
    tokens = reply.split(".")
    if len(tokens) == _TOKENS_WITHOUT_DOMAIN:
        return tokens[2], tokens[5], tokens[7]
    return tokens[4], tokens[7], tokens[9]


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _code(answer: Mapping[str, Any]) -> int:
    code: int = answer.get("error", {}).get("err_code", 0)
    return code
