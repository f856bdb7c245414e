"""
`--keep-env`: whether the servers that a run was leased stay when it is over, as if by `gatesim env up`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from simulator.providers import EMBEDDED, Providers
from simulator.verdict import EXIT_OK


class KeepingServers:
    """
    What becomes of the servers of one run.

    Args:
        when: `always`, `on-failure` or `never`.
        providers: As the run was told; only what is not embedded has servers that can be kept.
    """

    def __init__(self, when: str, providers: Sequence[str]) -> None:
        self._when = when if Providers(tuple(providers)).names - {EMBEDDED} else "never"

    def begin(self) -> None:
        """
        Have a keeper before the run where its servers may stay.
        """
        if self._when != "never":
            # Our own connection outlives those of the workers, so that nothing ends before it is decided.
            self._ask("status")

    def decide(self, exit_code: int) -> int:
        """
        Have the servers stay, or not.

        Returns:
            *exit_code*.
        """
        if self._when == "always" or (self._when == "on-failure" and exit_code != EXIT_OK):
            running = [each["kind"] for each in self._ask("status") or () if each["running"]]
            if running:
                self._ask("up", kinds=[])
                sys.stderr.write(f"kept: {', '.join(running)}; `gatesim env down` ends them\n")
        return exit_code

    def _ask(self, what: str, **more: Any) -> Any:
        from simulator.keeping.lease import ask_keeper  # noqa: PLC0415 - few runs keep anything

        return asyncio.run(ask_keeper(what, **more))
