"""
Progress: what is being played right now, as one line for a terminal.
"""

from __future__ import annotations

import time

from simulator.reports.report import Json, ScenarioReport, Summary
from simulator.reports.wording import duration_text, virtual_text
from simulator.suite.suite import Observer, Plan, Play
from simulator.verdict import Verdict

_QUIET_S = 0.3
"""What takes no longer is not worth a line that flickers."""


class Progress(Observer):
    """
    Follows a run; `line` says where it is. The calls may come from several threads; each reads or writes at once.
    """

    wants_pulse = True

    def __init__(self) -> None:
        self._playing: dict[int, tuple[Play, float]] = {}
        self._virtual_s: dict[int, float] = {}
        self._done = 0
        self._bad = 0
        self._total: int | None = None
        self._ending = False

    def began(self, plan: Plan) -> None:
        """See Observer."""
        rounds = plan.options.rounds
        self._total = plan.scenarios * rounds if rounds is not None else None

    def started(self, play: Play) -> None:
        """See Observer."""
        self._playing[play.number] = (play, time.perf_counter())

    def pulsed(self, play: Play, virtual_s: float) -> None:
        """See Observer."""
        self._virtual_s[play.number] = virtual_s

    def finished(self, play: Play, report: ScenarioReport) -> None:
        """See Observer."""
        self._playing.pop(play.number, None)
        self._virtual_s.pop(play.number, None)
        self._done += 1
        self._bad += report.verdict not in (Verdict.PASSED, Verdict.SKIPPED)

    def interrupted(self) -> None:
        """See Observer."""
        self._ending = True

    def ended(self, summary: Summary, environment: Json) -> None:
        """See Observer."""
        self._playing.clear()

    def line(self) -> str:
        """
        How much is done, and what has been played longest with its times; empty where all is quick.
        """
        playing = sorted(self._playing.copy().values(), key=lambda entry: entry[1])
        if not playing:
            return ""
        play, began = playing[0]
        elapsed_s = time.perf_counter() - began
        if elapsed_s < _QUIET_S and not self._done:
            return ""
        done = f"{self._done}/{self._total}" if self._total is not None else f"{self._done}"
        parts = [done, *([f"{self._bad} not passed"] if self._bad else [])]
        name = play.id.partition("::")[2]
        parts.append(f"stopping: {name}" if self._ending else name)
        parts.append(duration_text(elapsed_s))
        if virtual_s := self._virtual_s.get(play.number):
            parts.append(f"{virtual_text(virtual_s)} virtual")
        if len(playing) > 1:
            parts.append(f"and {len(playing) - 1} more")
        return "  ".join(parts)
