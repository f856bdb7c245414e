"""
Suite: plays many scenarios, one after the other or on several workers, and tells observers what happens.

It decides what is played next and when to stop; it keeps no report, so its memory does not grow with the run.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from simulator.errors import ScenarioProblem
from simulator.reports.report import Json, ScenarioReport, Summary
from simulator.scenario_file.scenario import Scenario
from simulator.suite.identity import node_id
from simulator.suite.interruption import Interruption
from simulator.suite.player import Player, PlayerOptions, PlayFunction
from simulator.suite.run_record import Last
from simulator.verdict import Verdict, exit_code
from simulator.version import VERSION

_BREACHES = frozenset({Verdict.FAILED, Verdict.ERROR, Verdict.INCONCLUSIVE})
"""What counts for `-x`, `--max-failures` and `--until-fail`."""


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """
    How a suite is played.
    """

    player: PlayerOptions = field(default_factory=PlayerOptions)
    workers: int = 1
    max_failures: int | None = None
    """Nothing more is begun after so many."""
    repeat: int | None = None
    """Rounds; None is one, and with `until_fail` as many as it takes."""
    until_fail: bool = False
    fail_on_skip: bool = False
    provider: str = "embedded"
    target: str = "reference"
    declared: tuple[str, ...] = ()
    """Ids of requirements that the project declares, for the files that workers read."""

    @property
    def rounds(self) -> int | None:
        """
        How often everything is played; None for as often as it takes.
        """
        return self.repeat if self.repeat is not None or self.until_fail else 1


class Play(NamedTuple):
    """
    One scenario in one round.
    """

    number: int
    """Its place in the order of the run, from 0; the order in which reports show it."""
    scenario: Scenario
    id: str
    round: int
    """From 1."""


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What is about to be played.
    """

    scenarios: int
    """In one round."""
    files: int
    options: SuiteOptions
    deselected: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[ScenarioProblem, ...] = ()
    """Of files; where there are any, nothing is played."""


class Observer:
    """
    Told what happens in a run, one call at a time; the calls may come from different threads.
    """

    wants_pulse = False
    """Whether it wants to be told, now and then, how far scenario time is."""

    def began(self, plan: Plan) -> None:
        """The run begins."""

    def started(self, play: Play) -> None:
        """A scenario begins."""

    def pulsed(self, play: Play, virtual_s: float) -> None:
        """A scenario goes on, and scenario time is at *virtual_s*."""

    def finished(self, play: Play, report: ScenarioReport) -> None:
        """A scenario is over. With several workers they end in any order; `play.number` is the order of the files."""

    def interrupted(self) -> None:
        """Somebody wants the run to end; what is being played is cleaned up."""

    def ended(self, summary: Summary, environment: Json) -> None:
        """The run is over."""


class Suite:
    """
    One run.

    Args:
        scenarios: In the order in which they are reported.
        options: How they are played.
        observers: Told in this order.
        plan: What to tell them at the beginning; made of the scenarios where it is left out.
        play: Plays one scenario, in this process; None for the runner's.
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        options: SuiteOptions,
        observers: Sequence[Observer] = (),
        *,
        plan: Plan | None = None,
        play: PlayFunction | None = None,
    ) -> None:
        self.options = options
        self.plan = plan or Plan(len(scenarios), len({scenario.file for scenario in scenarios}), options)
        self.last: dict[str, Last] = {}
        """What each scenario showed, for the run record."""
        self._scenarios = scenarios
        self._observers = observers
        self._play = play
        self._plays = self._all_plays()
        self._lock = threading.RLock()
        self._counts: dict[Verdict, int] = {}
        self._breaches = 0
        self._providers: dict[str, str] = {}
        self._stopping = False
        self.was_interrupted = False
        self._telling: threading.Thread | None = None

    @property
    def workers(self) -> int:
        """
        How many play side by side; never more than there is to play.
        """
        rounds = self.options.rounds
        plays = self.options.workers if rounds is None else len(self._scenarios) * rounds
        return max(1, min(self.options.workers, plays))

    def run(self) -> Summary:
        """
        Play everything, or as far as the options and the user let it go on.
        """
        began = time.perf_counter()
        self._tell_began()
        if not self.plan.problems:
            self._play_all()
        if self._telling is not None:
            self._telling.join()
        summary = self._summary(time.perf_counter() - began)
        for observer in self._observers:
            observer.ended(summary, self.environment())
        return summary

    def environment(self) -> Json:
        """
        What the run took place in: versions, providers, the seed.
        """
        options = self.options
        return {
            "gatesim": VERSION,
            "python": ".".join(map(str, sys.version_info[:3])),
            "platform": sys.platform,
            "target": options.target,
            "provider": options.provider,
            "services": dict(sorted(self._providers.items())),
            "seed": options.player.seed,
            "workers": self.workers,
            "timeout_scale": options.player.timeout_scale,
            "real_limit_s": options.player.real_limit_s,
        }

    @property
    def wants_pulse(self) -> bool:
        """
        Whether any observer wants to be told how far scenario time is.
        """
        return any(observer.wants_pulse for observer in self._observers)

    def next_play(self) -> Play | None:
        """
        What to play next; None where nothing more is begun. May be called from any thread.
        """
        with self._lock:
            play = None if self._stopping else next(self._plays, None)
            if play is not None:
                for observer in self._observers:
                    observer.started(play)
            return play

    def pulse(self, play: Play, virtual_s: float) -> None:
        """
        Pass on how far scenario time is.
        """
        with self._lock:
            for observer in self._observers:
                observer.pulsed(play, virtual_s)

    def finish(self, play: Play, report: ScenarioReport) -> None:
        """
        Take in what *play* showed.
        """
        with self._lock:
            self._counts[report.verdict] = self._counts.get(report.verdict, 0) + 1
            self._providers.update(report.providers)
            self._note(report)
            self._breaches += report.verdict in _BREACHES
            most = 1 if self.options.until_fail else self.options.max_failures
            self._stopping = self._stopping or (most is not None and self._breaches >= most)
            for observer in self._observers:
                observer.finished(play, report)

    def _note(self, report: ScenarioReport) -> None:
        """
        For the record: of several rounds the worst is what the scenario showed last.
        """
        before = self.last.get(report.id)
        if before is None or report.verdict is not Verdict.PASSED:
            self.last[report.id] = Last(report.verdict.value, round(report.duration_s, 6))

    def _all_plays(self) -> Iterator[Play]:
        rounds = self.options.rounds
        ids = [node_id(scenario) for scenario in self._scenarios]
        for number in count() if rounds is None else range(rounds):
            first = number * len(ids)
            for place, scenario in enumerate(self._scenarios):
                yield Play(first + place, scenario, ids[place], number + 1)
            if not ids:
                return

    def _tell_began(self) -> None:
        for observer in self._observers:
            observer.began(self.plan)

    def _play_all(self) -> None:
        if self.workers > 1:
            from simulator.suite.worker_pool import WorkerPool  # noqa: PLC0415 - most runs need no other process

            pool = WorkerPool(self)
            with Interruption(lambda: self._interrupt(pool.stop)):
                pool.run()
            return
        current: list[Play] = []
        pulse = (lambda virtual_s: self.pulse(current[0], virtual_s)) if self.wants_pulse else None
        player = Player(self.options.player, play=self._play, pulse=pulse)
        with Interruption(lambda: self._interrupt(player.stop)):
            while (play := self.next_play()) is not None:
                current[:] = [play]
                report = player.play(play.scenario, play.round)
                if report is not None:
                    self.finish(play, report)

    def _interrupt(self, stop: Callable[[], None]) -> None:
        """
        Called in a signal handler, hence in the middle of anything: who is told is told by another thread.
        """
        self._stopping = self.was_interrupted = True
        stop()
        self._telling = threading.Thread(target=self._tell_interrupted, name="interrupted", daemon=True)
        self._telling.start()

    def _tell_interrupted(self) -> None:
        with self._lock:
            for observer in self._observers:
                observer.interrupted()

    def _summary(self, duration_s: float) -> Summary:
        played = sum(self._counts.values())
        rounds = self.options.rounds
        planned = 0 if rounds is None or self.plan.problems else len(self._scenarios) * rounds
        code = exit_code(
            self._counts,
            interrupted=self.was_interrupted,
            bad_files=bool(self.plan.problems),
            fail_on_skip=self.options.fail_on_skip,
        )
        not_run = max(0, planned - played)
        return Summary(dict(self._counts), duration_s, dict(self.plan.deselected), not_run, code)
