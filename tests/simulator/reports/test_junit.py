"""
The JUnit report: well-formed whatever it holds, of the shape that CI systems take, and equal to what was shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import ScenarioProblem
from simulator.reports.junit import JunitReport
from simulator.runner import ScenarioResult
from simulator.suite.player import PlayerOptions
from simulator.suite.suite import Plan, Suite, SuiteOptions
from simulator.verdict import Reason, Verdict
from tests.simulator.fake_plays import FakePlay, different, replay, result_of, scenario_of

FAILED, PASSED = Verdict.FAILED, Verdict.PASSED

OUTCOMES = {"failure", "error", "skipped", "rerunFailure", "flakyFailure", "system-out"}
SHAPE: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"name", "tests", "failures", "errors", "time"}, set(), {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, set(), {"properties", "testcase"}),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name", "classname", "time", "file", "line"}, set(), {"properties", *OUTCOMES}),
    **{name: ({"type", "message"}, set(), set()) for name in ("failure", "error", "skipped")},
    **{name: ({"type", "message"}, set(), {"stackTrace"}) for name in ("rerunFailure", "flakyFailure")},
    "stackTrace": (set(), set(), set()),
    "system-out": (set(), set(), set()),
}
"""Each element: attributes that it needs, that it may have besides, and its children; as common schemas have them."""


def check_shape(element: ElementTree.Element) -> None:
    needed, optional, children = SHAPE[element.tag]
    assert needed <= set(element.attrib) <= needed | optional, element.tag
    for child in element:
        assert child.tag in children, f"{child.tag} in {element.tag}"
        check_shape(child)
    names = [child.tag for child in element]
    assert "properties" not in names[1:]


def junit(path: Path, results: list[ScenarioResult], **options: object) -> ElementTree.Element:
    """
    The suite in the report of a run with *results*.
    """
    replay(JunitReport(str(path)), results, SuiteOptions(**options))  # type: ignore[arg-type]
    return suite_in(path)


def suite_in(path: Path) -> ElementTree.Element:
    root = ElementTree.parse(path).getroot()
    check_shape(root)
    return root[0]


def cases(suite: ElementTree.Element) -> Iterator[tuple[str, list[str]]]:
    for case in suite.iter("testcase"):
        yield case.attrib["name"], [child.tag for child in case if child.tag in OUTCOMES]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reports" / "junit.xml"


def test_each_verdict_is_the_element_that_ci_systems_know(path: Path) -> None:
    path.parent.mkdir()
    results = [result_of(scenario_of(verdict.value), verdict) for verdict in Verdict if verdict is not Verdict.FLAKY]
    suite = junit(path, results)
    assert dict(cases(suite)) == {
        "passed": [],
        "failed": ["failure"],
        "inconclusive": ["error"],
        "skipped": ["skipped"],
        "error": ["error"],
    }
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "5", "failures": "1", "errors": "2", "skipped": "1"}


def test_a_case_carries_file_line_and_what_reproduces_it(tmp_path: Path) -> None:
    suite = junit(tmp_path / "j.xml", [different(scenario_of(file="scenarios/nats/a.scenario.yaml"))])
    case = next(suite.iter("testcase"))
    assert (case.attrib["classname"], case.attrib["name"]) == ("scenarios.nats.a", "ticks come")
    assert (case.attrib["file"], case.attrib["line"]) == ("scenarios/nats/a.scenario.yaml", "2")
    properties = {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
    assert properties["seed"] == "7"
    assert properties["reproduce"] == "gatesim run scenarios/nats/a.scenario.yaml:11 --seed 7"


def test_a_failure_has_its_class_its_sentence_and_its_whole_text(tmp_path: Path) -> None:
    (failure,) = junit(tmp_path / "j.xml", [different(scenario_of())]).iter("failure")
    assert failure.attrib == {"type": "accepted-different", "message": 'subject: expected "a", got "b"'}
    assert failure.text is not None
    assert failure.text.startswith("FAILED a.scenario.yaml:11 ticks come\n")


@pytest.mark.parametrize(
    ("outcomes", "elements"),
    [
        ([FAILED, PASSED], ["flakyFailure"]),
        ([FAILED, FAILED, PASSED], ["flakyFailure", "flakyFailure"]),
        ([FAILED], ["failure", "rerunFailure", "rerunFailure"]),
    ],
)
def test_tries_before_the_last_are_reruns(tmp_path: Path, outcomes: list[Verdict], elements: list[str]) -> None:
    options = SuiteOptions(player=PlayerOptions(retries=2))
    report = JunitReport(str(tmp_path / "j.xml"))
    Suite([scenario_of()], options, [report], play=FakePlay({"ticks come": list(outcomes)})).run()
    assert list(cases(suite_in(tmp_path / "j.xml"))) == [("ticks come", elements)]


def test_rounds_are_cases_of_their_own(tmp_path: Path) -> None:
    suite = junit(tmp_path / "j.xml", [result_of(scenario_of())], repeat=1)
    assert [name for name, _ in cases(suite)] == ["ticks come"]
    Suite([scenario_of()], SuiteOptions(repeat=2), [JunitReport(str(tmp_path / "r.xml"))], play=FakePlay()).run()
    assert [name for name, _ in cases(suite_in(tmp_path / "r.xml"))] == ["ticks come", "ticks come (round 2)"]


def test_a_file_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    problem = ScenarioProblem("a.scenario.yaml", 3, 1, 2, "unknown key `stepss`", source_line="stepss: []")
    plan = Plan(0, 1, SuiteOptions(), problems=(problem,))
    Suite([], SuiteOptions(), [JunitReport(str(tmp_path / "j.xml"))], plan=plan).run()
    suite = suite_in(tmp_path / "j.xml")
    assert (suite.attrib["tests"], suite.attrib["errors"]) == ("1", "1")
    assert list(cases(suite)) == [("cannot be run as written, line 3", ["error"])]


def test_losses_that_were_allowed_are_output_of_a_passed_case(tmp_path: Path) -> None:
    suite = junit(tmp_path / "j.xml", [result_of(scenario_of(), notes=("not received: 3",))])
    assert [each.text for each in suite.iter("system-out")] == ["not received: 3"]


@settings(max_examples=50, deadline=None)
@given(st.text(), st.text())
def test_any_text_gives_xml_that_can_be_read(tmp_path_factory: pytest.TempPathFactory, name: str, text: str) -> None:
    path = tmp_path_factory.mktemp("junit") / "j.xml"
    reason = Reason("late", text, 11)
    junit(path, [result_of(scenario_of(), FAILED, reason=reason, notes=(name,), details=(text,))])
