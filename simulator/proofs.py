"""
Proofs that nothing more will come, of which an exact `count` and a `none` need one; the report names the one used.

In this order: every processor has caught up with its service (and the service knows no subscriber of a removed
configuration); a fence went the same way and arrived; virtual time passed the longest declared retry; a real window.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from simulator.environment import Environment
from simulator.gateway_under_test import CaughtUp
from simulator.real_clock import RealClock
from simulator.scenario_file.scenario import Gateway
from simulator.step_notes import Removed

REAL_WINDOW_S = 0.3
"""Printed with the proof: a window proves little, so it is the last resort."""
_FENCE_LIMIT_S = 5.0


class Proof(NamedTuple):
    """
    How it was proved, or why it could not be.
    """

    holds: bool
    text: str


async def prove_quiet(environment: Environment) -> Proof:
    """
    Prove that no event is on its way to any watcher, other than those that wait for scenario time.
    """
    caught_up = await environment.quiesce()
    if caught_up.paused:
        return Proof(False, "a reader is paused because a lane is full, so more may come")
    if caught_up.delayed:
        return Proof(False, "the line to a service is slow or dead, so more may come as time goes on")
    proofs: list[str] = []
    if caught_up.proved:
        proofs.append("caught up with every service")
    elif await _fenced(environment):
        proofs.append("a fence arrived behind everything else")
    else:
        return await _by_time(environment, caught_up)
    silent = await _removed_are_silent(environment)
    if silent is None:
        return Proof(True, ", ".join(proofs))
    if silent.holds:
        return Proof(True, ", ".join([*proofs, silent.text]))
    return await _window(environment, silent.text)


async def _by_time(environment: Environment, caught_up: CaughtUp) -> Proof:
    passed_s = environment.clock.elapsed() - environment.progress.last_stimulus_s
    longest_s = max((gateway.longest_retry_s for gateway in environment.gateways.values()), default=0.0)
    if passed_s >= longest_s and not isinstance(environment.clock, RealClock):
        return Proof(
            True, f"{passed_s:g} s passed since the last stimulus, more than the longest retry of {longest_s:g} s"
        )
    return await _window(environment, "a configuration cannot tell whether it has caught up")


async def _window(environment: Environment, why: str) -> Proof:
    """
    Wait in real time; whatever comes is then seen.
    """
    seconds = REAL_WINDOW_S * environment.options.timeout_scale

    async def over() -> bool:
        return False

    window = RealClock()
    await window.move_until(over, seconds)
    await environment.quiesce()
    return Proof(True, f"a real window of {seconds:g} s ({why})")


async def _removed_are_silent(environment: Environment) -> Proof | None:
    """
    Whether services know no subscriber of any removed configuration; None where nothing was removed from a service.
    """
    asked = 0
    for removed in environment.progress.removed:
        absent = await _absent(environment, removed)
        if absent is False:
            return Proof(False, f"the service still knows the subscriber of {removed.gateway.name}/{removed.name}")
        asked += absent is True
    return Proof(True, "removed configurations are absent at their service") if asked else None


async def _absent(environment: Environment, removed: Removed) -> bool | None:
    service = environment.service_for(removed.gateway)
    if service is None:
        return None
    living = [text for texts in environment.configurations.values() for text in texts.values()]
    return await service.absent(removed.text, living)


async def _fenced(environment: Environment) -> bool:
    """
    Send a marked stimulus along every living path and wait until each has come out.

    Returns:
        False where some path has no place for one: a gateway watcher would pass it on as a real event.
    """
    heads = environment.heads()
    if any(head.watchers is not None and head.watchers.gateways for head in heads.values()):
        return False
    expected: set[tuple[str, str]] = set()
    for name, head in heads.items():
        for key, text in environment.configurations[name].items():
            if environment.gateways[name].status().get(key, ("",))[0] != "Running":
                continue
            mark = str(UUID(int=len(environment.progress.fences) + 1))
            if not await _send_fence(environment, head, text, mark):
                return False
            expected.add((f"{name}/{key}", mark))

    async def arrived() -> bool:
        return expected <= environment.progress.arrived_fences

    window = RealClock()
    environment.ledger.listen(lambda _: window.nudge())
    return bool(expected) and await window.move_until(arrived, _FENCE_LIMIT_S * environment.options.timeout_scale)


async def _send_fence(environment: Environment, head: Gateway, text: str, mark: str) -> bool:
    environment.progress.fences.add(mark)
    service = environment.service_for(head)
    return service is not None and await service.fence(text, mark)
