"""
`gatesim lint`: whether files can be run as written.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gatesim.__main__ import main
from tests.simulator.fake_plays import story, write_story


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_story(tmp_path, "scenarios/a.scenario.yaml")
    return tmp_path


def bad(folder: Path) -> None:
    (folder / "scenarios" / "b.scenario.yaml").write_text(story().replace("count: 3", "count: three"))


def test_files_without_a_problem_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint"]) == 0
    assert capsys.readouterr().out == "no problem in 1 file\n"


def test_problems_are_shown_with_their_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad(folder)
    assert main(["lint", "scenarios"]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("scenarios/b.scenario.yaml:11:37: `count` must be a whole number")
    assert lines[-1] == "1 problem in 1 of 2 files"


def test_problems_can_be_had_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad(folder)
    assert main(["lint", "--json"]) == 4
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["line"], problem["column"], problem["key_path"]) == (11, 37, "steps[1].expect.count")


@pytest.mark.parametrize(("text", "code"), [(story(), 0), ("[", 4), ("", 4)])
def test_one_scenario_can_come_from_standard_input(
    text: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    assert main(["lint", "-"]) == code
    assert ("<stdin>:1:" in capsys.readouterr().out) is (code == 4)


def test_what_requires_another_provider_is_checked_as_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_story(folder, "scenarios/b.scenario.yaml", "x", "requires: {provider: local}\n")
    assert main(["lint"]) == 0
    assert capsys.readouterr().out == "no problem in 2 files\n"


def test_no_file_has_a_code_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    assert main(["lint", "empty"]) == 5
    assert capsys.readouterr().out == "no scenario file was found\n"


def test_requirements_of_the_project_can_be_declared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_story(folder, "scenarios/a.scenario.yaml", more="requirements: [OUR-1]\n")
    assert main(["lint"]) == 4
    Path("ours.yaml").write_text("- {id: OUR-1, level: MUST, profile: ours, sentence: It holds.}\n")
    assert main(["lint", "--requirement-file", "ours.yaml"]) == 0
