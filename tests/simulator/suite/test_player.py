"""
The player: one scenario in a loop of its own, retried, stopped, and followed by nothing that it left.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from simulator.environment import PlayOptions
from simulator.runner import ScenarioResult
from simulator.scenario_file.scenario import Scenario
from simulator.suite import player as player_module
from simulator.suite.identity import stable_seed
from simulator.suite.player import Player, PlayerOptions
from simulator.verdict import Verdict
from tests.simulator.fake_plays import FakePlay, result_of, scenario_of

FAILED, PASSED, ERROR, SKIPPED = Verdict.FAILED, Verdict.PASSED, Verdict.ERROR, Verdict.SKIPPED


def played(*outcomes: Any, **options: Any) -> tuple[Verdict, int, FakePlay]:
    """
    The verdict, the number of plays, and the play itself.
    """
    play = FakePlay({"ticks come": list(outcomes)})
    report = Player(PlayerOptions(**options), play=play).play(scenario_of())
    assert report is not None
    return report.verdict, len(play.played), play


@pytest.mark.parametrize(
    ("outcomes", "verdict", "plays"),
    [
        ([PASSED], PASSED, 1),
        ([FAILED, PASSED], Verdict.FLAKY, 2),
        ([FAILED, FAILED, PASSED], Verdict.FLAKY, 3),
        ([FAILED], FAILED, 3),
        ([Verdict.INCONCLUSIVE, PASSED], Verdict.FLAKY, 2),
        ([ERROR, PASSED], ERROR, 1),
        ([SKIPPED, PASSED], SKIPPED, 1),
    ],
)
def test_retries_end_with_the_first_pass(outcomes: list[Verdict], verdict: Verdict, plays: int) -> None:
    assert played(*outcomes, retries=2)[:2] == (verdict, plays)


def test_a_retry_has_the_seed_of_the_first_try() -> None:
    _, _, play = played(FAILED, PASSED, retries=1)
    assert {seed for _, seed in play.played} == {stable_seed(scenario_of())}


def test_each_round_has_the_next_seed() -> None:
    play = FakePlay()
    player = Player(PlayerOptions(seed=5), play=play)
    player.play(scenario_of(), 1)
    player.play(scenario_of(), 2)
    assert [seed for _, seed in play.played] == [5, 6]


def test_a_fault_of_ours_is_an_error_with_its_traceback() -> None:
    report = Player(PlayerOptions(), play=FakePlay({"ticks come": [AssertionError("cannot be")]})).play(scenario_of())
    assert report is not None
    assert (report.verdict, report.text) == (ERROR, "AssertionError: cannot be")
    assert report.details[0] == "Traceback (most recent call last):"


async def forever(scenario: Scenario, options: PlayOptions) -> ScenarioResult:
    await asyncio.Event().wait()
    raise AssertionError("not reached")


def test_stop_ends_what_is_played_and_nothing_more_is_played() -> None:
    player = Player(PlayerOptions(), play=forever)
    threading.Timer(0.05, player.stop).start()
    assert player.play(scenario_of()) is None
    assert player.play(scenario_of()) is None


def test_a_play_that_cancels_itself_is_a_fault() -> None:
    report = Player(PlayerOptions(), play=FakePlay({"ticks come": [asyncio.CancelledError()]})).play(scenario_of())
    assert report is not None
    assert "cancelled by itself" in report.text


async def leaves_a_task(scenario: Scenario, options: PlayOptions) -> ScenarioResult:
    scenario_tasks.append(asyncio.create_task(asyncio.Event().wait(), name="stray"))
    return result_of(scenario)


scenario_tasks: list[Any] = []


def test_in_debug_a_task_that_is_left_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player_module, "_DEBUG", True)
    report = Player(PlayerOptions(), play=leaves_a_task).play(scenario_of())
    assert report is not None
    assert "tasks outlived the scenario: stray" in report.text


def test_in_debug_a_socket_that_is_left_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player_module, "_DEBUG", True)
    left: list[socket.socket] = []

    async def leaves_a_socket(scenario: Scenario, options: PlayOptions) -> ScenarioResult:
        left.append(socket.socket())
        return result_of(scenario)

    report = Player(PlayerOptions(), play=leaves_a_socket).play(scenario_of())
    left.pop().close()
    assert report is not None
    assert "1 sockets stayed open" in report.text


class Watched:
    virtual_s = 90.0


def test_a_long_play_tells_how_far_scenario_time_is() -> None:
    pulses: list[float] = []
    told = threading.Event()

    def pulse(virtual_s: float) -> None:
        pulses.append(virtual_s)
        told.set()

    async def long(scenario: Scenario, options: PlayOptions) -> ScenarioResult:
        assert options.entered is not None
        options.entered(Watched())  # type: ignore[arg-type]  # all that is read of an environment
        await asyncio.get_running_loop().run_in_executor(None, told.wait, 5)
        return result_of(scenario)

    Player(PlayerOptions(), play=long, pulse=pulse).play(scenario_of())
    assert pulses == [90.0]
