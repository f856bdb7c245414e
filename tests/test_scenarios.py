"""
The shipped scenarios: each reads as a story, cites what it shows, and passes on the reference gateway.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from simulator.environment import PlayOptions
from simulator.requirements import catalogue
from simulator.runner import play_blocking
from simulator.scenario_file.loader import load_file
from simulator.scenario_file.scenario import Scenario
from simulator.verdict import Verdict

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "scenarios").rglob("*.scenario.yaml"))
SCENARIOS = [scenario for file in FILES for scenario in load_file(file)]
HISTORIC = [
    *("01", "02", "03", "04", "05", "06", "07", "08", "09", "11", "13", "14", "15"),
    *("16", "18", "21", "22", "25", "26", "27", "32", "44", "45", "46", "47"),
    *("51", "55", "56"),
]
AREAS = (
    *(f"R-{area}-" for area in ("CAL", "WEB", "NATS", "MQTT", "AMQP", "KAF", "STR", "ART", "RES", "CFG", "PIP")),
    "G-AMQP-",
)


def cited() -> Counter[str]:
    return Counter(requirement for scenario in SCENARIOS for requirement in scenario.head.requirements)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_it_passes(scenario: Scenario) -> None:
    result = play_blocking(scenario, PlayOptions())
    assert (result.verdict, result.reason.text, result.details) == (Verdict.PASSED, "", ())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_its_name_is_the_sentence_that_it_proves(file: Path) -> None:
    scenario = load_file(file)[0]
    sentence = scenario.head.scenario.lower()
    assert file.name == re.sub(r"[^a-z0-9]+", "-", sentence).strip("-") + ".scenario.yaml"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_cites_a_requirement(file: Path) -> None:
    assert load_file(file)[0].head.requirements


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(scenario.name for scenario in SCENARIOS).items() if count > 1] == []


def test_every_statement_that_holds_in_these_areas_has_a_scenario() -> None:
    held = {id for id, requirement in catalogue().items() if id.startswith(AREAS) and requirement.holds}
    assert held - cited().keys() == set()


def test_every_historic_bug_of_these_areas_has_a_scenario() -> None:
    assert {f"BUG-{number}" for number in HISTORIC} - cited().keys() == set()


def test_no_scenario_cites_what_does_not_hold() -> None:
    replaced = {id for id, requirement in catalogue().items() if not requirement.holds and not id.startswith("BUG-")}
    assert replaced & cited().keys() == set()
