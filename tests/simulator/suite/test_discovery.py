"""
Discovery: what arguments point at, in which order, and what is said of what is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.scenario_file.loader import load_file
from simulator.suite.discovery import (
    DiscoveryError,
    Found,
    Shard,
    Target,
    Wanted,
    discover,
    lacks,
    parse_target,
    scenario_files,
)
from simulator.suite.run_record import Last, RunRecord
from tests.simulator.fake_plays import scenario_of, write_story

MATRIX = "matrix: {x: [1, 2]}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_story(tmp_path, "scenarios/b.scenario.yaml", "second", "tags: [slow]\n")
    write_story(tmp_path, "scenarios/a.scenario.yaml", "first")
    write_story(tmp_path, "scenarios/nats/c.scenario.yaml", "third", MATRIX)
    return tmp_path


def found(*targets: str, record: RunRecord | None = None, **wanted: object) -> Found:
    return discover(Wanted(targets, **wanted), load=load_file, record=record or RunRecord())  # type: ignore[arg-type]


def names(*targets: str, record: RunRecord | None = None, **wanted: object) -> list[str]:
    return [scenario.name for scenario in found(*targets, record=record, **wanted).scenarios]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("a.yaml", Target("a.yaml")),
        ("a.yaml:12", Target("a.yaml", line=12)),
        ("a.yaml::ticks come: always", Target("a.yaml", name="ticks come: always")),
        (r"C:\a.yaml:3", Target(r"C:\a.yaml", line=3)),
        (r"C:\a.yaml", Target(r"C:\a.yaml")),
        (":12", Target(":12")),
    ],
)
def test_an_argument_names_a_path_a_line_or_a_scenario(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.usefixtures("folder")
def test_a_folder_means_every_scenario_below_it_in_the_order_of_paths() -> None:
    assert names("scenarios") == ["first", "second", "third[x=1]", "third[x=2]"]
    assert found("scenarios").scenarios[0].file == "scenarios/a.scenario.yaml"


def test_hidden_folders_and_environments_are_left_out(folder: Path) -> None:
    for name in (".hidden", "__pycache__", "node_modules", "venv"):
        write_story(folder, f"{name}/x.scenario.yaml")
    (folder / "venv" / "pyvenv.cfg").touch()
    (folder / "other.yaml").touch()
    assert scenario_files(".") == [
        "scenarios/a.scenario.yaml",
        "scenarios/b.scenario.yaml",
        "scenarios/nats/c.scenario.yaml",
    ]


def test_an_absolute_path_below_the_folder_is_called_by_its_relative_one(folder: Path) -> None:
    (scenario,) = found(str(folder / "scenarios" / "a.scenario.yaml")).scenarios
    assert scenario.file == "scenarios/a.scenario.yaml"


@pytest.mark.usefixtures("folder")
def test_a_file_is_taken_whatever_its_name(folder: Path) -> None:
    (folder / "scenarios" / "a.scenario.yaml").rename(folder / "odd.yaml")
    assert names("odd.yaml") == ["first"]


@pytest.mark.usefixtures("folder")
def test_each_scenario_is_met_once_and_arguments_keep_their_order() -> None:
    targets = ("scenarios/nats/c.scenario.yaml::third[x=2]", "scenarios", "scenarios/a.scenario.yaml:1")
    assert names(*targets) == ["third[x=2]", "first", "second", "third[x=1]"]


@pytest.mark.parametrize("line", [1, 2, 11])
@pytest.mark.usefixtures("folder")
def test_any_line_of_a_file_names_its_scenario(line: int) -> None:
    assert names(f"scenarios/a.scenario.yaml:{line}") == ["first"]


@pytest.mark.usefixtures("folder")
def test_a_matrix_is_named_as_a_whole_or_by_the_cell() -> None:
    assert names("scenarios/nats/c.scenario.yaml::third") == ["third[x=1]", "third[x=2]"]
    assert names("scenarios/nats/c.scenario.yaml::third[x=1]") == ["third[x=1]"]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (
            "scenarios/a.scenario.yam",
            "there is no file or folder scenarios/a.scenario.yam; did you mean scenarios/a.sce",
        ),
        ("nowhere/x.yaml", "there is no file or folder nowhere/x.yaml"),
        ("scenarios/a.scenario.yaml:99", "scenarios/a.scenario.yaml has 11 lines, so line 99 is in no scenario"),
        ("scenarios/a.scenario.yaml:0", "line 0 is in no scenario"),
        ("scenarios/a.scenario.yaml::frist", "has no scenario called `frist`; did you mean `first`?"),
        ("scenarios:3", "scenarios is a folder; a line or a name belongs to a file"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_not_there_is_told_with_what_is_near(target: str, problem: str) -> None:
    with pytest.raises(DiscoveryError) as error:
        found(target)
    assert problem in str(error.value)


@pytest.mark.usefixtures("folder")
def test_everything_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(DiscoveryError) as error:
        found("one", "two", "scenarios")
    assert len(error.value.problems) == 2


def test_all_bad_files_are_reported_together(folder: Path) -> None:
    (folder / "scenarios" / "bad.scenario.yaml").write_text("apiVersion: gatesim/v1\n")
    (folder / "scenarios" / "worse.scenario.yaml").write_text("[")
    result = found("scenarios")
    assert {problem.file for problem in result.problems} == {
        "scenarios/bad.scenario.yaml",
        "scenarios/worse.scenario.yaml",
    }
    assert len(result.scenarios) == 4


@pytest.mark.parametrize(
    ("keywords", "selected"),
    [
        ("FIRST", ["first"]),
        ("nats", ["third[x=1]", "third[x=2]"]),
        ("x=2", ["third[x=2]"]),
        ("slow", ["second"]),
        ("not nats and not slow", ["first"]),
    ],
)
@pytest.mark.usefixtures("folder")
def test_keywords_look_into_names_files_and_tags(keywords: str, selected: list[str]) -> None:
    assert names("scenarios", keywords=keywords) == selected


@pytest.mark.usefixtures("folder")
def test_a_tag_is_met_only_as_a_whole() -> None:
    assert names("scenarios", tags="slow") == ["second"]
    assert names("scenarios", tags="slo") == []


@pytest.mark.usefixtures("folder")
def test_what_is_left_out_is_counted_with_the_reason() -> None:
    result = found("scenarios", keywords="not nats", tags="not slow")
    assert result.deselected == {"-k": 2, "--tags": 1}


@pytest.mark.parametrize(
    ("requires", "missing"),
    [
        ("{provider: embedded}", ""),
        ("{provider: local}", "requires provider local"),
        ("{platform: windows}", "requires platform windows"),
    ],
)
def test_what_a_scenario_requires_and_lacks_leaves_it_out(requires: str, missing: str) -> None:
    assert lacks(scenario_of(more=f"requires: {requires}\n"), {"embedded"}) == missing


def test_a_service_that_asks_for_another_provider_is_no_requirement() -> None:
    asks = scenario_of(more="services: {nats: {provider: container}}\n")
    assert lacks(asks, {"embedded"}) == ""


def test_scenarios_that_require_another_provider_are_counted(folder: Path) -> None:
    write_story(folder, "scenarios/z.scenario.yaml", "local only", "requires: {provider: local}\n")
    result = found("scenarios")
    assert len(result.scenarios) == 4
    assert result.deselected == {"requires provider local": 1}


RECORD = {
    "scenarios/b.scenario.yaml::second": Last("failed", 1.0),
    "scenarios/a.scenario.yaml::first": Last("passed", 1),
}


@pytest.mark.usefixtures("folder")
def test_last_failed_keeps_what_did_not_pass() -> None:
    result = found("scenarios", last_failed=True, record=RunRecord(RECORD))
    assert [scenario.name for scenario in result.scenarios] == ["second"]
    assert result.deselected == {"--last-failed": 3}


@pytest.mark.usefixtures("folder")
def test_last_failed_without_a_failure_plays_all_and_says_so() -> None:
    result = found("scenarios", last_failed=True)
    assert len(result.scenarios) == 4
    assert result.notes == ("--last-failed: no failure is on record, so everything is played",)


def shards(of: int, record: RunRecord | None = None) -> list[list[str]]:
    return [names("many", shard=Shard(number, of), record=record) for number in range(1, of + 1)]


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], RunRecord]:
    monkeypatch.chdir(tmp_path)
    for number in range(40):
        write_story(tmp_path, f"many/{number:02}.scenario.yaml", f"n{number}")
    ids = [f"many/{number:02}.scenario.yaml::n{number}" for number in range(40)]
    return lambda: RunRecord({id: Last("passed", 39.0 if n == 0 else 1.0) for n, id in enumerate(ids)})


@pytest.mark.usefixtures("many")
def test_each_scenario_is_in_exactly_one_shard() -> None:
    parts = shards(3)
    assert sorted(name for part in parts for name in part) == sorted(f"n{number}" for number in range(40))
    assert all(len(part) > 5 for part in parts)


def test_a_new_scenario_moves_no_other_to_another_shard(many: object, tmp_path: Path) -> None:
    before = shards(3)
    write_story(tmp_path, "many/99.scenario.yaml", "new")
    assert [[name for name in part if name != "new"] for part in shards(3)] == before


def test_recorded_durations_balance_the_shards(many: Callable[[], RunRecord]) -> None:
    one, two = shards(2, many())
    assert (one, len(two)) == (["n0"], 39)
