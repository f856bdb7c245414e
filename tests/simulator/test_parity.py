"""
Parity: what counts as agreement, what differs by nature, and what is told of a divergence.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.parity import NO_SERVICE, VARIES, Declared, Parity, Played, compare, played
from simulator.parity_page import as_json, as_markdown, as_text
from simulator.reports.report import ScenarioReport
from simulator.scenario_file.scenario import Scenario
from simulator.suite.identity import node_id
from simulator.verdict import Verdict
from tests.simulator.fake_plays import scenario_of

NATS = {"nats": "local nats-server 2.15.1"}


def report(*events: dict[str, Any], verdict: Verdict = Verdict.PASSED, text: str = "", total: int = -1) -> Played:
    accepted = tuple({"watcher": "audit", "event": event} for event in events)
    many = len(events) if total < 0 else total
    return played(
        ScenarioReport("f", 1, "n", "f::n", verdict, text=text, providers=NATS, events=accepted, events_total=many)
    )


def event(**more: Any) -> dict[str, Any]:
    return {"id": "1", "time": "t", "source": "bus/foo", "type": "nats", "data": "x", **more}


def compared(first: Played | str, second: Played | str, story: Scenario | None = None, **more: Any) -> Parity:
    story = story or scenario_of()
    plays = {"embedded": {node_id(story): first}, "local": {node_id(story): second}}
    return compare([story], plays, more.pop("declared", ()), {}, **more)


def state(parity: Parity) -> str:
    return next(iter(parity.outcomes.values()))["local"].state


def test_ids_times_and_order_differ_by_nature() -> None:
    first = report(event(), event(data="y"))
    second = report(event(data="y", id="2", time="u", eventtypeversion="9"), event(id="3"))
    assert state(compared(first, second)) == "agree"


@pytest.mark.parametrize("name", ["source", "type", "subject", "datacontenttype", "data"])
def test_what_is_compared_diverges(name: str) -> None:
    parity = compared(report(event()), report(event(**{name: "other"})))
    assert state(parity) == "diverge"
    assert not parity.holds
    [(_, provider, outcome)] = parity.undeclared
    assert provider == "local"
    assert [text.partition(":")[0] for text in outcome.differences] == ["only here", "only on embedded"]


def test_a_watcher_is_compared_and_a_duplicate_counts() -> None:
    assert state(compared(report(event()), report(event(), event(id="2")))) == "diverge"


def test_under_a_guarantee_a_repeated_event_is_the_same_event() -> None:
    story = scenario_of(more="guarantee: at-least-once\n")
    assert state(compared(report(event()), report(event(), event()), story)) == "agree"
    assert state(compared(report(event()), report(event(data="y")), story)) == "diverge"


def test_at_most_once_the_verdict_alone_is_compared() -> None:
    story = scenario_of(more="guarantee: at-most-once\n")
    assert state(compared(report(event()), report(), story)) == "agree"


def test_what_a_server_makes_up_in_a_payload_is_left_out() -> None:
    def stored(**more: Any) -> dict[str, Any]:
        return event(type="artifact", data={"s3": {"object": {"key": "k", **more}}})

    assert state(compared(report(stored(sequencer="1")), report(stored(sequencer="2")))) == "agree"
    assert state(compared(report(stored(size=1)), report(stored(size=2)))) == "diverge"


def test_verdicts_that_differ_diverge_with_both_reasons() -> None:
    parity = compared(report(), report(verdict=Verdict.FAILED, text="none came"))
    assert parity.undeclared[0][2].differences == ("failed (none came) where embedded is passed",)
    failed = report(verdict=Verdict.FAILED, text="none came")
    assert state(compared(failed, failed)) == "agree"


def test_what_passes_when_it_is_tried_again_passes() -> None:
    assert state(compared(report(event(), verdict=Verdict.FLAKY, text="none came"), report(event()))) == "agree"


def test_what_was_not_played_is_neither_agreement_nor_divergence() -> None:
    skipped = report(verdict=Verdict.SKIPPED, text="kafka is not here")
    parity = compared(report(), skipped)
    assert (state(parity), parity.holds) == ("not run", True)
    assert "1 not run: kafka is not here" in as_text(parity)
    assert state(compared(report(), NO_SERVICE)) == "not run"


def test_what_only_one_can_play_must_pass_there() -> None:
    assert state(compared("requires provider local", report())) == "alone"
    assert state(compared("requires provider local", report(verdict=Verdict.FAILED))) == "diverge"


def test_events_that_vary_from_play_to_play_are_counted() -> None:
    story = scenario_of()
    first, second = report(event()), report(event(source="bus/bar"))
    parity = compared(first, second, story, varying={node_id(story)})
    outcome = parity.outcomes[node_id(story)]["local"]
    assert (outcome.state, outcome.reason) == ("agree", VARIES)
    assert state(compared(first, report(), story, varying={node_id(story)})) == "diverge"


def test_more_events_than_a_report_holds_are_counted() -> None:
    assert state(compared(report(event(), total=2000), report(event(data="y"), total=2000))) == "agree"
    assert state(compared(report(event(), total=2000), report(event(), total=2001))) == "diverge"


def test_a_declared_divergence_holds_and_one_that_is_not_true_does_not() -> None:
    declared = [Declared(node_id(scenario_of()), "local", "the real one says more | and why")]
    parity = compared(report(event()), report(), declared=declared)
    assert (state(parity), parity.holds, parity.undeclared) == ("diverge", True, [])
    assert "Declared: the real one says more \\| and why" in as_markdown(parity)
    untrue = compared(report(), report(), declared=declared)
    assert (untrue.holds, list(untrue.untrue)) == (False, declared)
    assert "DECLARED, AND AGREES on local" in as_text(untrue)
    assert compared(report(), NO_SERVICE, declared=declared).holds


def test_the_page_and_the_json_say_versions_and_each_scenario() -> None:
    parity = compared(report(event()), report(event()))
    page = as_markdown(parity)
    assert "- `local`: nats-server 2.15.1" in page
    assert "| `local` | 1 | 0 | 0 | 0 |" in page
    assert f"| {scenario_of().name} | passed | agree |" in page
    whole = json.loads(as_json(parity))
    assert whole["providers"]["local"] == {
        "services": ["nats-server 2.15.1"], "agree": 1, "diverge": 0, "alone": 0, "not run": 0,
    }  # fmt: skip
    [entry] = whole["scenarios"]
    assert entry["results"]["local"]["state"] == "agree"
    assert entry["results"]["embedded"]["verdict"] == "passed"
