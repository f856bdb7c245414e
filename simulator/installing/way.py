"""
Way: how a service gets into the cache; what each way of a recipe promises.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Protocol

from simulator.installing.tool import Tools


class Way(Protocol):
    """
    One way. It is data, so that its text tells whether a recipe has changed.
    """

    source: ClassVar[str]
    """Where it takes a service from, for people."""

    @property
    def tools(self) -> tuple[str, ...]:
        """
        Programs that must be on PATH.
        """

    def obstacle(self) -> str:
        """
        Why it is no way on this machine, besides tools that are missing; empty where it is one.
        """

    def fingerprint(self) -> str:
        """
        What it would make, and of what on this machine, in one line: another line makes it anew.
        """

    def build(self, folder: Path, place: Path, tools: Tools) -> str:
        """
        Fill *folder*, which will be moved to *place*.

        Returns:
            The version that was found; empty where it is the recipe's.

        Raises:
            InstallError: It did not work; *folder* may hold anything.
        """

    def finish(self, place: Path, tools: Tools) -> None:
        """
        What can only be done where it stands.

        Raises:
            InstallError: It did not work.
        """
