"""
The suite: what is played, in which order, and when it ends.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import tracemalloc
from typing import Any

import pytest

from simulator.environment import PlayOptions
from simulator.errors import ScenarioProblem
from simulator.reports.report import Summary
from simulator.runner import ScenarioResult
from simulator.scenario_file.scenario import Scenario
from simulator.suite.player import PlayerOptions
from simulator.suite.suite import Observer, Plan, Play, Suite, SuiteOptions
from simulator.verdict import Verdict
from tests.simulator.fake_plays import FakePlay, Recorder, event_of, result_of, scenario_of

FAILED, PASSED, SKIPPED = Verdict.FAILED, Verdict.PASSED, Verdict.SKIPPED
A, B, C = (scenario_of(name, file=f"{name}.scenario.yaml") for name in "abc")


def run(outcomes: dict[str, list[Any]], **options: Any) -> tuple[Summary, list[str], Recorder]:
    """
    The summary, the names of what was played in order, and what observers were told.
    """
    play, recorder = FakePlay(outcomes), Recorder()
    summary = Suite([A, B, C], SuiteOptions(**options), [recorder], play=play).run()
    return summary, [name for name, _ in play.played], recorder


def test_scenarios_are_played_in_order_and_counted() -> None:
    summary, names, _ = run({"b": [FAILED], "c": [SKIPPED]})
    assert names == ["a", "b", "c"]
    assert (summary.counts, summary.total, summary.exit_code) == ({PASSED: 1, FAILED: 1, SKIPPED: 1}, 3, 1)


def test_observers_are_told_everything_in_order() -> None:
    _, _, recorder = run({}, max_failures=1)
    steps = [f"{what} {name}" for name in "abc" for what in ("started", "finished")]
    assert recorder.told == ["began", *steps, "ended"]


@pytest.mark.parametrize(("most", "names"), [(1, ["a"]), (2, ["a", "b"]), (None, ["a", "b", "c"])])
def test_nothing_more_begins_after_so_many_failures(most: int | None, names: list[str]) -> None:
    summary, played, _ = run({"a": [FAILED], "b": [Verdict.INCONCLUSIVE]}, max_failures=most)
    assert played == names
    assert summary.not_run == 3 - len(names)


def test_skips_and_flaky_scenarios_are_no_failures() -> None:
    options = {"max_failures": 1, "player": PlayerOptions(retries=1)}
    summary, played, _ = run({"a": [SKIPPED], "b": [FAILED, PASSED]}, **options)
    assert played == ["a", "b", "b", "c"]
    assert summary.exit_code == 12


def test_rounds_are_played_one_after_the_other() -> None:
    summary, names, recorder = run({}, repeat=2)
    assert names == ["a", "b", "c", "a", "b", "c"]
    assert [report.round for report in recorder.reports] == [1, 1, 1, 2, 2, 2]
    assert summary.total == 6


class Numbers(Observer):
    def __init__(self) -> None:
        self.seen: list[int] = []

    def started(self, play: Play) -> None:
        self.seen.append(play.number)


def test_plays_are_numbered_in_the_order_in_which_they_are_reported() -> None:
    numbers = Numbers()
    Suite([A, B, C], SuiteOptions(repeat=2), [numbers], play=FakePlay()).run()
    assert numbers.seen == [0, 1, 2, 3, 4, 5]


def test_until_fail_goes_on_until_one_fails() -> None:
    summary, names, _ = run({"b": [PASSED, PASSED, FAILED]}, until_fail=True)
    assert names == [*"abc", *"abc", *"ab"]
    assert (summary.counts[FAILED], summary.not_run) == (1, 0)


def test_until_fail_ends_after_the_rounds_that_were_asked_for() -> None:
    assert len(run({}, until_fail=True, repeat=3)[1]) == 9


def test_fail_on_skip_exits_with_the_code_of_the_environment() -> None:
    assert run({"a": [SKIPPED]})[0].exit_code == 0
    assert run({"a": [SKIPPED]}, fail_on_skip=True)[0].exit_code == 10


def test_nothing_to_play_is_a_code_of_its_own() -> None:
    assert Suite([], SuiteOptions(), play=FakePlay()).run().exit_code == 5


@pytest.mark.parametrize("until_fail", [False, True])
def test_nothing_to_play_ends_at_once(until_fail: bool) -> None:
    assert Suite([], SuiteOptions(until_fail=until_fail), play=FakePlay()).run().total == 0


def test_where_a_file_is_wrong_nothing_is_played() -> None:
    play = FakePlay()
    plan = Plan(1, 1, SuiteOptions(), problems=(ScenarioProblem("b.yaml", 1, 1, 1, "wrong"),))
    summary = Suite([A], SuiteOptions(), plan=plan, play=play).run()
    assert (play.played, summary.exit_code) == ([], 4)


def test_the_record_keeps_the_worst_of_several_rounds() -> None:
    play = FakePlay({"a": [FAILED, PASSED]})
    suite = Suite([A], SuiteOptions(repeat=2), play=play)
    suite.run()
    assert suite.last["a.scenario.yaml::a"].verdict == "failed"


def test_workers_are_never_more_than_there_is_to_play() -> None:
    assert Suite([A, B], SuiteOptions(workers=8)).workers == 2
    assert Suite([A, B], SuiteOptions(workers=8, repeat=3)).workers == 6
    assert Suite([A, B], SuiteOptions(workers=8, until_fail=True)).workers == 8
    assert Suite([], SuiteOptions(workers=8)).workers == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_in_an_orderly_way(number: int) -> None:
    cleaned_up = threading.Event()

    async def interrupted(scenario: Scenario, options: PlayOptions) -> ScenarioResult:
        if scenario.name == "b":
            try:
                os.kill(os.getpid(), number)
                await asyncio_forever()
            finally:
                cleaned_up.set()
        return result_of(scenario)

    recorder = Recorder()
    summary = Suite([A, B, C], SuiteOptions(), [recorder], play=interrupted).run()
    assert (summary.exit_code, summary.total, summary.not_run) == (2, 1, 2)
    assert cleaned_up.is_set()
    assert recorder.told[-3:] == ["started b", "interrupted", "ended"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


async def asyncio_forever() -> None:
    import asyncio

    await asyncio.Event().wait()


def test_memory_stays_flat_over_many_scenarios() -> None:
    async def heavy(scenario: Scenario, options: PlayOptions) -> ScenarioResult:
        return result_of(scenario, events=(event_of(b"x" * 3_000, "body"),) * 20, steps=())

    def grown(rounds: int) -> int:
        suite = Suite([A, B], SuiteOptions(repeat=rounds), [Observer()], play=heavy)
        gc.collect()
        tracemalloc.start()
        suite.run()
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    grown(5)
    assert grown(100) < 200_000  # each report alone is 60 kB
