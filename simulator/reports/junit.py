"""
JUnit: a run as CI systems read it: a test case for each scenario, with file, line and properties.

A failed scenario is a failure; an inconclusive one, a fault of ours and a file that cannot be run are errors. With
retries, earlier tries are `flakyFailure` (it passed in the end) or `rerunFailure` (it did not), as Maven Surefire has
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from simulator.errors import ScenarioProblem
from simulator.reports.failure import failure_text
from simulator.reports.ordered_text import OrderedText
from simulator.reports.output import write_report
from simulator.reports.report import Attempt, Json, ScenarioReport, Summary
from simulator.suite.suite import Observer, Plan, Play
from simulator.verdict import Verdict

_WIDTH = 100
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
)
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write (clause 2.2)."""


class JunitReport(Observer):
    """
    Writes the report at the end of the run; until then it lies in a temporary file.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._cases = OrderedText()
        self._problems: tuple[ScenarioProblem, ...] = ()

    def began(self, plan: Plan) -> None:
        """See Observer."""
        self._problems = plan.problems

    def finished(self, play: Play, report: ScenarioReport) -> None:
        """See Observer."""
        self._cases.add(play.number, "".join(_case(report)))

    def ended(self, summary: Summary, environment: Json) -> None:
        """See Observer."""
        try:
            write_report(self._target, self._parts(summary, environment))
        finally:
            self._cases.close()

    def _parts(self, summary: Summary, environment: Json) -> Iterator[str]:
        counts = summary.counts
        totals = {
            "tests": summary.total + len(self._problems),
            "failures": counts.get(Verdict.FAILED, 0),
            "errors": counts.get(Verdict.ERROR, 0) + counts.get(Verdict.INCONCLUSIVE, 0) + len(self._problems),
            "skipped": counts.get(Verdict.SKIPPED, 0),
            "time": f"{summary.duration_s:.3f}",
        }
        suites = {name: value for name, value in totals.items() if name != "skipped"}
        yield '<?xml version="1.0" encoding="UTF-8"?>\n'
        yield f"<testsuites{_attributes(name='gatesim', **suites)}>\n"
        yield f"<testsuite{_attributes(name='gatesim', **totals)}>\n"
        services = {f"service {name}": version for name, version in environment["services"].items()}
        facts = {name: environment[name] for name in ("gatesim", "python", "platform", "target", "provider", "seed")}
        yield from _properties({**facts, **services})
        for problem in self._problems:
            yield from _problem_case(problem)
        yield from self._cases
        yield "</testsuite>\n</testsuites>\n"


def _attributes(**values: Any) -> str:
    return "".join(f' {name.rstrip("_")}="{_escaped(str(value))}"' for name, value in values.items())


def _escaped(text: str) -> str:
    return _FORBIDDEN.sub("�", text).translate(_ESCAPES)


def _body(text: str) -> str:
    return _FORBIDDEN.sub("�", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _properties(values: Mapping[str, Any]) -> Iterator[str]:
    written = {name: value for name, value in values.items() if value not in (None, "")}
    yield "<properties>\n"
    for name, value in written.items():
        yield f"<property{_attributes(name=name, value=value)}/>\n"
    yield "</properties>\n"


def _classname(file: str) -> str:
    return file.removesuffix(".scenario.yaml").removesuffix(".scenario.yml").replace("/", ".").lstrip(".")


def _case(report: ScenarioReport) -> Iterator[str]:
    round_text = f" (round {report.round})" if report.round > 1 else ""
    attributes = _attributes(
        classname=_classname(report.file),
        name=report.name + round_text,
        file=report.file,
        line=report.line,
        time=f"{report.duration_s:.3f}",
    )
    yield f"<testcase{attributes}>\n"
    yield from _properties(
        {
            "id": report.id,
            "verdict": report.verdict.value,
            "reason": report.cls,
            "seed": report.seed,
            "virtual_s": f"{report.virtual_s:g}",
            "tags": ", ".join(report.tags),
            "requirements": ", ".join(report.requirements),
            "providers": ", ".join(f"{name}={provider}" for name, provider in report.providers.items()),
            "reproduce": report.reproduce,
        }
    )
    yield from _outcome(report)
    if report.verdict is Verdict.PASSED and report.notes:
        yield f"<system-out>{_body(chr(10).join(report.notes))}</system-out>\n"
    yield "</testcase>\n"


def _outcome(report: ScenarioReport) -> Iterator[str]:
    message, cls = report.text, str(report.cls)
    match report.verdict:
        case Verdict.FAILED:
            yield from _element("failure", cls, message, failure_text(report, width=_WIDTH))
        case Verdict.INCONCLUSIVE | Verdict.ERROR:
            message = f"{report.verdict.value}: {message}"
            yield from _element("error", cls, message, failure_text(report, width=_WIDTH))
        case Verdict.SKIPPED:
            yield from _element("skipped", cls, message, f"{cls}: {message}")
    name = "flakyFailure" if report.verdict is Verdict.FLAKY else "rerunFailure"
    for attempt in report.attempts:
        yield from _attempt(name, attempt)


def _element(name: str, type_: str, message: str, text: str) -> Iterator[str]:
    yield f"<{name}{_attributes(type=type_, message=message)}>{_body(text)}</{name}>\n"


def _attempt(name: str, attempt: Attempt) -> Iterator[str]:
    text = f"{attempt.verdict.value}, {attempt.cls}: {attempt.text}"
    yield f"<{name}{_attributes(type=attempt.cls, message=attempt.text)}>"
    yield f"<stackTrace>{_body(text)}</stackTrace></{name}>\n"


def _problem_case(problem: ScenarioProblem) -> Iterator[str]:
    file = PurePath(problem.file).as_posix()
    attributes = _attributes(
        classname=_classname(file),
        name=f"cannot be run as written, line {problem.line}",
        file=file,
        line=problem.line,
        time="0.000",
    )
    yield f"<testcase{attributes}>\n"
    yield from _element("error", "bad-file", problem.problem, str(problem))
    yield "</testcase>\n"
