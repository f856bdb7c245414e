"""
The judge is judged: each broken gateway, and each simulator that looks too early, is caught for the right reason.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.environment import PlayOptions
from simulator.runner import ScenarioResult, play_blocking
from simulator.scenario_file.loader import load_file
from simulator.verdict import FAILURE_CLASSES, Verdict
from tests.quality.mutants import GATEWAYS, SIMULATORS, Mutant

SCENARIOS = Path(__file__).parents[2] / "scenarios"
OPTIONS = PlayOptions(timeout_scale=0.3)


def played(mutant: Mutant) -> list[ScenarioResult]:
    """
    Every cell of the mutant's scenario, played against it.
    """
    scenarios = load_file(SCENARIOS / f"{mutant.scenario}.scenario.yaml")
    with mutant.breaks():
        return [play_blocking(scenario, OPTIONS) for scenario in scenarios]


@pytest.mark.parametrize("mutant", [*GATEWAYS, *SIMULATORS], ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_it_is_caught_for_the_right_reason(mutant: Mutant) -> None:
    caught = [result for result in played(mutant) if result.verdict is not Verdict.PASSED]
    assert caught, "nobody noticed"
    if mutant.reason:
        assert {result.reason.cls for result in caught} == {mutant.reason}, [result.reason for result in caught]


@pytest.mark.parametrize("file", sorted({mutant.scenario for mutant in (*GATEWAYS, *SIMULATORS)}))
def test_the_scenario_passes_where_nothing_is_broken(file: str) -> None:
    for scenario in load_file(SCENARIOS / f"{file}.scenario.yaml"):
        assert play_blocking(scenario, OPTIONS).verdict is Verdict.PASSED


def test_the_mutants_are_caught_for_many_reasons() -> None:
    reasons = {mutant.reason for mutant in GATEWAYS}
    assert reasons <= set(FAILURE_CLASSES)
    assert len(reasons) >= 8
