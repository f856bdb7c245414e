"""
Templates: what becomes of `${{ }}` in values and keys, and where unknown names are reported.
"""

import pytest

from simulator.scenario_file.source_text import SourceText
from simulator.scenario_file.templates import Templates, names_in, text_of
from simulator.scenario_file.yaml_source import parse

NAMES = {"i": 3, "matrix.x": {"a": [1]}, "matrix.y": "text", "matrix.flag": True, "matrix.f": 2.0}


def replaced(text: str, names=NAMES):
    document = parse(SourceText("f.yaml", text))
    templates = Templates(names)
    value, tree = templates.replace(document.value, document.tree)
    return value, tree, [(p.line, p.column, p.end_column, p.problem, p.hint) for p in templates.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${{ i }}", 3),
        ('"${{i}}"', 3),
        ("${{ matrix.x }}", {"a": [1]}),
        ("${{ matrix.flag }}", True),
        ("n${{ i }}", "n3"),
        ("${{ i }}${{ i }}", "33"),
        ("x ${{ matrix.x }} ${{ matrix.flag }} ${{ matrix.f }}", 'x {"a": [1]} true 2.0'),
        ("$ {{ i }}", "$ {{ i }}"),
    ],
)
def test_a_lone_template_becomes_the_value_and_one_in_text_its_text(written, value):
    found, _, problems = replaced(f"a: {written}\n")
    assert (found["a"], problems) == (value, [])


def test_keys_are_replaced_and_keep_their_places():
    value, tree, _ = replaced("a:\n  k${{ i }}: {b: 1}\n")
    assert value == {"a": {"k3": {"b": 1}}}
    assert tree.key_problem(("a", "k3"), "x").column == 3
    assert tree.value_problem(("a", "k3", "b"), "x").column == 18


def test_what_holds_no_template_is_the_same_object():
    document = parse(SourceText("f", "a: {b: [1, {c: d}]}\ne: ${{ i }}\n"))
    value, _ = Templates(NAMES).replace(document.value, document.tree)
    assert value["a"] is document.value["a"]


def test_a_value_is_not_replaced_again():
    assert replaced("a: ${{ matrix.y }}\n", {"matrix.y": "${{ i }}"})[0] == {"a": "${{ i }}"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: x ${{ matrix.yy }}\n", (1, 6, 22, "nothing is called `matrix.yy`", "did you mean `matrix.y`?")),
        ("a: |-\n  one\n  two ${{ zzz }}\n", (3, 7, 17, "nothing is called `zzz`",
         "in a template may stand `i`, `matrix.f`, `matrix.flag`, `matrix.x` and `matrix.y`")),
        ("a: ${{ i + 1 }}\n", (1, 4, 16, "nothing is called `i + 1`",
         "a template holds one name; there are no other expressions")),
        ("a: ${{ i\n", (1, 4, 7, "a template is not closed", "write `${{ i }}`")),
        ("k${{ zz }}: 1\n", (1, 2, 11, "nothing is called `zz`",
         "in a template may stand `i`, `matrix.f`, `matrix.flag`, `matrix.x` and `matrix.y`")),
        ("a${{ i }}: 1\na3: 2\n", (2, 1, 3, "a key `a3` is there already, made from a template",
         "each key stands once")),
    ],
)  # fmt: skip
def test_what_cannot_be_replaced_is_reported_where_it_stands(text, problem):
    assert replaced(text)[2] == [problem]


def test_a_round_outside_of_a_repeat_is_explained():
    assert replaced("a: ${{ i }}\n", {})[2][0][4] == "`i` counts the rounds of a `repeat` and exists only in its steps"


def test_names_are_found_in_keys_values_and_lists():
    assert list(names_in({"a${{ i }}": ["${{ matrix.x }} ${{ j }}", 1]})) == ["i", "matrix.x", "j"]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), (1, "1"), (1.5, "1.5"), ("x", "x"), ([1], "[1]")]
)
def test_values_have_the_text_that_yaml_gives_them(value, text):
    assert text_of(value) == text
