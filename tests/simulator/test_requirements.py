"""
The requirement catalogue: complete, consistent, cheap to ask, and a format that users can write too.
"""

import re
from pathlib import Path

import pytest

from simulator.errors import ScenarioError
from simulator.requirements import LEVELS, catalogue, known_ids, requirements_in

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").rglob("*.yaml"))


def test_the_ids_that_are_asked_for_are_those_of_the_catalogue():
    assert known_ids() == set(catalogue())
    assert len(re.findall(r"^- id:", Path("simulator/requirements.yaml").read_text(), re.M)) == len(catalogue())


def test_every_statement_addition_and_defect_is_there():
    kinds = [id.split("-")[0] for id in catalogue()]
    assert (kinds.count("R"), kinds.count("BUG")) == (205, 58)
    assert kinds.count("G") >= 70


def test_every_sentence_is_one_sentence_with_a_level_and_a_profile():
    for requirement in catalogue().values():
        assert requirement.level in LEVELS
        assert requirement.profile
        assert re.match(r"[A-Z`].*\.\Z", requirement.sentence), requirement.id


def test_what_replaces_a_sentence_exists_and_what_is_replaced_does_not_hold():
    for requirement in catalogue().values():
        assert set(requirement.replaced_by) <= set(catalogue()), requirement.id
        assert not (requirement.replaced_by and requirement.holds), requirement.id


def test_what_was_replaced_names_what_holds_in_its_place():
    replaced = (
        "R-WEB-3 R-WEB-5 R-WEB-7 R-WEB-9 R-WEB-11 R-CAL-2 R-CAL-12 R-CAL-19 R-CAL-20 R-RES-2 R-RES-11 R-RES-12 "
        "R-RES-14 R-ART-4 R-ART-8 R-NATS-2 R-MQTT-2 R-AMQP-1 R-KAF-6 R-STA-6 R-STA-7 R-STA-8 R-STA-12 R-PIP-2 R-PIP-9 "
        "R-PIP-11 R-PIP-12 R-PIP-19 R-PIP-20 R-CUS-6 R-CTL-2 R-CTL-8 R-CTL-12 R-CTL-23"
    )
    for id in replaced.split():
        assert any(catalogue()[other].holds for other in catalogue()[id].replaced_by), id


def test_our_own_bind_nobody_else_as_a_must_except_that_a_wrong_method_is_refused():
    assert [id for id, each in catalogue().items() if id.startswith("G-") and each.level == "MUST"] == ["G-WEB-19"]


def test_a_defect_binds_nobody():
    assert not any(each.holds for id, each in catalogue().items() if id.startswith("BUG-") or each.level == "MAY")


def test_every_id_that_a_shipped_scenario_cites_is_declared():
    cited = {id for path in SCENARIOS for id in re.findall(r"\b(?:R|G|BUG)(?:-[A-Z]+)?-\d+\b", path.read_text())}
    assert cited <= known_ids()


def test_users_declare_their_own_in_the_same_format(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text("- id: OUR-1\n  level: MUST\n  profile: ours\n  sentence: It works.\n")
    (requirement,) = requirements_in(path)
    assert (requirement.id, requirement.level, requirement.holds, requirement.replaced_by) == (
        "OUR-1",
        "MUST",
        True,
        (),
    )


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("a: 1\n", (1, 1), "must be a list of requirements"),
        ("- x\n", (1, 3), "a requirement must be a mapping"),
        ("- id: X\n  level: MUST\n  profile: p\n", (1, 3), "a requirement needs `sentence`, as text"),
        ("- id: X\n  level: must\n  profile: p\n  sentence: S.\n", (2, 10), "`level` must be MUST, SHOULD or MAY"),
        ("- id: X\n  level: MAY\n  profile: p\n  sentense: S.\n  sentence: S.\n", (4, 3), "unknown key `sentense`"),
    ],
)
def test_a_catalogue_that_is_wrong_is_told_so_where_it_is(tmp_path, text, place, problem):
    path = tmp_path / "ours.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        requirements_in(path)
    (found,) = caught.value.problems
    assert ((found.line, found.column), found.problem) == (place, problem)
