"""
FaultMatrix: for each gateway type and each trouble, the scenarios that show what becomes of events then; read from what
the scenario files say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gateways.processor import Delivery, Guarantee
from gateways.registry import BUILT_IN, processor_for
from simulator.scenario_file.loader import load_file
from simulator.scenario_file.scenario import (
    EditConfigMap,
    Expect,
    Fault,
    LoadedStep,
    Parallel,
    Repeat,
    Restart,
    Scenario,
    StepBody,
    WatcherStep,
)
from simulator.services.shapes import SHAPES, service_of

ROOT = Path(__file__).parents[1]
FLAPS_MIN = 4
"""So many edits of one gateway's ConfigMap are a configuration that flaps: away and back, twice."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    One way in which something breaks.
    """

    name: str
    is_met: Callable[[StepBody], bool]
    """Whether a step brings it about."""
    faults: frozenset[str] = frozenset()
    """It is one of these faults of a service; empty where no service is needed."""
    times: int = 1
    """It takes so many such steps."""


def _is_fault(*names: str) -> Callable[[StepBody], bool]:
    return lambda body: isinstance(body, Fault) and body.name in names


def _of_service(name: str, *faults: str) -> Trouble:
    return Trouble(name, _is_fault(*faults), frozenset(faults))


def _of_watcher(name: str, meets: Callable[[WatcherStep], bool]) -> Trouble:
    return Trouble(name, lambda body: isinstance(body, WatcherStep) and meets(body))


def _is_killed(body: StepBody) -> bool:
    return _is_fault("kill")(body) or (isinstance(body, Restart) and body.service is not None)


TROUBLES = (
    _of_service("the connection is reset or closed", "reset", "disconnect"),
    Trouble("the service is killed and restarted", _is_killed, frozenset({"kill"})),
    _of_service("the service hangs", "blackhole", "pause"),
    _of_watcher("a watcher is down", lambda body: bool(body.down)),
    _of_watcher("a watcher answers 5xx", lambda body: body.refuse is not None and body.refuse.status >= 500),
    _of_watcher("a watcher is slow", lambda body: body.slow is not None),
    _of_watcher("a watcher hangs", lambda body: bool(body.hang)),
    Trouble("the gateway is killed", lambda body: isinstance(body, Restart) and body.how == "crash"),
    _of_service("a watch expires", "expireWatch"),
    Trouble("a configuration flaps", lambda body: isinstance(body, EditConfigMap), times=FLAPS_MIN),
)

WITHOUT_SERVICE = {
    "calendar": "a calendar has no service: it makes its events itself",
    "webhook": "a webhook has no service: whoever sends is told 200 or 503, or hears nothing and asks again",
}
"""Types that talk to nothing, and why nothing of it can break."""


class Shown(NamedTuple):
    """
    A file whose scenarios show what becomes of events.
    """

    file: str
    sentence: str
    lost: int
    """Stimuli that it expects to be lost, by name."""


def guarantee_of(gateway_type: str) -> Guarantee:
    """
    What the processor of that type says of itself.
    """
    found = processor_for(gateway_type).guarantee
    assert found is not None, f"gateway type {gateway_type} does not say what it guarantees"
    return found


def why_never(gateway_type: str, trouble: Trouble) -> str:
    """
    Why *trouble* cannot come over that type; empty where it can.
    """
    if not trouble.faults:
        return ""
    shape = SHAPES.get(service_of(gateway_type))
    if shape is None or not shape.runs:
        return WITHOUT_SERVICE[gateway_type]
    return "" if shape.faults & trouble.faults else f"there are no watches: {shape.type} has nothing that expires"


@cache
def fault_matrix() -> dict[tuple[str, str], list[Shown]]:
    """
    Each gateway type and each trouble's name to the files that show it.
    """
    found: dict[tuple[str, str], list[Shown]] = {(t, trouble.name): [] for t in BUILT_IN for trouble in TROUBLES}
    for file in sorted((ROOT / "scenarios").rglob("*.scenario.yaml")):
        for scenario in load_file(file):
            lost = scenario.head.allow.not_received if scenario.head.allow is not None else 0
            shown = Shown(file.relative_to(ROOT).as_posix(), scenario.head.scenario, lost)
            for cell in cells_of(scenario):
                if shown not in found[cell]:
                    found[cell].append(shown)
    return found


def cells_of(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """
    The cells that *scenario* shows.
    """
    types = {gateway.type for gateway in scenario.gateways} & set(BUILT_IN)
    for gateway_type in sorted(types):
        if _accounts_for_events(scenario, gateway_type):
            yield from ((gateway_type, each.name) for each in TROUBLES if _shows(scenario, gateway_type, each))


def _accounts_for_events(scenario: Scenario, gateway_type: str) -> bool:
    """
    Whether every stimulus has to arrive, or its loss is named. An event of a calendar has no stimulus.
    """
    if gateway_type == "calendar":
        return True
    guarantee, allow = scenario.head.guarantee, scenario.head.allow
    if guarantee is None:
        return False
    may_lose = guarantee_of(gateway_type).strongest is Delivery.AT_MOST_ONCE
    return guarantee.mode == "at-least-once" or allow is not None or may_lose


def _shows(scenario: Scenario, gateway_type: str, trouble: Trouble) -> bool:
    """
    Whether *trouble* comes over a gateway of that type, and events are expected afterwards.
    """
    times, expected = 0, False
    for body, rounds in _played(scenario.steps):
        if trouble.is_met(body) and gateway_type in _types_met(body, scenario):
            times += rounds
        elif isinstance(body, Expect) and body.watcher is not None:
            expected = expected or times >= trouble.times
    return expected


def _played(steps: tuple[LoadedStep, ...], rounds: int = 1) -> Iterator[tuple[StepBody, int]]:
    """
    Each step that holds no others, and how often it is taken.
    """
    for step in steps:
        body = step.body
        if isinstance(body, Repeat):
            yield from _played(body.steps, rounds * body.times)
        elif isinstance(body, Parallel):
            for branch in body.branches:
                yield from _played(branch, rounds)
        else:
            yield body, rounds


def _types_met(body: StepBody, scenario: Scenario) -> set[str]:
    """
    Types of the gateways that a step of trouble touches.
    """
    gateways = scenario.gateways
    service = body.service if isinstance(body, Fault | Restart) else None
    if service is not None:
        broken = scenario.services[service].type
        return {gateway.type for gateway in gateways if service_of(gateway.type) == broken}
    if isinstance(body, WatcherStep):
        watched = [(g, [s.name for s in (g.watchers.sensors if g.watchers else None) or ()]) for g in gateways]
        return {gateway.type for gateway, names in watched if body.name in names}
    named = body.gateway if isinstance(body, EditConfigMap | Restart) else None
    return {gateway.type for gateway in gateways if gateway.name == (named or gateways[0].name)}
