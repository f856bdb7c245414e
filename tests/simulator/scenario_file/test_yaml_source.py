"""
YAML source: values by YAML 1.2, the place of each key and value, and what of YAML is refused.
"""

import time
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import ScenarioError
from simulator.scenario_file import yaml_source
from simulator.scenario_file.source_text import SourceText
from simulator.scenario_file.yaml_source import Document, close_to, parse, plain_value, shown_path
from simulator.scenario_file.yaml_words import DEPTH_MAX


def read(text: str) -> Document:
    return parse(SourceText("f.yaml", text))


def value(text: str):
    document = read(text)
    assert document.problems == ()
    return document.value


def problems(text: str):
    try:
        found = read(text).problems
    except ScenarioError as error:
        found = error.problems
    return [(each.line, each.column, each.end_column, each.problem) for each in found]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("on", "on"), ("no", "no"), ("y", "y"), ("yes", "yes"), ("Off", "Off"),
        ("true", True), ("False", False), ("TRUE", True), ("tRUE", "tRUE"),
        ("null", None), ("~", None), ("", None), ("Null", None), ("nUll", "nUll"),
        ("12", 12), ("-7", -7), ("+7", 7), ("012", 12), ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"),
        ("190:20:30", "190:20:30"), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-.5", -0.5), ("1.0", 1.0),
        (".inf", float("inf")), ("-.INF", float("-inf")), (".", "."), ("-", "-"), ("+", "+"), ("0b1", "0b1"),
        ("2018-10-07", "2018-10-07"), ("0o8", "0o8"), ("1e", "1e"), ("=", "="), ("9" * 401, "9" * 401),
    ],
)  # fmt: skip
def test_a_scalar_without_quotes_means_what_yaml_1_2_says(text, meaning):
    found = plain_value(text)
    assert (type(found), found) == (type(meaning), meaning)


def test_not_a_number_is_a_number():
    assert plain_value(".nan") != plain_value(".nan")


def test_quoted_scalars_and_blocks_are_text():
    assert value("a: '1'\nb: \"true\"\nc: |-\n  12\nd: >-\n  null\n") == {"a": "1", "b": "true", "c": "12", "d": "null"}


def test_keys_are_the_text_that_is_written():
    assert value("1: a\ntrue: b\nnull: c\n1.50: d\n") == {"1": "a", "true": "b", "null": "c", "1.50": "d"}


def test_an_alias_stands_for_its_anchor():
    assert value("a: &x [1, {b: &y 2}]\nc: *x\nd: *y\n") == {"a": [1, {"b": 2}], "c": [1, {"b": 2}], "d": 2}


def test_places_of_keys_and_values_are_known():
    tree = read("top:\n  - {key: value, other: [1, 22]}\n").tree
    spot = tree.at(("top", 0, "other", 1))
    assert (spot.line, spot.column, spot.end.column) == (2, 29, 30)
    found = tree.key_problem(("top", 0, "other"), "x")
    assert (found.line, found.column, found.end_column, found.key_path) == (2, 18, 23, "top[0].other")


def test_a_path_that_the_text_has_not_is_shown_at_the_nearest_around_it():
    found = read("a: {b: 1}\n").tree.key_problem(("a", "c", 3), "x")
    assert (found.line, found.column) == (1, 4)


def test_a_path_is_shown_as_people_read_it():
    assert shown_path(("steps", 2, "publish", "count")) == "steps[2].publish.count"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1, "`a` is there twice; the first is on line 1")),
        ("x: {a: 1, a: 2}\n", (1, 11, "`a` is there twice; the first is on line 1")),
        ("1: a\n'1': b\n", (2, 1, "`1` is there twice; the first is on line 1")),
        ("a: !!str 1\n", (1, 4, "tags such as `!!str` do not exist here")),
        ("a: !foo {b: 1}\n", (1, 4, "tags such as `!foo` do not exist here")),
        ("a: &x !foo y\n", (1, 7, "tags such as `!foo` do not exist here")),
        ("a: ! y\n", (1, 4, "tags such as `!` do not exist here")),
        ("!k a: 1\n", (1, 1, "tags such as `!k` do not exist here")),
        ("a: !!python/object:os.system x\n", (1, 4, "tags such as `!!python/object:os.system` do not exist here")),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", (3, 3, "merge keys (`<<`) do not exist here")),
        ("a: &x [*x]\n", (1, 8, "`*x` stands inside `&x` and would contain itself")),
        ("a: &x {b: {c: *x}}\n", (1, 15, "`*x` stands inside `&x` and would contain itself")),
        ("abc: &abc 1\nb: *abd\n", (2, 4, "nothing is called `&abd`")),
        ("b: *abd\n", (1, 4, "nothing is called `&abd`")),
        ("? [a]\n: b\n", (1, 3, "a key must be text")),
        ("? {a: 1}\n: b\n", (1, 3, "a key must be text")),
        ("'': 1\n", (1, 1, "a key is missing before this `:`")),
        ("", (1, 1, "the file is empty")),
        ("# only a comment\n", (1, 1, "the file is empty")),
        ("---\n", (1, 1, "the file is empty")),
        ("~\n", (1, 1, "the file is empty")),
        ("a: 1\n---\nb: 2\n", (2, 1, "a second document")),
        ("a: 1\n...\n---\nb: 2\n", (3, 1, "a second document")),
        ("[" * 70 + "]" * 70, (1, 65, "nested deeper than 64 levels")),
        ("- " * 70 + "x", (1, 129, "nested deeper than 64 levels")),
    ],
)
def test_what_of_yaml_is_refused_is_named_where_it_stands(text, found):
    ((line, column, _, problem),) = problems(text)
    assert (line, column, problem) == found


@pytest.mark.parametrize(
    ("text", "columns"),
    [("ab: 1\nab: 2\n", (1, 3)), ("a: !foo {}\n", (4, 8)), ("a: &x !foo y\n", (7, 11)), ("b: *abd\n", (4, 8))],
)
def test_the_key_the_tag_or_the_alias_is_underlined(text, columns):
    ((_, column, end_column, _),) = problems(text)
    assert (column, end_column) == columns


def test_what_is_refused_in_one_place_does_not_hide_what_is_refused_in_another():
    assert [each[:2] for each in problems("a: !x 1\nb: 2\nb: 3\n<<: {c: 1}\nd: *e\n")] == [
        (1, 4),
        (3, 1),
        (4, 1),
        (5, 4),
    ]


def test_a_key_that_is_there_twice_keeps_its_first_value():
    assert read("a: 1\na: 2\n").value == {"a": 1}


def test_a_document_that_aliases_blow_up_is_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    started = time.perf_counter()
    ((line, _, _, problem),) = problems("\n".join(lines))
    assert (line, problem) == (5, "aliases make this document too large")
    assert time.perf_counter() - started < 1


def test_a_long_text_counts_as_many_values_when_it_is_aliased():
    text = f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 50)}]\n"
    assert [each[3] for each in problems(text)] == ["aliases make this document too large"]


def test_many_small_aliases_are_fine():
    assert len(value(f"a: &a {{b: 1}}\nc: [{', '.join(['*a'] * 5000)}]\n")["c"]) == 5000


def test_the_parser_s_own_limit_reads_like_ours():
    assert [problem for *_, problem in problems("[" * 5000)] == ["nested deeper than 64 levels"]


def test_depth_within_the_limit_is_taken():
    assert value("[" * (DEPTH_MAX - 1) + "]" * (DEPTH_MAX - 1)) is not None


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml_source.LOADER])
def test_without_the_c_extension_values_places_and_refusals_are_the_same(monkeypatch, loader):
    monkeypatch.setattr(yaml_source, "LOADER", loader)
    document = read("a: {b: [1, x]}\nc: |-\n  t\nc: 2\n")
    assert document.value == {"a": {"b": [1, "x"]}, "c": "t"}
    assert document.tree.at(("a", "b", 1)).column == 12
    assert [(each.line, each.column) for each in document.problems] == [(4, 1)]


def test_a_slip_finds_the_name_that_was_meant():
    assert close_to("Subjct", ["subject", "count"]) == "subject"
    assert close_to("zzz", ["subject"]) == ""


def test_forty_lines_take_well_under_a_millisecond():
    text = "".join(f"key{n}: {{watcher: audit, count: {n}, each: {{type: calendar}}}}\n" for n in range(40))
    best = min(_timed(text) for _ in range(20))
    assert best < 0.005, "five times what was ever seen under load"


def _timed(text: str) -> float:
    started = time.perf_counter()
    read(text)
    return time.perf_counter() - started


@settings(max_examples=200)
@given(st.text(alphabet=st.sampled_from("ab:-,[]{}&*!|>'\"#%@`?<~ \t\n0.=")))
def test_any_text_is_a_document_or_a_scenario_error(text):
    with suppress(ScenarioError):
        read(text)
