"""
Runner: plays one scenario in an environment of its own and passes the verdict.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from simulator.environment import Environment, PlayOptions
from simulator.errors import ServiceUnavailable, SimulatorError, TimeStuck
from simulator.gateway_log import GatewayLog
from simulator.judging.guarantee import judge_guarantee
from simulator.judging.judgement import describe
from simulator.judging.matchers import Mismatch
from simulator.ledger import AcceptedEvent
from simulator.outcomes import StepEnded, StepFailed, StepInconclusive, StepSkipped
from simulator.real_clock import RealClock
from simulator.scenario_file.scenario import Scenario
from simulator.step_notes import PlayedStep
from simulator.steps import take_steps
from simulator.verdict import NO_REASON, Reason, Verdict

EVENTS_MAX = 1_000
"""Accepted events that a result carries; all are counted and hashed."""
_STOP_LIMIT_S = 120.0
_LOG_LINES = 5
"""Of each service and of all gateways, with a failure."""
_LEFTOVER_S = 0.5
"""Real time that tasks which outlive their gateway are given to show what they still do."""


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """
    What playing one scenario showed.
    """

    scenario: Scenario
    verdict: Verdict
    reason: Reason = NO_REASON
    details: tuple[str, ...] = ()
    """Further lines of the reason: what came nearest, what differs."""
    differing: tuple[Mismatch, ...] = ()
    """Where what came nearest differs from what was expected."""
    duration_s: float = 0.0
    virtual_s: float = 0.0
    providers: dict[str, str] = field(default_factory=dict)
    """Service to what served it: `embedded nats-server 2.15.1`."""
    steps: tuple[PlayedStep, ...] = ()
    """Those that held."""
    events: tuple[AcceptedEvent, ...] = ()
    events_total: int = 0
    events_sha256: str = ""
    notes: tuple[str, ...] = ()
    """What is worth knowing though it decides nothing: losses that were allowed, a service's last log lines."""
    seed: int = 0


async def play(scenario: Scenario, options: PlayOptions) -> ScenarioResult:
    """
    Play *scenario*. Never raises for what the scenario, a gateway or a service does.
    """
    began = time.perf_counter()
    result = await _played(scenario, options)
    return _with_duration(result, time.perf_counter() - began)


def play_blocking(scenario: Scenario, options: PlayOptions) -> ScenarioResult:
    """
    Play *scenario* in an event loop of its own.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(play(scenario, options))


def loop_factory() -> Any:
    """
    What makes event loops: uvloop's where it is present, None for asyncio's own.
    """
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows; asyncio's own loop serves there
    except ImportError:
        return None
    return uvloop.new_event_loop


def _with_duration(result: ScenarioResult, duration_s: float) -> ScenarioResult:
    return replace(result, duration_s=duration_s)


async def _played(scenario: Scenario, options: PlayOptions) -> ScenarioResult:
    environment = Environment(scenario, options)
    if options.entered is not None:
        options.entered(environment)
    try:
        with GatewayLog() as log:
            result = await _in_environment(environment)
    finally:
        environment.ledger.close()
    if result.verdict is Verdict.PASSED:
        return result
    return replace(result, notes=result.notes + tuple(f"gateway log: {line}" for line in log.tail(_LOG_LINES)))


async def _in_environment(environment: Environment) -> ScenarioResult:
    scenario = environment.scenario
    try:
        async with environment:
            return await _story(environment)
    except ServiceUnavailable as error:
        return _ended(environment, Verdict.SKIPPED, Reason("service-unavailable", str(error), scenario.line))
    except ExceptionGroup as group:
        return _ended_by_group(environment, group)
    except SimulatorError as error:
        return _ended(environment, Verdict.ERROR, Reason("internal", str(error), scenario.line))
    except TimeStuck as error:
        return _ended(environment, Verdict.ERROR, Reason("time-stuck", str(error), scenario.line))
    except Exception as error:
        details = tuple(traceback.format_exc().splitlines())
        reason = Reason("internal", f"{type(error).__name__}: {error}", scenario.line)
        return _ended(environment, Verdict.ERROR, reason, details)


def _ended_by_group(environment: Environment, group: ExceptionGroup[Exception]) -> ScenarioResult:
    unavailable, others = group.split(ServiceUnavailable)
    line = environment.scenario.line
    if unavailable is not None and others is None:
        text = "; ".join(map(str, unavailable.exceptions))
        return _ended(environment, Verdict.SKIPPED, Reason("service-unavailable", text, line))
    details = tuple("".join(traceback.format_exception(group)).splitlines())
    return _ended(environment, Verdict.ERROR, Reason("internal", str(group.exceptions[0]), line), details)


async def _story(environment: Environment) -> ScenarioResult:
    try:
        await take_steps(environment.scenario.steps, environment)
        reason, notes = await conclude(environment)
    except StepEnded as ended:
        died = _died(environment) if isinstance(ended, StepFailed) else None
        cls, text = (ended.cls, ended.text) if died is None else (died.cls, f"{died.text}; then {ended.text}")
        reason = Reason(cls, text, ended.line)
        return _ended(environment, _verdict_of(ended), reason, ended.details, differing=ended.differing)
    except TimeStuck as error:
        return _ended(environment, Verdict.ERROR, Reason("time-stuck", str(error), environment.line))
    verdict = Verdict.PASSED if reason is None else Verdict.FAILED
    return _ended(environment, verdict, reason or NO_REASON, notes=notes)


async def conclude(environment: Environment) -> tuple[Reason | None, tuple[str, ...]]:
    """
    End the story: everything still under way arrives and every gateway stops; then the whole is judged.

    Returns:
        What is wrong with the whole, None for nothing; and what is worth knowing though it decides nothing.

    Raises:
        TimeStuck: Time could not move on.
    """
    await _drain(environment)
    breach, notes = judge_guarantee(environment)
    return _died(environment) or _invalid(environment) or breach or _unexpected(environment), tuple(notes)


def _verdict_of(ended: StepEnded) -> Verdict:
    if isinstance(ended, StepSkipped):
        return Verdict.SKIPPED
    return Verdict.INCONCLUSIVE if isinstance(ended, StepInconclusive) else Verdict.FAILED


async def _drain(environment: Environment) -> None:
    """
    Let everything that is still on its way arrive: what services hold is read, then each gateway stops gracefully,
    upstream first; what outlives its gateway is given the chance to show itself.
    """
    await environment.move_until(environment.is_quiet, _STOP_LIMIT_S)
    for gateway in environment.upstream_first():
        if gateway.is_running:
            await environment.moving(gateway.stop(), _STOP_LIMIT_S)
    left = [name for gateway in environment.gateways.values() for name in gateway.leftover]
    if left:
        environment.ledger.record("note", f"tasks outlived their gateway: {', '.join(left)}")
        await asyncio.sleep(_LEFTOVER_S)  # real time: what they do is not under the clock
    if left or environment.clock.next_timer is not None:
        longest_s = max(gateway.longest_retry_s for gateway in environment.gateways.values())
        if not isinstance(environment.clock, RealClock):
            await environment.advance(longest_s)


def _died(environment: Environment) -> Reason | None:
    for observation in environment.ledger.observations(kinds=frozenset({"died"})):
        if observation.facts[0] in environment.gateways:
            return Reason("gateway-died", f"{observation.facts[0]}: {observation.facts[1]}")
    return None


def _invalid(environment: Environment) -> Reason | None:
    for observation in environment.ledger.observations(kinds=frozenset({"invalid"})):
        return Reason("invalid-cloudevent", f"{observation.facts[0]}: {observation.facts[1]}")
    return None


def _unexpected(environment: Environment) -> Reason | None:
    """
    Whatever no `expect` covered.
    """
    if environment.scenario.head.unexpected == "allow":
        return None
    for watcher in environment.sensors:
        left = environment.ledger.uncovered(watcher)
        first = next(environment.ledger.accepted(watcher, uncovered_only=True), None)
        if first is None:
            continue
        came_before = any(
            earlier.event.key == first.event.key and earlier.number < first.number
            for earlier in environment.ledger.accepted(watcher, uncovered_only=False)
        )
        cls = "duplicate" if came_before else "unexpected"
        many = "1 event" if left == 1 else f"{left} events"
        return Reason(cls, f"{watcher} accepted {many} that no `expect` covers; the first: {describe(first)}")
    return None


def _ended(
    environment: Environment,
    verdict: Verdict,
    reason: Reason = NO_REASON,
    details: tuple[str, ...] = (),
    *,
    notes: tuple[str, ...] = (),
    differing: tuple[Mismatch, ...] = (),
) -> ScenarioResult:
    ledger = environment.ledger
    line = reason.line if reason.line is not None or reason.cls is None else environment.line
    if verdict is not Verdict.PASSED:
        notes += _troubles(environment)
    return ScenarioResult(
        scenario=environment.scenario,
        verdict=verdict,
        reason=Reason(reason.cls, reason.text, line),
        details=details,
        differing=differing,
        virtual_s=environment.virtual_s,
        providers={name: f"{s.provider} {s.version}" for name, s in environment.services.items()},
        steps=tuple(environment.played),
        events=_first_events(environment),
        events_total=ledger.accepted_total,
        events_sha256=ledger.sha256,
        notes=notes,
        seed=environment.options.seed,
    )


def _troubles(environment: Environment) -> tuple[str, ...]:
    """
    The last lines of services' logs that tell of trouble.
    """
    services = environment.services.items()
    return tuple(f"{name} log: {line}" for name, service in services for line in service.log_tail().splitlines())


def _first_events(environment: Environment) -> tuple[AcceptedEvent, ...]:
    """
    The first accepted events of all watchers, in the order of acceptance.
    """
    watchers = environment.ledger.watchers
    firsts = [e for w in watchers for e in islice(environment.ledger.accepted(w, uncovered_only=False), EVENTS_MAX)]
    return tuple(sorted(firsts, key=lambda event: event.number)[:EVENTS_MAX])
