"""
Problems: gathered until there are enough of them.
"""

import pytest

from simulator.errors import ScenarioError, ScenarioProblem
from simulator.scenario_file.problem_list import ENOUGH, Problems
from tests.simulator.scenario_texts import HEAD, problems_of, with_steps


def problem(line: int) -> ScenarioProblem:
    return ScenarioProblem("f", line, 1, 1, "x")


def test_after_enough_problems_all_of_them_are_raised_and_that_there_are_more():
    problems = Problems()
    problems.extend(problem(line) for line in range(1, ENOUGH + 1))
    with pytest.raises(ScenarioError) as caught:
        problems.append(problem(ENOUGH + 1))
    assert len(caught.value.problems) == ENOUGH + 2
    assert caught.value.problems[-1].problem == "there is more that is wrong"


def test_one_problem_noted_often_is_one():
    problems = Problems([problem(1)])
    for _ in range(3 * ENOUGH):
        problems.append(problem(1))
    assert len(problems) == 3 * ENOUGH + 1


def test_a_file_with_thousands_of_mistakes_tells_the_first_hundred():
    found = problems_of(with_steps("\n".join(["- expct: {}"] * 3000)))
    assert ENOUGH < len(found) < ENOUGH + 5
    assert found[0].line == HEAD.count("\n") + 2
