"""
The command line from outside: exit codes, what is written where, and no traceback for a user's mistake.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gatesim.__main__ import main
from simulator import runner
from simulator.suite.run_record import Last, RunRecord
from simulator.verdict import Verdict
from tests.simulator.fake_plays import FakePlay, write_story

PASSED, FAILED, SKIPPED = Verdict.PASSED, Verdict.FAILED, Verdict.SKIPPED


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [each for each in os.environ if each.startswith("GATESIM_")]:
        monkeypatch.delenv(name)
    (tmp_path / ".git").mkdir()
    for name in "abc":
        write_story(tmp_path, f"scenarios/{name}.scenario.yaml", name, "tags: [slow]\n" if name == "c" else "")
    return tmp_path


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> FakePlay:
    """
    Everything passes, and no gateway is needed.
    """
    made = FakePlay()
    monkeypatch.setattr(runner, "play", made)
    return made


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """
    Call it with outcomes by name.
    """
    return lambda **by_name: monkeypatch.setattr(runner, "play", FakePlay(by_name))


@pytest.mark.parametrize(
    ("by_name", "arguments", "code"),
    [
        ({}, [], 0),
        ({"b": [FAILED]}, [], 1),
        ({"b": [Verdict.ERROR], "a": [FAILED]}, [], 3),
        ({"b": [SKIPPED]}, [], 0),
        ({"b": [SKIPPED]}, ["--fail-on-skip"], 10),
        ({"a": [SKIPPED], "b": [SKIPPED], "c": [SKIPPED]}, [], 10),
        ({"b": [Verdict.INCONCLUSIVE]}, [], 11),
        ({"b": [FAILED, PASSED]}, ["--retries", "1"], 12),
        ({}, ["-k", "nothing"], 5),
        ({}, ["-t", "slow"], 0),
    ],
)
def test_the_exit_code_says_what_a_run_showed(
    outcomes: Any, by_name: dict[str, Any], arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes(**by_name)
    assert main(["run", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines()[-1].endswith(" ms")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "gatesim run: there is no file or folder nowhere"),
        (["scenarios/a.scenario.yaml:99"], "gatesim run: scenarios/a.scenario.yaml has 11 lines, so line 99 is in no"),
        (["-k", "a and"], "gatesim run: a word is missing at the end\n    a and\n         ^"),
        (["--workers", "x"], "gatesim run: --workers: `x` is no number of workers"),
        (
            ["--report", "html=x"],
            "gatesim run: report format `html` is not supported yet; there are json, ndjson, junit",
        ),
        (["--report", "json=scenarios"], "gatesim run: scenarios is a folder; a report is a file"),
        (["--provider", "container"], "gatesim run: --provider: provider `container` is not supported yet"),
        (["--target", "cluster"], "gatesim run: --target: target `cluster` is not supported yet"),
        (["--service", "nats=nats://x"], "gatesim run: --service: external services are not supported yet"),
        (["--keep-env", "maybe"], "gatesim run: --keep-env: must be on-failure, always or never, not `maybe`"),
        (["--requirement-file", "x.yaml"], "gatesim run: x.yaml:1:1: the file cannot be read"),
    ],
)
@pytest.mark.usefixtures("play")
def test_a_mistake_is_told_in_a_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *arguments]) == 4
    captured = capsys.readouterr()
    assert captured.err.startswith(message)
    assert captured.out == ""


def test_bad_files_are_reported_together_and_nothing_is_played(
    folder: Path, play: FakePlay, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "scenarios" / "b.scenario.yaml").write_text("apiVersion: gatesim/v1\nscenaro: x\n")
    (folder / "scenarios" / "c.scenario.yaml").write_bytes(b"\xff\xfe")
    assert main(["run", "--report", "json=r.json"]) == 4
    text = capsys.readouterr().out
    assert "scenarios/b.scenario.yaml:2:1: unknown key `scenaro`" in text
    assert "scenarios/c.scenario.yaml:1:1: " in text
    assert "nothing was played" in text
    assert play.played == []
    assert json.loads(Path("r.json").read_text())["problems"][0]["file"] == "scenarios/b.scenario.yaml"


def test_options_come_from_flag_variable_and_file(
    folder: Path, play: FakePlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "gatesim.toml").write_text('seed = 1\nkeywords = "a.scenario"\n')
    main(["run"])
    monkeypatch.setenv("GATESIM_SEED", "2")
    main(["run"])
    main(["run", "--seed", "3", "-k", "b.scenario"])
    assert play.played == [("a", 1), ("a", 2), ("b", 3)]


def test_the_next_run_can_play_what_failed(outcomes: Any, play: FakePlay, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes(b=[FAILED])
    main(["run"])
    assert RunRecord.read().failed() == {"scenarios/b.scenario.yaml::b"}
    monkeypatch.setattr(runner, "play", play)
    assert main(["run", "--last-failed"]) == 0
    assert [name for name, _ in play.played] == ["b"]


def test_reports_are_written_side_by_side(outcomes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes(b=[FAILED])
    reports = ["json=out/r.json", "junit=out/r.xml", "ndjson=-"]
    main(["run", *(part for report in reports for part in ("--report", report))])
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["summary"]["failed"] == 1
    assert "FAILED scenarios/b.scenario.yaml:11 b" in captured.err
    assert json.loads(Path("out/r.json").read_text())["summary"]["failed"] == 1
    assert ElementTree.parse("out/r.xml").getroot()[0].attrib["failures"] == "1"


@pytest.mark.usefixtures("play")
def test_sharded_runs_share_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    totals = []
    for number in (1, 2):
        main(["run", "--shard", f"{number}/2"])
        totals.append(int(capsys.readouterr().out.splitlines()[-1].split()[0]))
    assert sum(totals) == 3


@pytest.mark.usefixtures("play")
def test_a_shard_leaves_the_durations_that_others_share_by() -> None:
    main(["run"])
    before = RunRecord.read().durations()
    RunRecord.read().write({id: Last("passed", 9.0) for id in before})
    for number in (1, 2):
        main(["run", "--shard", f"{number}/2"])
    assert set(RunRecord.read().durations().values()) == {9.0}


def gatesim(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gatesim", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def test_a_run_from_a_shell_plays_the_reference_gateway() -> None:
    result = gatesim("run", "scenarios/a.scenario.yaml", "-n", "2", "--report", "json=r.json")
    assert (result.returncode, result.stderr) == (0, "")
    assert "passed  a" in result.stdout
    (scenario,) = json.loads(Path("r.json").read_text())["scenarios"]
    assert (scenario["verdict"], scenario["virtual_s"], scenario["events_total"]) == ("passed", 30.0, 3)
    assert scenario["steps"][1]["text"] == "caught up with every service"


def test_two_workers_play_what_one_plays() -> None:
    shown = []
    for workers in ("1", "2"):
        gatesim("run", "-n", workers, "--report", f"json={workers}.json")
        report = json.loads(Path(f"{workers}.json").read_text())
        shown.append([(each["id"], each["verdict"], each["events_sha256"]) for each in report["scenarios"]])
    assert shown[0] == shown[1]
    assert len(shown[0]) == 3


def test_a_failure_is_told_with_a_command_that_shows_it_again(folder: Path) -> None:
    path = folder / "scenarios" / "a.scenario.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 4"))
    result = gatesim("run", "-k", "a.scenario")
    assert result.returncode == 1
    command = next(line for line in result.stdout.splitlines() if "reproduce:" in line).partition("gatesim ")[2]
    again = gatesim(*command.split())
    assert again.returncode == 1
    assert "expected 4 events, got 3" in again.stdout


def test_ctrl_c_stops_cleans_up_and_reports(folder: Path) -> None:
    path = write_story(folder, "scenarios/d.scenario.yaml", "d", "clock: real\n")
    path.write_text(path.read_text().replace("advance: 30s", "advance: 50s"))
    command = [sys.executable, "-m", "gatesim", "run", "--report", "ndjson=-", "--report", "json=r.json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        while '"number": 3' not in (line := run.stdout.readline()) or "started" not in line:
            assert line
        run.send_signal(signal.SIGINT)
        events = [json.loads(line)["event"] for line in run.stdout]
    assert run.returncode == 2
    assert events == ["interrupted", "run-finished"]
    summary = json.loads(Path("r.json").read_text())["summary"]
    assert (summary["total"], summary["not_run"], summary["exit_code"]) == (3, 1, 2)
