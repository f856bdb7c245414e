"""
LiveSensor: a watcher in the hands of a hand-written test; LoneSensor: one without a gateway of ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from simulator.addresses import LOOPBACK
from simulator.ledger import Ledger
from simulator.real_clock import RealClock
from simulator.scenario_file.durations import parse_duration
from simulator.scenario_time import ScenarioTime
from simulator.sensor import Behaviour, RecordingSensor
from simulator.testing.loop_thread import LoopThread


class StepDidNotHold(AssertionError):
    """
    A step of a hand-written test did not hold.

    Attributes:
        cls: The reason's class, from verdict.FAILURE_CLASSES or OTHER_CLASSES.
        text: What it says, one sentence.
    """

    def __init__(self, cls: str, text: str, details: tuple[str, ...] = ()) -> None:
        self.cls = cls
        self.text = text
        super().__init__("\n".join([f"{cls}: {text}", *details]))


class Event(NamedTuple):
    """
    An event that a watcher accepted.
    """

    attributes: dict[str, str]
    """CloudEvents attributes by name, extensions included."""
    data: bytes

    def json(self) -> Any:
        """
        The data, read as JSON.
        """
        return json.loads(self.data)


def events_in(ledger: Ledger, watcher: str) -> list[Event]:
    """
    Everything that *watcher* accepted, in order.
    """
    accepted = ledger.accepted(watcher, uncovered_only=False)
    return [Event(dict(each.event.attributes), each.event.data) for each in accepted]


class LiveSensor:
    """
    One watcher: accepts CloudEvents, records them, and misbehaves when told to.
    """

    def __init__(
        self, sensor: RecordingSensor, thread: LoopThread, events: Callable[[], list[Event]], ledger: Ledger
    ) -> None:
        self._sensor = sensor
        self._thread = thread
        self._events = events
        self._ledger = ledger

    @property
    def name(self) -> str:
        """Its name."""
        return self._sensor.name

    @property
    def url(self) -> str:
        """
        Where it accepts CloudEvents over HTTP, structured or binary.
        """
        return f"http://{LOOPBACK}:{self._sensor.port}/"

    @property
    def offered(self) -> int:
        """
        How many requests it has seen, refused ones included.
        """
        return self._ledger.offered.get(self.name, 0)

    def events(self) -> list[Event]:
        """
        Everything it has accepted, in order.
        """
        return self._events()

    def accept(self) -> None:
        """
        Accept at once, as at the start.
        """
        self._behave(Behaviour())

    def hold(self) -> None:
        """
        Answer nothing until `release`.
        """
        self._behave(Behaviour(hold=True))

    def release(self) -> None:
        """
        Accept what is held, in order, and everything from now on.
        """
        self._thread.run(self._sensor.come_up())
        self._thread.call(self._sensor.release)

    def refuse(self, status: int = 503, times: int | None = None) -> None:
        """
        Answer with an error status, so many *times*; always where it is left out.
        """
        self._behave(Behaviour(refuse_status=status, refuse_times=times))

    def hang(self) -> None:
        """
        Never answer.
        """
        self._behave(Behaviour(hang=True))

    def down(self) -> None:
        """
        Be gone: connections are dropped, and new ones refused, until it is told to do anything else.
        """
        self._thread.run(self._sensor.go_down())

    def slow(self, duration: str) -> None:
        """
        Accept after so much scenario time.
        """
        self._behave(Behaviour(slow_s=parse_duration(duration)))

    def _behave(self, behaviour: Behaviour) -> None:
        self._thread.run(self._sensor.come_up())
        self._thread.call(lambda: self._sensor.behave(behaviour))


class LoneSensor(LiveSensor):
    """
    A watcher without a gateway of ours, in real time: whatever the test runs may dispatch to its `url`.
    """

    def __init__(self, name: str, thread: LoopThread) -> None:
        self._clock = thread.call(RealClock)
        ledger = Ledger(self._clock.now)
        ledger.listen(lambda _: self._clock.nudge())
        sensor = RecordingSensor(name, ledger, ScenarioTime(self._clock), hidden=lambda *_: False)
        thread.run(sensor.start())
        super().__init__(sensor, thread, lambda: events_in(ledger, name), ledger)

    def wait(self, count: int = 1, *, within: str = "5s") -> list[Event]:
        """
        Everything it has accepted, once that is at least *count* events.

        Raises:
            StepDidNotHold: It was not, after so much real time.
        """
        __tracebackhide__ = True

        async def enough() -> bool:
            return len(self.events()) >= count

        if not self._thread.run(self._clock.move_until(enough, parse_duration(within))):
            text = f"expected {count} or more events at {self.name} within {within}, got {len(self.events())}"
            raise StepDidNotHold("dispatched-not-accepted", text)
        return self.events()

    def close(self) -> None:
        """
        Stop listening.
        """
        self._thread.run(self._sensor.stop())
        self._ledger.close()
