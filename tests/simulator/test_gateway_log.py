"""
The log of gateways under test: nothing of it leaks while a scenario is played, its end is shown with a failure.
"""

from __future__ import annotations

import logging

import pytest

from simulator.environment import PlayOptions
from simulator.gateway_log import LINES_MAX, GatewayLog
from simulator.runner import ScenarioResult, play_blocking
from simulator.scenario_file.loader import load_text
from simulator.verdict import Verdict

HEAD = """\
apiVersion: gatesim/v1
scenario: s
gateway: {name: g, type: calendar, configMap: {c: "interval: never"}, watchers: {sensors: []}}
"""
LOG = logging.getLogger("gateways.anything")


def played(expectation: str) -> ScenarioResult:
    (scenario,) = load_text(HEAD + f"steps: [{{expect: {{status: {{c: {{phase: {expectation}}}}}}}}}]\n")
    return play_blocking(scenario, PlayOptions())


def test_what_gateways_log_in_a_play_goes_nowhere_else(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert played("Error").verdict is Verdict.PASSED
    assert not caplog.records
    assert capfd.readouterr().err == ""


def test_a_failure_shows_the_end_of_the_log() -> None:
    (note,) = played("Running").notes
    assert note.startswith("gateway log: g/c: ")
    assert "never" in note


def test_only_the_last_lines_are_kept() -> None:
    with GatewayLog() as log:
        for number in range(LINES_MAX + 10):
            LOG.warning("line %d", number)
    assert log.tail(2) == (f"line {LINES_MAX + 8}", f"line {LINES_MAX + 9}")
    assert len(log.tail(10 * LINES_MAX)) == LINES_MAX


def test_afterwards_logging_is_as_before(caplog: pytest.LogCaptureFixture) -> None:
    with GatewayLog():
        LOG.warning("inside")
    LOG.warning("outside")
    assert [record.getMessage() for record in caplog.records] == ["outside"]
