"""
`gatesim parity`: what is played where, what is written, what may be declared, and the exit codes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatesim.__main__ import main
from simulator import runner
from simulator.environment import PlayOptions
from simulator.runner import ScenarioResult
from simulator.scenario_file.scenario import Scenario
from simulator.verdict import Reason, Verdict
from tests.simulator.fake_plays import FakePlay, write_story

FILE = "scenarios/a.scenario.yaml"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [each for each in os.environ if each.startswith("GATESIM_")]:
        monkeypatch.delenv(name)
    (tmp_path / ".git").mkdir()
    for name in "ab":
        write_story(tmp_path, f"scenarios/{name}.scenario.yaml", name)
    monkeypatch.setattr("simulator.commands.parity.is_present", lambda provider: True)
    return tmp_path


@pytest.fixture
def plays(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str], set[str]], list[tuple[str, str]]]:
    """
    Call it with the names that fail on `local` and those that need no service; returns what is played where.
    """

    def made(failing: set[str], bare: set[str]) -> list[tuple[str, str]]:
        done: list[tuple[str, str]] = []
        passing = FakePlay()

        async def play(scenario: Scenario, options: PlayOptions) -> ScenarioResult:
            provider = str(options.providers)
            done.append((scenario.name, provider))
            result = await passing(scenario, options)
            services: dict[str, Any] = {} if scenario.name in bare else {"bus": f"{provider} server 1"}
            result = replace(result, providers=services)
            if provider == "local" and scenario.name in failing:
                return replace(result, verdict=Verdict.FAILED, reason=Reason("late", "it came late", 1))
            return result

        monkeypatch.setattr(runner, "play", play)
        return done

    return made


def test_everything_is_played_on_both_and_written(plays: Any, capsys: pytest.CaptureFixture[str]) -> None:
    done = plays(set(), {"b"})
    assert main(["parity", "--json", "p.json", "--markdown", "p.md"]) == 0
    assert done == [("a", "embedded"), ("b", "embedded"), ("a", "local")]
    assert capsys.readouterr().out.startswith("local beside embedded: 1 agree, 0 diverge, 0 alone, 1 not run\n")
    results = {each["id"]: each["results"]["local"] for each in json.loads(Path("p.json").read_text())["scenarios"]}
    assert results[f"{FILE}::a"]["state"] == "agree"
    assert results["scenarios/b.scenario.yaml::b"]["reason"] == "it needs no service"
    assert "| a | passed | agree |" in Path("p.md").read_text()


def test_an_undeclared_divergence_is_a_failure(plays: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plays({"a"}, set())
    assert main(["parity", "--json", "-"]) == 1
    captured = capsys.readouterr()
    assert f"DIVERGES on local: {FILE}::a\n  failed (it came late) where embedded is passed" in captured.err
    assert json.loads(captured.out)["holds"] is False


def declare(text: str) -> None:
    Path("scenarios/parity.yaml").write_text(text)


def test_a_declared_divergence_must_be_true(plays: Any, capsys: pytest.CaptureFixture[str]) -> None:
    declare(f"- {{scenario: '{FILE}::a', provider: local, reason: it is slower}}\n")
    plays({"a"}, set())
    assert main(["parity"]) == 0
    assert "declared: it is slower" in capsys.readouterr().out
    plays(set(), set())
    assert main(["parity"]) == 1
    assert f"DECLARED, AND AGREES on local: {FILE}::a" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {scenario: 'scenarios/a.scenario.yaml::aa', provider: local, reason: x}", "there is no such scenario"),
        ("- {scenario: 'scenarios/a.scenario.yaml::a', provider: lokal, reason: x}", "`lokal` is no provider"),
        ("- {scenario: 'scenarios/a.scenario.yaml::a', provider: local}", "a divergence needs `reason`, as text"),
        ("- {scenario: x, provider: local, reason: y, since: z}", "unknown key `since`"),
        ("a: b", "must be a list of divergences"),
        ("- a", "a divergence must be a mapping"),
    ],
)
def test_a_mistake_in_what_is_declared_is_pointed_at(
    text: str, message: str, plays: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(text)
    plays(set(), set())
    assert main(["parity"]) == 4
    err = capsys.readouterr().err
    assert "scenarios/parity.yaml:1:" in err
    assert message in err


def test_a_selection_may_leave_out_what_is_declared(plays: Any) -> None:
    declare(f"- {{scenario: '{FILE}::a', provider: local, reason: it is slower}}\n")
    plays(set(), set())
    assert main(["parity", "-k", "b"]) == 0
    assert main(["parity", "scenarios/b.scenario.yaml"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--providers", "embedded,lokal"], 4, "--providers: `lokal` is no provider"),
        (["--providers", "embedded,container"], 4, "--providers: `container` is not supported yet"),
        (["--providers", "local"], 4, "--providers: `local` names nothing to compare"),
        (["--markdown", "no/such/p.md"], 4, "no/such/p.md cannot be written: no such folder"),
        (["--json", "scenarios"], 4, "scenarios cannot be written: it is a folder"),
        (["nowhere"], 4, "there is no file or folder nowhere"),
        (["-k", "zzz"], 5, "no scenario was found"),
    ],
)
def test_a_mistake_is_told_before_anything_is_played(
    arguments: list[str], code: int, message: str, plays: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    done = plays(set(), set())
    assert main(["parity", *arguments]) == code
    assert f"gatesim parity: {message}" in capsys.readouterr().err
    assert done == []


def test_a_provider_that_is_not_here_is_told(
    plays: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("simulator.commands.parity.is_present", lambda provider: False)
    plays(set(), set())
    assert main(["parity"]) == 10
    assert capsys.readouterr().out.startswith("local: not compared; nothing of it is here")
