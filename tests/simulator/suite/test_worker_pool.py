"""
The worker pool: several processes, one scenario at a time each; one that dies is replaced, and all end with us.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.reports.report import ScenarioReport, Summary
from simulator.scenario_file.loader import load_file
from simulator.scenario_file.scenario import Scenario
from simulator.suite import worker_pool
from simulator.suite.player import PlayerOptions, seed_of
from simulator.suite.suite import Play, Suite, SuiteOptions
from simulator.verdict import Verdict
from tests.simulator.fake_plays import Recorder, write_story

PROGRAM = """
import asyncio, json, os, signal, sys
sys.path[:] = json.loads(sys.argv[1])
import simulator.runner as runner
from simulator.verdict import Verdict, Reason
from simulator.suite.worker import main

async def play(scenario, options):
    tags = scenario.head.tags
    print("printed by a processor")
    if "die" in tags:
        os.kill(os.getpid(), signal.SIGKILL)
    if "leave" in tags:
        os._exit(7)
    if "forever" in tags:
        print(f"pid {os.getpid()}", file=sys.stderr, flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            open(scenario.file + ".cleaned", "w").close()
    verdict = Verdict.FAILED if "fail" in tags else Verdict.PASSED
    notes = (f"pid {os.getpid()}", "x" * 200_000)
    return runner.ScenarioResult(scenario, verdict, Reason(None, ""), seed=options.seed, notes=notes)

runner.play = play
main()
"""
"""What workers run here: the real worker, and plays that do what a scenario's tags say."""


@pytest.fixture(autouse=True)
def _program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_PROGRAM", PROGRAM)


def stories(folder: Path, *tags: str) -> list[Scenario]:
    """
    A scenario for each of *tags*, called by its number.
    """
    paths = [write_story(folder, f"{n}.scenario.yaml", f"n{n}", f"tags: [{tag}]\n") for n, tag in enumerate(tags)]
    return [scenario for path in paths for scenario in load_file(path)]


def run(scenarios: list[Scenario], **options: Any) -> tuple[Summary, dict[str, ScenarioReport]]:
    recorder = Recorder()
    summary = Suite(scenarios, SuiteOptions(workers=2, **options), [recorder]).run()
    return summary, {report.name: report for report in recorder.reports}


def pid_in(report: ScenarioReport) -> str:
    return report.notes[0]


def test_workers_share_the_scenarios_and_their_reports_come_back_whole(tmp_path: Path) -> None:
    scenarios = stories(tmp_path, *["ok"] * 6)
    summary, reports = run(scenarios)
    assert summary.counts == {Verdict.PASSED: 6}
    assert len({pid_in(report) for report in reports.values()}) == 2
    assert {len(report.notes[1]) for report in reports.values()} == {200_000}
    assert reports["n0"].seed == seed_of(scenarios[0], PlayerOptions(), 1)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("die", "the worker process that played it was ended by SIGKILL"),
        ("leave", "the worker process that played it ended by itself with exit code 7"),
    ],
)
def test_a_worker_that_dies_costs_one_scenario_and_is_replaced(tmp_path: Path, tag: str, text: str) -> None:
    summary, reports = run(stories(tmp_path, tag, tag, "ok", "ok", "ok"))
    assert summary.counts == {Verdict.ERROR: 2, Verdict.PASSED: 3}
    assert (reports["n0"].text, reports["n0"].verdict) == (text, Verdict.ERROR)
    assert summary.exit_code == 3


def test_retries_and_limits_hold_for_workers_too(tmp_path: Path) -> None:
    summary, reports = run(stories(tmp_path, *["fail"] * 9), player=PlayerOptions(retries=1), max_failures=1)
    assert len(reports["n0"].attempts) == 1
    assert summary.total <= 2


def test_a_file_that_changes_meanwhile_is_told(tmp_path: Path) -> None:
    scenarios = stories(tmp_path, "ok", "ok")
    write_story(tmp_path, "0.scenario.yaml", "renamed")
    (tmp_path / "1.scenario.yaml").write_text("[")
    _, reports = run(scenarios)
    assert "has no scenario `n0` any more" in reports["n0"].text
    assert "changed while the run went on" in reports["n1"].text


class Interrupting(Recorder):
    """
    Interrupts the run as Ctrl-C does, once so many scenarios have told that they are being played.
    """

    wants_pulse = True

    def __init__(self, playing: int) -> None:
        super().__init__()
        self._playing = playing
        self._pulsed: set[int] = set()

    def pulsed(self, play: Play, virtual_s: float) -> None:
        self._pulsed.add(play.number)
        if len(self._pulsed) == self._playing:
            self._pulsed.add(-1)
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_run_has_its_workers_clean_up(tmp_path: Path) -> None:
    scenarios = stories(tmp_path, "forever", "forever", "ok")
    summary = Suite(scenarios, SuiteOptions(workers=2), [Interrupting(2)]).run()
    assert (summary.exit_code, summary.total, summary.not_run) == (2, 0, 3)
    assert all(Path(f"{scenario.file}.cleaned").exists() for scenario in scenarios[:2])


PARENT = """
import sys
from simulator.suite import worker_pool
from simulator.scenario_file.loader import load_file
from simulator.suite.suite import Suite, SuiteOptions
worker_pool._PROGRAM = open(sys.argv[1]).read()
Suite([load_file(path)[0] for path in sys.argv[2:]], SuiteOptions(workers=2)).run()
"""


def test_workers_clean_up_and_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    scenarios = stories(tmp_path, "forever", "forever")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-c", PARENT, str(program), *(scenario.file for scenario in scenarios)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stderr is not None
        playing = 0
        while playing < 2:
            playing += parent.stderr.readline().startswith("pid")
        parent.kill()
        parent.stderr.read()  # ends when the workers, who share it, are gone
    assert all(Path(f"{scenario.file}.cleaned").exists() for scenario in scenarios)
