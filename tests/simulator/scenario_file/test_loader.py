"""
Loader: malformed files one by one with line and column, matrices, and that no input gives anything but scenarios or
a ScenarioError.
"""
# ruff: noqa: E501 - a table reads better with a row a line

import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.errors import ScenarioError
from simulator.scenario_file.loader import load_file, load_text
from simulator.scenario_file.step_loader import KINDS
from tests.simulator.scenario_texts import HEAD, loaded, problem_of, problems_of, with_steps

WHOLE = with_steps("- advance: 30s\n- expect: {watcher: audit, count: 0}")
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (WHOLE.replace("apiVersion", "apiVersoin"), (1, 1), "unknown key `apiVersoin`"),
        (WHOLE.replace("gatesim/v1", "gatesim/v2"), (1, 13), "`apiVersion` must be `gatesim/v1`, not `gatesim/v2`"),
        (WHOLE.replace("scenario: x", "scenario: 5"), (2, 11), "`scenario` must be text, not a number"),
        (WHOLE.replace("scenario: x", 'scenario: ""'), (2, 11), "`scenario` must not be empty"),
        (WHOLE.replace("  name: g", "\tname: g"), (4, 1), "a tab indents this line"),
        (WHOLE + "scenario: y\n", (14, 1), "`scenario` is there twice; the first is on line 2"),
        (WHOLE.replace("30s", "30"), (12, 14), "`advance` must be a duration, not a number"),
        (WHOLE.replace("30s", "thirty"), (12, 14), "`advance`: `thirty` is no duration"),
        (WHOLE + "---\n" + WHOLE, (14, 1), "a second document"),
        ("", (1, 1), "the file is empty"),
        ("\n\n# nothing\n", (1, 1), "the file is empty"),
        (b"\x00\x01\x02\xff", (1, 4), "the file is not UTF-8: byte 0xff"),
        (WHOLE.encode() + b"\x00", (14, 1), "a NUL byte stands here"),
        (b"\xef\xbb\xbf" + WHOLE.encode(), (1, 1), "a byte-order mark stands here"),
        (WHOLE.encode("utf-16"), (1, 1), "the file is UTF-16"),
        (WHOLE.replace("scenario: x", "scenario: \xe9").encode("latin-1"), (2, 11), "the file is not UTF-8: byte 0xe9"),
        (WHOLE + "tags: &t [*t]\n", (14, 11), "`*t` stands inside `&t` and would contain itself"),
        (BOMB, (5, 45), "aliases make this document too large"),
        (WHOLE + "matrix: {<<: {a: [1]}}\n", (14, 10), "merge keys (`<<`) do not exist here"),
        (WHOLE + "tags: !!set {a, b}\n", (14, 7), "tags such as `!!set` do not exist here"),
        (WHOLE + "tags: [a\n", (14, 7), "a bracket is not closed, or a comma is missing"),
        ("just text\n", (1, 1), "a scenario must be a mapping, not text"),
        ("- a\n- b\n", (1, 1), "a scenario must be a mapping, not a list"),
        ("12\n", (1, 1), "a scenario must be a mapping, not a number"),
        (WHOLE.partition("steps:")[0], (1, 1), "the file lacks `steps`"),
        (WHOLE.partition("steps:")[0] + "steps: []\n", (11, 8), "`steps` must not be empty"),
        (WHOLE.partition("steps:")[0] + "steps:\n", (11, 1), "`steps` must be a list, not empty"),
        (with_steps("- advance: 1s", "apiVersion: gatesim/v1\nscenario: x\n"), (1, 1), "the file lacks a gateway"),
        (WHOLE.replace("gateway:", "gateways: []\ngateway:"), (4, 1), "the file has both `gateways` and `gateway`"),
        (WHOLE.replace("type: nats", "type: [nats]"), (5, 9), "`type` must be text, not a list"),
        (WHOLE.replace("[{name: audit}]", "audit"), (10, 23), "`sensors` must be a list, not text"),
        (WHOLE.replace("[{name: audit}]", "[audit]"), (10, 24), "`sensors[0]` must be a mapping, not text"),
        (WHOLE.replace("    foo: |-", "    12: 5\n    foo: |-"), (7, 9), "`12` must be text, not a number"),
    ],
)
def test_a_malformed_file_is_told_what_is_wrong_where(text, place, problem):
    found = problems_of(text)
    assert (*place, problem) in [(each.line, each.column, each.problem) for each in found]


@pytest.mark.parametrize("size", [10_000_000])
def test_a_file_of_ten_megabytes_is_refused_at_once(tmp_path, size):
    path = tmp_path / "big.scenario.yaml"
    path.write_bytes(b"# filler\n" * (size // 9))
    started = time.perf_counter()
    with pytest.raises(ScenarioError, match=r"1:1: the file is larger than 4 MiB"):
        load_file(path)
    assert time.perf_counter() - started < 1


def test_a_file_is_named_as_the_caller_named_it(tmp_path, monkeypatch):
    (tmp_path / "a.scenario.yaml").write_text(WHOLE.replace("30s", "30"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError, match=r"\Aa\.scenario\.yaml:12:14: "):
        load_file("a.scenario.yaml")


def test_a_problem_shows_line_caret_and_advice():
    assert str(problem_of(WHOLE.replace("count: 0", "cuont: 0, count: 0"))).splitlines() == [
        "f.yaml:13:30: unknown key `cuont` in `expect`",
        "  13 |   - expect: {watcher: audit, cuont: 0, count: 0}",
        "     |                              ^^^^^",
        "    did you mean `count`?",
    ]


def test_a_scenario_knows_where_it_stands():
    scenario = loaded(WHOLE)
    assert (scenario.file, scenario.line, scenario.name) == ("f.yaml", 2, "x")


def matrix(written: str, steps: str = "- advance: 1s", head: str = HEAD) -> list[str]:
    return [scenario.name for scenario in load_text(with_steps(steps, f"{head}matrix: {written}\n"))]


def test_each_cell_of_a_matrix_is_a_scenario_of_its_own():
    assert matrix("{x: [1, 2], y: [a]}") == ["x[x=1,y=a]", "x[x=2,y=a]"]


def test_what_is_too_long_for_a_name_stands_there_by_its_place():
    assert matrix(f"{{x: [{{a: 1}}, {'z' * 50}, true]}}") == ["x[x=#1]", "x[x=#2]", "x[x=true]"]


def test_a_name_may_hold_a_value_of_the_matrix():
    assert matrix("{x: [1]}", head=HEAD.replace("scenario: x", "scenario: has ${{ matrix.x }}")) == ["has 1[x=1]"]


def test_a_cell_s_values_stand_in_configuration_texts_steps_and_expectations():
    head = HEAD.replace("subject: foo", 'subject: "${{ matrix.s }}"') + "matrix: {s: [one, two], n: [3]}\n"
    steps = '- expect: {watcher: audit, count: "${{ matrix.n }}", each: {data: "a ${{ matrix.s }}"}}'
    second = load_text(with_steps(steps, head))[1]
    assert "two" in second.gateways[0].config_map["foo"]
    assert (second.steps[0].body.count.max, second.steps[0].body.each) == (3, {"data": "a two"})
    assert second.cell == {"s": "two", "n": 3}


def test_a_whole_step_may_be_a_value_of_the_matrix():
    head = HEAD + "matrix: {trouble: [{advance: 1s}, {repeat: {times: 2, steps: [{heal: {service: nats}}]}}]}\n"
    steps = '- parallel: [["${{ matrix.trouble }}"]]\n- "${{ matrix.trouble }}"'
    first, second = load_text(with_steps(steps, head))
    assert [step.kind for step in first.steps] == ["parallel", "advance"]
    assert second.steps[1].body.round(1)[0].kind == "heal"


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("${{ matrix.none }}", "nothing is called `matrix.none`"),
        ("${{ matrix.n }}", "a step must be a mapping with one key, not a number"),
        ("${{ matrix.unknown }}", "unknown step `advanse`"),
        ("${{ matrix.wrong }}", "`advance` must be a duration, not a number"),
        ("a ${{ matrix.n }}", "a step must be a mapping with one key, not text"),
    ],
)
def test_a_value_of_the_matrix_that_is_no_step_is_told_so_where_it_is_used(step, problem):
    head = HEAD + "matrix: {n: [1], unknown: [{advanse: 1s}], wrong: [{advance: 1}]}\n"
    found = problem_of(with_steps(f'- "{step}"', head))
    assert (found.line, found.problem) == (13, problem)


def test_a_matrix_value_of_a_wrong_type_is_told_where_it_is_used():
    text = with_steps('- expect: {watcher: audit, count: "${{ matrix.n }}"}', f"{HEAD}matrix: {{n: [1, many]}}\n")
    problem = problem_of(text)
    assert (problem.line, problem.column, problem.problem) == (
        13,
        37,
        "`count` must be a whole number or `{min, max}`, not text",
    )


@pytest.mark.parametrize(
    ("written", "column", "problem"),
    [
        ("{x: []}", 13, "`x` must be a list of values, not empty"),
        ("{x: 5}", 13, "`x` must be a list of values, not a number"),
        ("{}", 9, "`matrix` must not be empty"),
        ("[1]", 9, "`matrix` must be a mapping, not a list"),
        (f"{{x: {list(range(40))}, y: {list(range(40))}}}", 1, "this matrix has 1,600 cells"),
    ],
)
def test_a_matrix_that_is_none_is_told_so(written, column, problem):
    found = problems_of(with_steps("- advance: 1s", f"{HEAD}matrix: {written}\n"))
    assert (11, column, problem) in [(each.line, each.column, each.problem) for each in found]


def test_a_template_of_no_matrix_is_told_so_in_the_head():
    problem = problem_of(with_steps("- advance: 1s", HEAD.replace("subject: foo", 'subject: "${{ matrix.s }}"')))
    assert (problem.line, problem.column, problem.problem) == (9, 30, "nothing is called `matrix.s`")


def test_the_example_of_the_format_loads():
    text = HEAD.replace("type: nats", "type: calendar").replace("foo: |-", "calendar.fooConfig: |-")
    steps = '- advance: 30s\n- configMap: {set: {calendar.fooConfig: "interval: 1m"}}\n- expect: {watcher: audit, count: 1, each: {source: g/calendar.fooConfig}}'
    assert [step.kind for step in loaded(with_steps(steps, text)).steps] == ["advance", "configMap", "expect"]


WORDS = [*KINDS, "apiVersion", "scenario", "gateway", "steps", "matrix", "use", "services", "audit", "nats", "gatesim/v1", "times", "data",
         "${{ i }}", "${{ matrix.x }}", "${{", "1s", "null", "true", "{", "}", "[", "]", "- ", ": ", ", ", "\n", "\n  ", "\n    - ", "&a ", "*a", "!t ",
         "|-", "'", '"', "#", "<<", "---", "\t", "0x1", ".nan", "1e999", "-1", "é", "\u2028", "\ufeff"]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
@example("steps: *a")
@example("a: &a\n? *a\n: b")
def test_any_text_gives_scenarios_or_a_scenario_error(text):
    with suppress(ScenarioError):
        load_text(text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_scenarios_or_a_scenario_error(content):
    with suppress(ScenarioError):
        load_text(content)


VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, -1, 3.5, float("nan"), "", "x", "audit", "30s", "${{ i }}", "${{ matrix.x }}", "{", "a\nb: c"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "to", "data", "watcher", "$regex", "a"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
STEPS = st.dictionaries(
    st.sampled_from([*KINDS, "wait"]),
    st.dictionaries(
        st.sampled_from(
            [
                "subject",
                "text",
                "data",
                "count",
                "watcher",
                "each",
                "none",
                "status",
                "response",
                "times",
                "steps",
                "path",
                "as",
                "name",
            ]
        ),
        VALUES,
        max_size=4,
    )
    | VALUES,
    max_size=2,
)


@settings(max_examples=250, deadline=None)
@given(
    st.lists(STEPS, max_size=4),
    st.dictionaries(
        st.sampled_from(["tags", "clock", "services", "matrix", "guarantee", "use", "secrets", "manifests"]),
        VALUES,
        max_size=3,
    ),
)
def test_a_file_of_the_right_words_in_wrong_places_gives_a_scenario_error(steps, keys):
    import yaml

    text = HEAD + yaml.safe_dump({**keys, "steps": steps}, allow_unicode=True)
    with suppress(ScenarioError):
        load_text(text, folder=Path("/nonexistent"))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_gives_scenarios_or_a_scenario_error(data):
    start = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(start, min(len(WHOLE), start + 20)))
    text = WHOLE[:start] + data.draw(st.text(max_size=6)) + WHOLE[end:]
    with suppress(ScenarioError):
        load_text(text)


def test_five_hundred_files_are_loaded_and_linted_in_a_second():
    steps = "\n".join(
        f"- publish: {{subject: foo, data: {{n: {n}}}}}\n- expect: {{watcher: audit, count: 1, each: {{data: {{n: {n}}}}}}}"
        for n in range(8)
    )
    text = with_steps(
        f"{steps}\n- advance: 30s\n- expect: {{status: {{foo: {{phase: Running}}}}}}",
        f"{HEAD}requirements: [R-NATS-1]\n",
    )
    load_text(text)
    assert min(_timed(text) for _ in range(5)) * 500 < 2.0, "twice the goal, because the machine may be busy"


def _timed(text: str) -> float:
    started = time.perf_counter()
    load_text(text)
    return time.perf_counter() - started
