"""
Player: plays one scenario in an event loop of its own, again where it is to be retried, and stops it when told.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from simulator.errors import SimulatorBug
from simulator.providers import Providers
from simulator.reports.report import ScenarioReport
from simulator.reports.scenario_report import report_of, report_of_nothing
from simulator.scenario_file.scenario import Scenario
from simulator.suite.identity import stable_seed
from simulator.verdict import Verdict

if TYPE_CHECKING:
    from simulator.environment import Environment, PlayOptions
    from simulator.runner import ScenarioResult

PlayFunction = Callable[[Scenario, "PlayOptions"], Coroutine[Any, Any, "ScenarioResult"]]

RETRIED = frozenset({Verdict.FAILED, Verdict.INCONCLUSIVE})
"""A fault of ours is never tried away, and a skip would be one again."""
PULSE_S = 0.5
_DEBUG = bool(os.environ.get("GATESIM_DEBUG")) or sys.flags.dev_mode


@dataclass(frozen=True, slots=True)
class PlayerOptions:
    """
    How scenarios are played, whichever process does it.
    """

    seed: int | None = None
    """None: each scenario has a stable one of its own."""
    timeout_scale: float = 1.0
    real_limit_s: float = 60.0
    retries: int = 0
    """A scenario that does not pass is played so many times more."""
    providers: Sequence[str] = ()
    """See Providers.told."""


def seed_of(scenario: Scenario, options: PlayerOptions, round_number: int) -> int:
    """
    The seed of one play: each round has another, the first the one that was given or the scenario's own.
    """
    return (stable_seed(scenario) if options.seed is None else options.seed) + round_number - 1


class Player:
    """
    Plays one scenario at a time.

    Args:
        options: For all of them.
        play: Plays one; None for the runner's, imported with the first scenario.
        pulse: Told, now and then and from another thread, how far scenario time is.
    """

    def __init__(
        self,
        options: PlayerOptions,
        *,
        play: PlayFunction | None = None,
        pulse: Callable[[float], None] | None = None,
    ) -> None:
        self._options = options
        self._play = play
        self._pulse = pulse
        self._stopped = False
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None

    def play(self, scenario: Scenario, round_number: int = 1) -> ScenarioReport | None:
        """
        Play *scenario*, again with the same seed while it does not pass and may be retried.

        Returns:
            None where it was stopped before it ended.
        """
        began = time.perf_counter()
        try:
            return self._until_settled(scenario, round_number)
        except Exception as error:
            return report_of_nothing(
                scenario,
                f"{type(error).__name__}: {error}",
                seed=seed_of(scenario, self._options, round_number),
                duration_s=time.perf_counter() - began,
                round_number=round_number,
                details=tuple(traceback.format_exc().splitlines()),
            )

    def _until_settled(self, scenario: Scenario, round_number: int) -> ScenarioReport | None:
        attempts: list[ScenarioResult] = []
        while True:
            result = self._once(scenario, seed_of(scenario, self._options, round_number))
            if result is None:
                return None
            if result.verdict not in RETRIED or len(attempts) >= self._options.retries:
                scale = self._options.timeout_scale
                return report_of(result, round_number=round_number, attempts=attempts, timeout_scale=scale)
            attempts.append(result)

    def stop(self) -> None:
        """
        End what is being played, cleaning up, and play nothing more. May be called from a signal handler or another
        thread.
        """
        self._stopped = True
        if self._running is not None:
            loop, task = self._running
            try:
                loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:  # it ended in this very moment
                return

    def _once(self, scenario: Scenario, seed: int) -> ScenarioResult | None:
        from simulator.environment import PlayOptions  # noqa: PLC0415 - `list` and `lint` play nothing
        from simulator.runner import loop_factory, play  # noqa: PLC0415 - as above

        options = PlayOptions(
            seed=seed,
            timeout_scale=self._options.timeout_scale,
            real_limit_s=self._options.real_limit_s,
            providers=Providers(tuple(self._options.providers)),
        )
        sockets = open_sockets() if _DEBUG else frozenset()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            work = self._stoppable(scenario, options, self._play or play)
            try:
                result = runner.run(work)
            except asyncio.CancelledError:
                if not self._stopped:
                    raise SimulatorBug(f"{scenario.file}: the scenario was cancelled by itself") from None
                return None
        if _DEBUG and (left := open_sockets() - sockets):
            raise SimulatorBug(f"{scenario.file}: {len(left)} sockets stayed open after the scenario")
        return result

    async def _stoppable(self, scenario: Scenario, options: PlayOptions, play: PlayFunction) -> ScenarioResult:
        task = asyncio.current_task()
        assert task is not None
        with _Pulse(self._pulse) as pulse:
            self._running = (asyncio.get_running_loop(), task)
            if self._stopped:
                raise asyncio.CancelledError
            try:
                result = await play(scenario, replace(options, entered=pulse.watch))
            finally:
                self._running = None
        if _DEBUG and (left := asyncio.all_tasks() - {task}):
            names = ", ".join(sorted(each.get_name() for each in left))
            raise SimulatorBug(f"{scenario.file}: tasks outlived the scenario: {names}")
        return result


class _Pulse:
    """
    Tells how far scenario time is while a scenario is played, from a thread of its own; nothing where nobody listens.
    """

    def __init__(self, listener: Callable[[float], None] | None) -> None:
        self._listener = listener
        self._environment: Environment | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> _Pulse:
        if self._listener is not None:
            self._thread = threading.Thread(target=self._beat, args=(self._listener,), name="pulse", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def watch(self, environment: Environment) -> None:
        """
        Read time from *environment* from now on.
        """
        self._environment = environment

    def _beat(self, listener: Callable[[float], None]) -> None:
        while not self._over.wait(PULSE_S):
            environment = self._environment
            listener(environment.virtual_s if environment is not None else 0.0)


def open_sockets() -> frozenset[str]:
    """
    The sockets that this process has open, where the system tells; without those that are to last as long as it does.
    """
    found = set()
    lease = sys.modules.get("simulator.keeping.lease")
    lasting = lease.anchors() if lease is not None else frozenset()
    try:
        for name in os.listdir("/proc/self/fd"):
            if int(name) in lasting:
                continue
            try:
                target = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                continue
            if target.startswith("socket:"):
                found.add(target)
    except OSError:
        return frozenset()
    return frozenset(found)
