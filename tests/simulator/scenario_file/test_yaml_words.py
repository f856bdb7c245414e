"""
YAML words: what a parser's complaint becomes: the problem, where it is, and what would be right.
"""

import pytest
import yaml

from simulator.errors import ScenarioError
from simulator.scenario_file import yaml_source
from simulator.scenario_file.source_text import SourceText
from simulator.scenario_file.yaml_source import parse


def complaint(text: str):
    with pytest.raises(ScenarioError) as caught:
        parse(SourceText("f.yaml", text))
    (problem,) = caught.value.problems
    return problem.line, problem.column, problem.problem


CASES = [
    ("a:\n\tb: 1\n", (2, 1, "a tab indents this line")),
    ("a:\n  - x\n \t- y\n", (3, 2, "a tab indents this line")),
    ("a:\n  b: 1\n\tc: 2\n", (3, 1, "a tab indents this line")),
    ("a: @foo\n", (1, 4, "text cannot start with `@`")),
    ("a: `x`\n", (1, 4, "text cannot start with ```")),
    ("schedule: */1 * * * *\n", (1, 11, "text cannot start with `*`")),
    ("a: & b\n", (1, 4, "text cannot start with `&`")),
    ("a: b: c\n", (1, 5, "a `:` stands where no key can be")),
    ("a: 1\n  b: 2\n", (2, 4, "a `:` stands where no key can be")),
    ("a:\n    b: 1\n  c: 2\n", (3, 3, "this does not fit what stands before it")),
    ('äöü: "x" y\n', (1, 10, "this does not fit what stands before it")),
    ("a:\n  - x\n  y: 1\n", (3, 3, "this does not fit the list above")),
    ("a: [1, 2\nb: 3\n", (1, 4, "a bracket is not closed, or a comma is missing")),
    ("a: {x: 1 y: 2}\n", (1, 11, "a bracket is not closed, or a comma is missing")),
    ('a: "x\nb: 3\n', (1, 4, "this quote is never closed")),
    ("a: 'x\n", (1, 4, "this quote is never closed")),
    ("a: ]\n", (1, 4, "a value is missing, or a mark is too many")),
    ("a: [1,,2]\n", (1, 7, "a value is missing, or a mark is too many")),
    ("a: 1\nb\nc: 2\n", (2, 1, "this line is no `key: value`")),
    ("a: - x\n", (1, 4, "a list cannot start here")),
    ("a: |z\n  x\n", (1, 5, "text behind `|` or `>`")),
    ("%YAML 2.0\n---\na: 1\n", (1, 1, "a YAML directive that has no meaning here")),
    ("a: !x!y z\n", (1, 4, "a tag")),
    ("a: 1\n...\nb: 2\n", (3, 1, "a second document")),
]


@pytest.mark.parametrize(("text", "found"), CASES)
def test_a_complaint_is_told_in_words_and_where_it_is(text, found):
    assert complaint(text) == found


@pytest.mark.parametrize(("text", "found"), CASES)
def test_the_pure_python_parser_s_complaints_are_told_alike(monkeypatch, text, found):
    monkeypatch.setattr(yaml_source, "LOADER", yaml.SafeLoader)
    assert complaint(text)[0] == found[0]
    assert complaint(text)[2] == found[2]


def test_a_template_in_braces_is_told_to_be_quoted():
    with pytest.raises(ScenarioError) as caught:
        parse(SourceText("f", "a: {x: ${{ i }}}\n"))
    assert caught.value.problems[0].hint == 'inside `{...}` put a template in quotes: `"${{ i }}"`'


def test_an_unknown_escape_is_told_how_to_write_a_backslash():
    line, _, problem = complaint('a: "\\q"\n')
    assert (line, problem) == (1, "an unknown escape")
