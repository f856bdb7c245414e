"""
Identity: what a scenario is called outside: its name and node id without secrets, its seed, and how to play it again.
"""

from __future__ import annotations

import shlex
import zlib
from pathlib import PurePath

from simulator.reports.redactor import Redactor
from simulator.scenario_file.scenario import Scenario

SEED_MAX = 2**31 - 1


def public_name(scenario: Scenario) -> str:
    """
    The scenario's name on one line, without secrets.
    """
    return Redactor(scenario.secret_texts).text(" ".join(scenario.name.split()))


def node_id(scenario: Scenario) -> str:
    """
    `path::name`, the id that pytest gives it when both run in the same folder.
    """
    return f"{PurePath(scenario.file).as_posix()}::{public_name(scenario)}"


def stable_seed(scenario: Scenario) -> int:
    """
    The seed of a scenario that was given none: the same on every machine and in whichever folder the command runs.
    """
    key = f"{PurePath(scenario.file).name}::{public_name(scenario)}"
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) & SEED_MAX


def reproduce(scenario: Scenario, *, seed: int, line: int | None = None, timeout_scale: float = 1.0) -> str:
    """
    One command that plays *scenario* again as it was played.

    Args:
        line: Of the step to point at; any line of the file names its scenario. A cell of a matrix is named by name.
    """
    path = PurePath(scenario.file).as_posix()
    place = node_id(scenario) if scenario.cell else f"{path}:{line or scenario.line}"
    scale = "" if timeout_scale == 1.0 else f" --timeout-scale {timeout_scale:g}"
    return f"gatesim run {shlex.quote(place)} --seed {seed}{scale}"
