"""
Errors: how a problem is shown, and in which order.
"""

from simulator.errors import ScenarioError, ScenarioProblem, ServiceUnavailable, SimulatorBug, SimulatorError

AT = ScenarioProblem("f.yaml", 2, 5, 8, "unknown key `cuont`", "did you mean `count`?", "a.cuont", "ab: cuont: 1")


def test_a_problem_shows_its_place_its_line_a_caret_and_what_would_be_right():
    assert str(AT) == ("f.yaml:2:5: unknown key `cuont`\n  2 | ab: cuont: 1\n    |     ^^^\n    did you mean `count`?")


def test_a_caret_behind_a_tab_stands_where_the_tab_ends():
    assert str(AT._replace(source_line="\tx: cuont")).splitlines()[2] == "    | \t   ^^^"


def test_a_long_line_is_cut_around_the_caret():
    shown = str(AT._replace(source_line="a" * 500 + "KEY" + "b" * 500, column=501, end_column=504)).splitlines()
    assert len(shown[1]) < 180
    assert shown[1][shown[2].index("^") :].startswith("KEY")


def test_what_a_terminal_would_act_on_is_shown_as_a_dot():
    assert "\x1b" not in str(AT._replace(source_line="ab: \x1b[31m"))


def test_a_problem_without_a_line_is_shown_without_a_caret():
    assert "^" not in str(AT._replace(source_line=""))


def test_problems_are_sorted_by_place_and_each_is_told_once():
    first, second = AT._replace(line=1), AT._replace(column=9)
    assert ScenarioError([second, AT, first, AT]).problems == (first, AT, second)


def test_an_unavailable_service_says_how_to_get_it():
    error = ServiceUnavailable("nats", "local", "no nats-server on PATH", "run gatesim env install nats")
    assert str(error) == "nats (local): no nats-server on PATH; run gatesim env install nats"
    assert (error.service, error.provider) == ("nats", "local")


def test_a_bug_is_none_of_the_errors_that_anyone_handles():
    assert not issubclass(SimulatorBug, SimulatorError)
