"""
One expectation against a list of events: what holds, and what a failure is called.
"""

from __future__ import annotations

from typing import Any

import pytest

from simulator.cloudevents_spec import ReceivedEvent
from simulator.judging.judgement import Judgement, judge_events, judge_same
from simulator.ledger import AcceptedEvent
from simulator.scenario_file.expectation import Expect


def accepted(*facts: Any) -> list[AcceptedEvent]:
    """
    Events from `(subject, id)` or a bare subject; accepted half a second after they happened.
    """
    made = []
    for number, fact in enumerate(facts):
        subject, id = fact if isinstance(fact, tuple) else (fact, str(number))
        attributes = {"source": "gw/c", "id": id, "subject": subject, "time": "1970-01-01T00:00:10Z"}
        made.append(
            AcceptedEvent(number, 10.5, "audit", ReceivedEvent(attributes, subject.encode(), "text", "structured"))
        )
    return made


def judge(keys: dict[str, Any], *facts: Any) -> Judgement:
    return judge_events(Expect.model_validate({"watcher": "audit", **keys}), lambda: accepted(*facts))


@pytest.mark.parametrize(
    ("keys", "facts"),
    [
        ({"count": 2}, ["a", "b"]),
        ({"count": 0}, []),
        ({"count": {"min": 1}}, ["a", "b"]),
        ({"count": 1, "where": {"subject": "a"}}, ["a", "b"]),
        ({"each": {"source": "gw/c"}}, ["a"]),
        ({"any": {"subject": "b"}}, ["a", "b"]),
        ({"inOrder": [{"subject": "a"}, {"subject": "b"}]}, ["a", "b"]),
        ({"inOrder": [{"subject": "a"}, {"subject": "c"}], "gaps": "allow"}, ["a", "b", "c"]),
        ({"count": 2, "distinct": ["id"]}, ["a", "a"]),
        ({"count": 1, "latency": {"max": "500ms"}}, ["a"]),
        ({"none": {"subject": "z"}}, ["a"]),
    ],
)
def test_it_holds(keys: dict[str, Any], facts: list[Any]) -> None:
    assert judge(keys, *facts).holds


@pytest.mark.parametrize(
    ("keys", "facts", "reason"),
    [
        ({"count": 2}, ["a"], "missing"),
        ({"count": 1}, ["a", "b"], "unexpected"),
        ({"count": 1}, [("a", "1"), ("a", "1")], "duplicate"),
        ({"count": {"max": 1}}, ["a", "b"], "unexpected"),
        ({"each": {"subject": "a"}}, ["a", "b"], "accepted-different"),
        ({"each": {"subject": "a"}}, [], "missing"),
        ({"any": {"subject": "z"}}, ["a"], "accepted-different"),
        ({"any": {"subject": "z"}}, [], "missing"),
        ({"inOrder": [{"subject": "a"}, {"subject": "b"}]}, ["b", "a"], "reordered"),
        ({"inOrder": [{"subject": "a"}, {"subject": "b"}]}, ["a"], "missing"),
        ({"inOrder": [{"subject": "a"}, {"subject": "b"}]}, ["a", "c"], "accepted-different"),
        ({"inOrder": [{"subject": "a"}]}, ["a", "b"], "unexpected"),
        ({"count": 2, "distinct": ["subject"]}, ["a", "a"], "duplicate"),
        ({"count": 1, "latency": {"max": "499ms"}}, ["a"], "late"),
        ({"none": {"subject": "a"}}, ["a"], "unexpected"),
    ],
)
def test_what_does_not_hold_is_called_by_its_class(keys: dict[str, Any], facts: list[Any], reason: str) -> None:
    judgement = judge(keys, *facts)
    assert (judgement.holds, judgement.reason) == (False, reason)
    assert judgement.text


def test_an_exact_count_and_a_none_ask_for_a_proof_and_a_minimum_does_not() -> None:
    assert judge({"count": 1}, "a").exact
    assert judge({"none": {}}).exact
    assert not judge({"count": {"min": 1}}, "a").exact


@pytest.mark.parametrize(
    ("keys", "covered"),
    [
        ({"count": 2}, None),
        ({"count": 1, "where": {"subject": "b"}}, {1}),
        ({"any": {"subject": "b"}}, {1}),
        ({"none": {"subject": "z"}}, set()),
    ],
)
def test_it_covers_what_it_looked_at(keys: dict[str, Any], covered: set[int] | None) -> None:
    assert judge(keys, "a", "b").covered == covered


def test_a_failure_shows_the_event_that_came_nearest() -> None:
    judgement = judge({"count": 1, "where": {"subject": "x", "data": "b"}}, "a", "b")
    assert judgement.nearest is not None
    assert judgement.nearest.number == 1
    assert [m.path for m in judgement.mismatches] == ["subject"]


def same(ours: list[str], theirs: list[str]) -> Judgement:
    expect = Expect.model_validate({"watchers": ["a", "b"], "same": ["subject"]})
    return judge_same(expect, {"a": accepted(*ours), "b": accepted(*theirs)})


def test_watchers_are_compared_event_by_event() -> None:
    assert same(["x", "y"], ["x", "y"]).holds
    assert same(["x", "y"], ["y", "x"]).reason == "reordered"
    assert same(["x", "y"], ["x", "z"]).reason == "accepted-different"
    assert same(["x", "y"], ["x"]).reason == "missing"
