"""
The simulator: plays scenario files against an event gateway and judges what reaches its watchers.

`run` plays files or scenarios and returns the report; `load` reads a file; `play` plays one scenario in a loop that
runs already. Everything is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.environment import PlayOptions
    from simulator.errors import ScenarioError, ServiceUnavailable, SimulatorError
    from simulator.library import load, play, run
    from simulator.runner import ScenarioResult
    from simulator.scenario_file.scenario import Scenario
    from simulator.verdict import Verdict

__all__ = [
    "PlayOptions",
    "Scenario",
    "ScenarioError",
    "ScenarioResult",
    "ServiceUnavailable",
    "SimulatorError",
    "Verdict",
    "load",
    "play",
    "run",
]

_WHERE = {
    "PlayOptions": "simulator.environment",
    "Scenario": "simulator.scenario_file.scenario",
    "ScenarioError": "simulator.errors",
    "ScenarioResult": "simulator.runner",
    "ServiceUnavailable": "simulator.errors",
    "SimulatorError": "simulator.errors",
    "Verdict": "simulator.verdict",
    "load": "simulator.library",
    "play": "simulator.library",
    "run": "simulator.library",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
