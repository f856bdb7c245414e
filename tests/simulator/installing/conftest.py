"""
An empty cache, and tools that are fake.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.installing.tool import Tools
from tests.simulator.installing.fake_tools import FakeTools


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    return FakeTools(tmp_path / "fake", monkeypatch)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("GATESIM_CACHE", str(folder))
    return folder


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def tools(tmp_path: Path, said: list[str]) -> Tools:
    return Tools(tmp_path / "log", said.append)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "building"
    made.mkdir()
    return made
