"""
`gatesim list`: what a run would play.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatesim.__main__ import main
from simulator.suite.run_record import Last, RunRecord
from tests.simulator.fake_plays import write_story


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_story(tmp_path, "scenarios/a.scenario.yaml", "first", "tags: [slow, nats]\nrequirements: [R-CAL-1]\n")
    write_story(tmp_path, "scenarios/b.scenario.yaml", "second", "requires: {provider: local}\n")
    return tmp_path


def test_each_scenario_is_a_line_that_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "scenarios/a.scenario.yaml:2  first  (slow, nats)",
        "1 scenario in 2 files, 1 left out (requires provider local)",
    ]


def test_as_json_it_says_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    RunRecord().write({"scenarios/a.scenario.yaml::first": Last("failed", 0.5)})
    assert main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    (entry,) = listed["scenarios"]
    assert entry["id"] == "scenarios/a.scenario.yaml::first"
    assert entry["last"] == {"verdict": "failed", "duration_s": 0.5}
    assert (entry["gateways"], entry["clock"], entry["requirements"]) == (
        {"calendar-gateway": "calendar"},
        "virtual",
        ["R-CAL-1"],
    )
    assert listed["deselected"] == {"requires provider local": 1}


def test_a_file_that_is_wrong_is_told_beside_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "scenarios" / "b.scenario.yaml").write_text("[")
    assert main(["list"]) == 4
    text = capsys.readouterr().out
    assert "scenarios/a.scenario.yaml:2  first" in text
    assert "scenarios/b.scenario.yaml:1:" in text


def test_nothing_found_has_a_code_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "-k", "nothing"]) == 5
    assert "0 scenarios" in capsys.readouterr().out


def test_an_unknown_path_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "nowhere"]) == 4
    assert capsys.readouterr().err == "gatesim list: there is no file or folder nowhere\n"


def test_requirements_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--requirements"]) == 0
    assert any(line.startswith("R-CAL-1 ") for line in capsys.readouterr().out.splitlines())
    assert main(["list", "--requirements", "--json"]) == 0
    assert {"id", "level", "sentence"} <= set(json.loads(capsys.readouterr().out)[0])
