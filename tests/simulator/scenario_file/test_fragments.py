"""
Fragments: how shared parts merge under a scenario's own keys, and where their problems are shown.
"""

import pytest

from tests.simulator.scenario_texts import loaded, problem_of, problems_of

FRAGMENTS = """\
broker:
  services:
    nats: {as: ["nats.argo-events:4222"], users: {a: secret}}
  tags: [nats]
  gateway:
    name: shared
    type: nats
    watchers: {sensors: [{name: audit}]}
  steps:
    - advance: 1s
slow:
  tags: [slow]
  clock: real
"""
OWN = """\
apiVersion: gatesim/v1
scenario: x
use: [{use}]
tags: [mine]
gateway:
  configMap: {{foo: "url: nats.argo-events"}}
steps:
  - expect: {{watcher: audit, count: 0}}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "fragments.yaml").write_text(FRAGMENTS)
    return tmp_path


def own(use: str) -> str:
    return OWN.format(use=use)


def test_mappings_merge_and_lists_come_first(folder):
    scenario = loaded(own('"fragments.yaml#broker"'), folder=folder)
    (gateway,) = scenario.gateways
    assert (gateway.name, gateway.config_map) == ("shared", {"foo": "url: nats.argo-events"})
    assert scenario.head.tags == ("nats", "mine")
    assert [step.kind for step in scenario.steps] == ["advance", "expect"]
    assert scenario.services["nats"].setup == {"users": {"a": "secret"}}


def test_several_fragments_add_up(folder):
    scenario = loaded(own('"fragments.yaml#broker", "fragments.yaml#slow"'), folder=folder)
    assert (scenario.clock, scenario.head.tags) == (None, ("slow", "nats", "mine"))


def test_the_scenario_s_own_value_wins(folder):
    text = own('"fragments.yaml#broker"').replace("gateway:", "gateway:\n  name: mine")
    assert loaded(text, folder=folder).gateways[0].name == "mine"


@pytest.mark.parametrize(
    ("use", "column", "problem", "hint"),
    [
        ('"fragments.yaml#brokr"', 7, "`fragments.yaml` has no fragment `brokr`", "did you mean `broker`?"),
        ('"fragments.yaml#zzz"', 7, "`fragments.yaml` has no fragment `zzz`", "there are `broker`, `slow`"),
        ('"fragments.yaml"', 7, "`fragments.yaml` names no fragment", "write `FILE#NAME`"),
        ('"#x"', 7, "`#x` names no fragment", "write `FILE#NAME`"),
        ('"missing.yaml#x"', 7, "`missing.yaml`: there is no such file", ""),
    ],
)
def test_a_fragment_that_is_not_there_is_told_so_at_its_use(folder, use, column, problem, hint):
    found = next(p for p in problems_of(own(use), folder=folder) if p.line == 3)
    assert (found.column, found.problem, found.hint) == (column, problem, hint)


def test_a_problem_in_a_fragment_names_the_fragment_s_file_and_line(folder):
    (folder / "fragments.yaml").write_text(FRAGMENTS.replace("users:", "usrs:"))
    problem = problem_of(own('"fragments.yaml#broker"'), folder=folder)
    assert (problem.file, problem.line, problem.column) == (str(folder / "fragments.yaml"), 3, 43)
    assert problem.source_line.strip().startswith("nats: {as:")


def test_a_fragments_file_that_is_no_yaml_is_shown_where_it_breaks(folder):
    (folder / "fragments.yaml").write_text("broker:\n\tservices: {}\n")
    found = problems_of(own('"fragments.yaml#broker"'), folder=folder)
    assert [(p.line, p.problem) for p in found if p.file.endswith("fragments.yaml")] == [(2, "a tab indents this line")]


@pytest.mark.parametrize("key", ["apiVersion: gatesim/v1", "scenario: y", "use: []"])
def test_a_fragment_says_nothing_that_each_file_says_itself(folder, key):
    (folder / "fragments.yaml").write_text(FRAGMENTS.replace("  tags: [nats]\n", f"  tags: [nats]\n  {key}\n"))
    problem = problem_of(own('"fragments.yaml#broker"'), folder=folder)
    assert (problem.line, problem.problem) == (5, f"a fragment has no `{key.partition(':')[0]}`")


def test_a_fragment_must_be_a_mapping(folder):
    (folder / "fragments.yaml").write_text("broker: [1]\n")
    assert "fragment `broker` must be a mapping" in [
        p.problem for p in problems_of(own('"fragments.yaml#broker"'), folder=folder)
    ]


def test_a_changed_fragments_file_is_read_again(folder):
    loaded(own('"fragments.yaml#broker"'), folder=folder)
    (folder / "fragments.yaml").write_text(FRAGMENTS.replace("name: shared", "name: another-name"))
    assert loaded(own('"fragments.yaml#broker"'), folder=folder).gateways[0].name == "another-name"


def test_a_fragment_may_use_the_scenario_s_matrix(folder):
    (folder / "fragments.yaml").write_text(FRAGMENTS.replace("advance: 1s", 'advance: "${{ matrix.wait }}"'))
    text = own('"fragments.yaml#broker"') + "matrix: {wait: [2s]}\n"
    assert loaded(text, folder=folder).steps[0].body.seconds == 2.0
