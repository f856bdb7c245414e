"""
Expressions of `-k` and `--tags`.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.suite.selection import SelectionError, parse_expression


def selects(expression: str, *words: str) -> bool:
    return parse_expression(expression)(lambda word: word in words)


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("nats", True),
        ("kafka", False),
        ("not kafka", True),
        ("nats and slow", True),
        ("nats and not slow", False),
        ("kafka or nats", True),
        ("kafka or nats and not slow", False),
        ("(kafka or nats) and slow", True),
        ("not (kafka or mqtt)", True),
        ("not not nats", True),
        ("'two words' and nats", True),
        ('"two words"', True),
        ("at-most-once", True),
    ],
)
def test_words_join_as_in_pytest(expression: str, selected: bool) -> None:
    assert selects(expression, "nats", "slow", "two words", "at-most-once") is selected


@pytest.mark.parametrize(
    ("expression", "column", "problem"),
    [
        ("nats slow", 6, "`slow` is unexpected here; between two words stands `and` or `or`"),
        ("nats and", 9, "a word is missing at the end"),
        ("and nats", 1, "a word is missing before `and`"),
        ("(nats", 6, "a `)` is missing"),
        ("nats)", 5, "`)` is unexpected here"),
        ("nats or 'slow", 9, "a quote is not closed"),
        ("()", 2, "a word is missing before `)`"),
    ],
)
def test_an_error_points_at_its_place(expression: str, column: int, problem: str) -> None:
    with pytest.raises(SelectionError) as error:
        parse_expression(expression)
    assert (error.value.column, error.value.problem) == (column, problem)
    assert str(error.value).splitlines()[1:] == [f"    {expression}", f"    {' ' * (column - 1)}^"]


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    column = 1
    try:
        parse_expression(text)(lambda word: True)
    except SelectionError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


def test_deep_nesting_is_an_error_and_no_recursion() -> None:
    with pytest.raises(SelectionError, match="nested too deeply"):
        parse_expression("(" * 5_000 + "nats")
