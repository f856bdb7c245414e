"""
Scenario: what one scenario file says, for one cell of its matrix; frozen, without behaviour.

The shapes of its head stand in `head.py`, of its steps in `step.py`, of expectations in `expectation.py`; all are
offered here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.scenario_file.expectation import CountRange, EventMatch, Expect, Latency, ResponseMatch
from simulator.scenario_file.head import (
    Allow,
    Gateway,
    GatewayWatcher,
    Guarantee,
    Head,
    Isolation,
    Provider,
    Requires,
    Sensor,
    ServiceSetup,
    VirtualTime,
    Watchers,
)
from simulator.scenario_file.step import (
    Advance,
    Apply,
    EditConfigMap,
    Fault,
    FaultReply,
    Heal,
    Publish,
    Put,
    Refuse,
    Remove,
    Request,
    Restart,
    ServiceStep,
    Signal,
    WatcherStep,
)


@dataclass(frozen=True, slots=True)
class Repeat:
    """
    Steps that are played several times, one round after the other.
    """

    times: int
    steps: tuple[LoadedStep, ...]
    """Of round 0."""

    def round(self, i: int) -> tuple[LoadedStep, ...]:
        """
        The steps of round *i*, counted from 0. Those without `${{ i }}` are the same objects each time.

        Raises:
            ScenarioError: With this *i* a step says something that cannot be.
        """
        return tuple(step.render(i) for step in self.steps)


@dataclass(frozen=True, slots=True)
class Parallel:
    """
    Branches of steps that are played side by side.
    """

    branches: tuple[tuple[LoadedStep, ...], ...]


StepBody = (
    ServiceStep
    | Request
    | EditConfigMap
    | Advance
    | Fault
    | Heal
    | Restart
    | Signal
    | WatcherStep
    | Expect
    | Repeat
    | Parallel
)


@dataclass(frozen=True, slots=True)
class LoadedStep:
    """
    One step and where it stands.
    """

    kind: str
    """The step's key in the file: `publish`, `expect`, ..."""
    body: StepBody
    line: int
    """1 or more."""
    column: int
    raw: Any = field(compare=False, repr=False, default=None)
    """What stands behind the key, as plain values; templates replaced, save in the steps of a `repeat`."""
    rerender: Callable[[int], LoadedStep] | None = field(compare=False, repr=False, default=None)
    """Makes the step of a round; None where the step is the same in all."""
    path: tuple[str | int, ...] = field(compare=False, repr=False, default=())
    """Where in the file's structure it stands: `("steps", 2)`."""

    def render(self, i: int) -> LoadedStep:
        """
        The step in round *i* of the `repeat` around it.

        Raises:
            ScenarioError: With this *i* the step says something that cannot be.
        """
        return self.rerender(i) if self.rerender is not None else self


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One scenario, ready to be played.
    """

    file: str
    """As the caller named it; `<text>` where there is no file."""
    line: int
    """Of the `scenario` key."""
    name: str
    """With its matrix cell: `name[x=1,y=a]`."""
    head: Head
    """As the file has it, with what `use` brings in."""
    gateways: tuple[Gateway, ...]
    """From `gateway`, `gateways` and `manifests`."""
    services: Mapping[str, ServiceSetup]
    """By name, with those that are implied; each has its `type`."""
    steps: tuple[LoadedStep, ...]
    cell: Mapping[str, Any] = field(default_factory=dict)
    """This scenario's values of the matrix."""
    secret_texts: frozenset[str] = frozenset()
    """What must appear in no output."""

    @property
    def clock(self) -> VirtualTime | None:
        """
        The virtual clock's start; None for real time.
        """
        return self.head.clock if isinstance(self.head.clock, VirtualTime) else None


__all__ = [
    "Advance",
    "Allow",
    "Apply",
    "CountRange",
    "EditConfigMap",
    "EventMatch",
    "Expect",
    "Fault",
    "FaultReply",
    "Gateway",
    "GatewayWatcher",
    "Guarantee",
    "Head",
    "Heal",
    "Isolation",
    "Latency",
    "LoadedStep",
    "Parallel",
    "Provider",
    "Publish",
    "Put",
    "Refuse",
    "Remove",
    "Repeat",
    "Request",
    "Requires",
    "ResponseMatch",
    "Restart",
    "Scenario",
    "Sensor",
    "ServiceSetup",
    "ServiceStep",
    "Signal",
    "StepBody",
    "VirtualTime",
    "WatcherStep",
    "Watchers",
]
