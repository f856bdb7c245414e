"""
Identity: names, ids, seeds and commands that mean the same scenario everywhere.
"""

from __future__ import annotations

import shlex

from simulator.suite.identity import node_id, public_name, reproduce, stable_seed
from tests.simulator.fake_plays import scenario_of

SECRET = "secrets: [password]\nmatrix: {password: [hunter2]}\n"


def test_the_node_id_is_pytest_s() -> None:
    assert node_id(scenario_of("'two  spaces'", file="x/a.scenario.yaml")) == "x/a.scenario.yaml::two spaces"


def test_a_secret_in_a_cell_stays_out_of_the_name() -> None:
    scenario = scenario_of(more=SECRET)
    assert "hunter2" in scenario.name
    assert public_name(scenario) == "ticks come[password=***]"
    assert "hunter2" not in reproduce(scenario, seed=1)


def test_the_seed_depends_on_name_and_file_and_not_on_the_folder() -> None:
    here, there = scenario_of(file="a.scenario.yaml"), scenario_of(file="/elsewhere/a.scenario.yaml")
    assert stable_seed(here) == stable_seed(there) == 1059926729
    assert stable_seed(scenario_of("other")) != stable_seed(here)


def test_the_command_plays_it_again() -> None:
    scenario = scenario_of(file="my scenarios/a.scenario.yaml")
    command = reproduce(scenario, seed=5, line=11, timeout_scale=2.5)
    assert shlex.split(command) == [
        *("gatesim", "run", "my scenarios/a.scenario.yaml:11"),
        *("--seed", "5", "--timeout-scale", "2.5"),
    ]


def test_a_cell_is_played_again_by_its_name() -> None:
    command = reproduce(scenario_of(more="matrix: {x: [1]}\n"), seed=5, line=12)
    assert shlex.split(command)[2] == "a.scenario.yaml::ticks come[x=1]"
