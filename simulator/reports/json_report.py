"""
JSON report: a whole run as one document, `gatesim/v1`, one scenario a line; valid by `report.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from simulator.reports.ordered_text import OrderedText
from simulator.reports.output import write_report
from simulator.reports.report import FORMAT, Json, ScenarioReport, Summary, problems_json, scenario_json, summary_json
from simulator.suite.suite import Observer, Plan, Play


class JsonReport(Observer):
    """
    Writes the report at the end of the run; until then it lies in a temporary file.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._scenarios = OrderedText()
        self._problems: list[Json] = []

    def began(self, plan: Plan) -> None:
        """See Observer."""
        self._problems = problems_json(plan.problems)

    def finished(self, play: Play, report: ScenarioReport) -> None:
        """See Observer."""
        self._scenarios.add(play.number, _dumped(scenario_json(report)))

    def ended(self, summary: Summary, environment: Json) -> None:
        """See Observer."""
        try:
            write_report(self._target, self._parts(summary, environment))
        finally:
            self._scenarios.close()

    def _parts(self, summary: Summary, environment: Json) -> Iterator[str]:
        yield f'{{"report": {_dumped(FORMAT)},\n'
        yield f' "summary": {_dumped(summary_json(summary))},\n'
        yield f' "environment": {_dumped(environment)},\n'
        yield f' "problems": {_dumped(self._problems)},\n'
        yield ' "scenarios": ['
        between = "\n  "
        for text in self._scenarios:
            yield between + text
            between = ",\n  "
        yield "\n ]}\n"


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
