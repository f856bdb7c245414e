"""
RecordingSensor: the watcher that accepts CloudEvents, records them, and misbehaves when the scenario says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simulator.cloudevents_spec import InvalidEvent, ReceivedEvent, read_event, read_message, violations_of
from simulator.errors import SimulatorError
from simulator.http_server import HttpServer, Request
from simulator.ledger import Ledger
from simulator.services.service import BrokerMessage

SocketAddress = tuple[str, int]
_EXCERPT = 200


class Stalled(Protocol):
    """
    A stall of somebody's work; see virtual_clock.Stall.
    """

    def release(self) -> None:
        """The peer goes on."""


class SensorTime(Protocol):
    """
    What a sensor needs of the scenario's time.
    """

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """
        Call *callback* in *seconds* of scenario time.

        Returns:
            Call it to cancel.
        """

    def stall(self, sender: SocketAddress) -> Stalled | None:
        """
        The work of *sender* waits for scenario time from now on; None where it is nobody's, or time is real.
        """


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    How a sensor answers. The default accepts at once.
    """

    hold: bool = False
    """Answer nothing until released."""
    refuse_status: int = 0
    """Answer this instead of accepting; 0 accepts."""
    refuse_times: int | None = None
    """So many requests; None for all."""
    reset_times: int = 0
    """Accept, then drop the connection without an answer, so many times."""
    slow_s: float = 0.0
    """Accept after so much scenario time."""
    hang: bool = False
    """Never answer."""
    answer_body: str = ""
    """Body of an accepting answer."""


class RecordingSensor:
    """
    One watcher.

    Args:
        name: As the scenario has it.
        ledger: Where it records.
        time: For slow answers and stalls.
        hidden: Tells of an accepted event whether it is a fence, which is not recorded.
        broker: The type of the broker over which it hears, which accepts in its place; empty: over HTTP.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        time: SensorTime,
        *,
        hidden: Callable[[str, ReceivedEvent], bool],
        broker: str = "",
    ) -> None:
        self.name = name
        self._broker = broker
        self._ledger = ledger
        self._time = time
        self._hidden = hidden
        self._server = HttpServer(self._take)
        self._behaviour = Behaviour()
        self._refusals_left = 0
        self._resets_left = 0
        self._held: list[_Offer] = []
        self._waiting: set[_Offer] = set()

    @property
    def port(self) -> int:
        """
        Where it listens, on loopback.
        """
        return self._server.port

    async def start(self) -> None:
        """
        Listen, where it is dispatched to over HTTP.
        """
        if not self._broker:
            await self._server.start()

    async def stop(self) -> None:
        """
        Drop every connection and stop listening.
        """
        for offer in (*self._held, *self._waiting):
            offer.forget()
        if not self._broker:
            await self._server.stop()

    async def go_down(self) -> None:
        """
        Be gone: connections are dropped, and new ones refused, until `come_up`.
        """
        await self._server.suspend()

    async def come_up(self) -> None:
        """
        Be there again; without effect where it is.
        """
        await self._server.resume()

    def behave(self, behaviour: Behaviour) -> None:
        """
        Answer like this from now on. Requests that are held already stay held until `release`.

        Raises:
            SimulatorError: It hears over a broker, where it answers nothing.
        """
        if self._broker and behaviour != Behaviour():
            raise SimulatorError(f"watcher {self.name} hears over {self._broker}, where nobody asks it for an answer")
        self._behaviour = behaviour
        self._refusals_left = behaviour.refuse_times if behaviour.refuse_times is not None else -1
        self._resets_left = behaviour.reset_times

    def release(self) -> None:
        """
        Accept what is held, in order, and everything from now on.
        """
        self.behave(Behaviour())
        held, self._held = self._held, []
        for offer in held:
            self._accept(offer)

    def hear(self, message: BrokerMessage) -> None:
        """
        Record what was dispatched to the broker.
        """
        event = self._read(lambda: read_message(self._broker, message), message.body)
        if event is not None:
            self._record(event)

    def _take(self, request: Request) -> None:
        event = self._read(lambda: read_event(request.headers(), request.body), request.body)
        if event is None:
            request.respond(400, b"not a CloudEvent\n")
            return
        self._answer(_Offer(request, event))

    def _read(self, read: Callable[[], ReceivedEvent], body: bytes) -> ReceivedEvent | None:
        """
        The event that is offered, and note of every clause that it breaks; None where there is none.
        """
        self._ledger.offer(self.name)
        event: ReceivedEvent | None = None
        try:
            event = read()
            violations = violations_of(event)
        except InvalidEvent as error:
            violations = list(error.violations)
        if violations:
            clauses = "; ".join(f"{v.problem} ({v.clause})" for v in violations)
            self._ledger.record("invalid", self.name, clauses, body[:_EXCERPT])
        return event

    def _answer(self, offer: _Offer) -> None:
        behaviour = self._behaviour
        if behaviour.refuse_status and self._refusals_left:
            self._refusals_left -= 1
            self._note(offer, str(behaviour.refuse_status))
            offer.request.respond(behaviour.refuse_status)
        elif behaviour.hold:
            self._note(offer, "held")
            self._wait(offer)
            self._held.append(offer)
        elif behaviour.hang:
            self._note(offer, "hung")
            self._wait(offer)
        elif behaviour.slow_s:
            self._note(offer, f"answer in {behaviour.slow_s:g} s")
            self._wait(offer)
            offer.cancel = self._time.later(behaviour.slow_s, lambda: self._accept(offer))
        elif self._resets_left:
            self._resets_left -= 1
            self._record(offer.event)
            offer.request.reset()
        else:
            self._accept(offer)

    def _wait(self, offer: _Offer) -> None:
        offer.stalled = self._time.stall(offer.request.sender)
        offer.request.on_gone = lambda: self._gone(offer)
        self._waiting.add(offer)

    def _gone(self, offer: _Offer) -> None:
        """
        The gateway gave the request up: a held or slow offer is over, it was never accepted.
        """
        offer.forget()
        self._waiting.discard(offer)
        if offer in self._held:
            self._held.remove(offer)

    def _accept(self, offer: _Offer) -> None:
        self._waiting.discard(offer)
        offer.request.on_gone = None
        self._record(offer.event)
        offer.forget()
        body = self._behaviour.answer_body.encode()
        offer.request.respond(200 if body else 202, body)

    def _record(self, event: ReceivedEvent) -> None:
        if not self._hidden(self.name, event):
            self._ledger.accept(self.name, event)

    def _note(self, offer: _Offer, answer: str) -> None:
        self._ledger.record("offered", self.name, *offer.event.key, answer)


class _Offer:
    """
    One event offered and not yet answered.
    """

    __slots__ = ("cancel", "event", "request", "stalled")

    def __init__(self, request: Request, event: ReceivedEvent) -> None:
        self.request = request
        self.event = event
        self.stalled: Stalled | None = None
        self.cancel: Callable[[], None] | None = None

    def forget(self) -> None:
        """
        Let time count the work again, and cancel a slow answer.
        """
        if self.cancel is not None:
            self.cancel()
            self.cancel = None
        if self.stalled is not None:
            self.stalled.release()
            self.stalled = None
