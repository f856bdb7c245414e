"""
gatesim from Python: the same report, from a script, a test or a running loop.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import simulator
from simulator import ScenarioError, SimulatorError, Verdict
from tests.simulator.fake_plays import write_story


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_story(tmp_path, "a.scenario.yaml")


def test_a_file_is_played_and_reported(path: Path) -> None:
    report = simulator.run(path)
    assert report["report"] == "gatesim/v1"
    (scenario,) = report["scenarios"]
    assert (scenario["verdict"], scenario["events_total"]) == ("passed", 3)


def test_a_scenario_is_played_as_its_file_is(path: Path) -> None:
    (scenario,) = simulator.load(path)
    by_file, by_scenario = simulator.run(path), simulator.run([scenario], seed=3)
    assert by_scenario["scenarios"][0]["events_sha256"] == by_file["scenarios"][0]["events_sha256"]
    assert by_scenario["scenarios"][0]["seed"] == 3


def test_it_may_be_called_where_a_loop_runs(path: Path) -> None:
    async def main() -> str:
        return str(simulator.run(path)["scenarios"][0]["verdict"])

    assert asyncio.run(main()) == "passed"


def test_one_scenario_is_played_in_the_loop_that_runs(path: Path) -> None:
    (scenario,) = simulator.load(path)
    assert asyncio.run(simulator.play(scenario)).verdict is Verdict.PASSED


def test_a_file_that_is_wrong_raises_with_every_problem(path: Path) -> None:
    path.write_text("apiVersion: gatesim/v1\n")
    with pytest.raises(ScenarioError) as error:
        simulator.run(path)
    assert error.value.problems[0].file == "a.scenario.yaml"


def test_what_is_not_there_raises() -> None:
    with pytest.raises(SimulatorError, match="there is no file or folder nowhere"):
        simulator.run("nowhere")


def test_every_public_name_is_there() -> None:
    assert all(getattr(simulator, name) is not None for name in simulator.__all__)
    with pytest.raises(AttributeError):
        simulator.nothing  # noqa: B018 - reading it is the test
