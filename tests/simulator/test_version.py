"""
The version that reports carry is the one that is installed.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from simulator.version import VERSION


def test_the_version_is_the_project_s() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"] == VERSION
