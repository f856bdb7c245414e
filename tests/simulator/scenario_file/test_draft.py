"""
Draft: every step, also inside others, and every configuration's text that a scenario ever sets.
"""

from simulator.scenario_file.draft import walk
from tests.simulator.scenario_texts import steps_of


def test_steps_are_walked_with_those_inside_behind_those_around_them():
    steps = steps_of(
        "- repeat: {times: 2, steps: [{advance: 1s}]}\n- parallel: [[{advance: 2s}], [{heal: {service: nats}}]]"
    )
    assert [step.kind for step in walk(steps)] == ["repeat", "advance", "parallel", "advance", "heal"]


def test_a_step_inside_others_knows_its_place():
    (parallel,) = steps_of("- parallel: [[], [{advance: 1s}, {advance: 2s}]]")
    assert [step.path for step in walk([parallel])] == [
        ("steps", 0),
        ("steps", 0, "parallel", 1, 0),
        ("steps", 0, "parallel", 1, 1),
    ]
