"""
Scenario: what a loaded one offers to those that play it, and what its import costs.
"""

import subprocess
import sys

from tests.simulator.scenario_texts import HEAD, loaded, steps_of, with_steps


def test_a_step_knows_its_kind_its_line_and_its_place():
    steps = steps_of("- advance: 30s\n- expect:\n    watcher: audit\n    count: 0")
    assert [(step.kind, step.line, step.column, step.path) for step in steps] == [
        ("advance", 12, 5, ("steps", 0)),
        ("expect", 13, 5, ("steps", 1)),
    ]


def test_a_step_without_a_template_is_the_same_in_every_round():
    (repeat,) = steps_of("- repeat: {times: 3, steps: [{advance: 1s}]}")
    assert repeat.body.round(0)[0] is repeat.body.round(2)[0]


def test_real_time_is_no_virtual_clock():
    assert loaded(with_steps("- advance: 1s")).clock is not None
    assert loaded(with_steps("- advance: 1s", f"clock: real\n{HEAD}")).clock is None


def test_a_scenario_is_imported_without_a_client_a_gateway_or_a_parser():
    code = "import sys, simulator.scenario_file.scenario; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"nats", "asyncio", "gateways", "yaml", "aiohttp", "uvloop", "croniter"} & set(shown)
