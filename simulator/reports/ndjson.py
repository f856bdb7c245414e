"""
NDJSON: a run as it happens, one JSON object a line, each written out at once.

Events: `run-started`, `problem`, `scenario-started`, `scenario-finished`, `interrupted`, `run-finished`.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from simulator.reports.output import open_stream
from simulator.reports.report import FORMAT, Json, ScenarioReport, Summary, problems_json, scenario_json, summary_json
from simulator.suite.suite import Observer, Plan, Play


class NdjsonReport(Observer):
    """
    Writes each event when it happens.
    """

    def __init__(self, target: str) -> None:
        self._stream = open_stream(target)

    def began(self, plan: Plan) -> None:
        """See Observer."""
        self._write(
            "run-started",
            report=FORMAT,
            scenarios=plan.scenarios,
            files=plan.files,
            rounds=plan.options.rounds,
            deselected=dict(plan.deselected),
        )
        for problem in problems_json(plan.problems):
            self._write("problem", **problem)

    def started(self, play: Play) -> None:
        """See Observer."""
        self._write("scenario-started", number=play.number, id=play.id, round=play.round)

    def finished(self, play: Play, report: ScenarioReport) -> None:
        """See Observer."""
        self._write("scenario-finished", number=play.number, scenario=scenario_json(report))

    def interrupted(self) -> None:
        """See Observer."""
        self._write("interrupted")

    def ended(self, summary: Summary, environment: Json) -> None:
        """See Observer."""
        self._write("run-finished", summary=summary_json(summary), environment=environment)
        if self._stream is not sys.stdout:
            self._stream.close()

    def _write(self, event: str, **facts: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._stream.write(json.dumps({"event": event, "at": now, **facts}, ensure_ascii=False) + "\n")
        self._stream.flush()
