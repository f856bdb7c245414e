"""
Fake tools: scripts on a PATH of their own that stand for apt, Maven, Java and Go, and need no network.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


class FakeTools:
    """
    A folder that is all of PATH.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        monkeypatch.setenv("PATH", str(folder))

    def add(self, name: str, program: str) -> Path:
        """
        A tool that runs *program*, in which `sys.argv[1:]` are its arguments.
        """
        file = self.folder / name
        file.write_text(f"#!{sys.executable}\nimport os, sys\nfrom pathlib import Path\n{program}\n")
        file.chmod(0o755)
        return file

    def remove(self, name: str) -> None:
        """
        Take a tool away.
        """
        (self.folder / name).unlink()
