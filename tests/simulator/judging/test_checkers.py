"""
Delivery checkers: histories that they must accept, and histories that each must refuse.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.judging.checkers import Findings, Got, Path, Sent, check, judge_findings

payloads = st.lists(st.binary(max_size=2), min_size=1, max_size=30)


def sent(*texts: bytes) -> list[Sent]:
    return [Sent(number, text, 10 + number) for number, text in enumerate(texts)]


def got(*texts: bytes, key: str = "") -> list[Got]:
    return [Got(text, f"id-{number}", key) for number, text in enumerate(texts)]


def find(stimuli: list[Sent], events: list[Got], *, ordered: bool = True) -> Findings:
    return check([Path("gw/c -> audit", stimuli, events)], ordered=ordered)


def breach(findings: Findings, *, at_least_once: bool = True, allowed_lost: int = 0) -> str | None:
    reason, _ = judge_findings(findings, at_least_once=at_least_once, allowed_lost=allowed_lost)
    return reason.cls if reason is not None else None


@given(payloads)
def test_a_faithful_history_breaks_nothing(texts: list[bytes]) -> None:
    assert find(sent(*texts), got(*texts)) == Findings()


@given(payloads, st.data())
def test_a_lost_stimulus_is_found(texts: list[bytes], data: st.DataObject) -> None:
    gone = data.draw(st.integers(0, len(texts) - 1))
    findings = find(sent(*texts), got(*texts[:gone], *texts[gone + 1 :]))
    assert [s.payload for _, s in findings.lost] == [texts[gone]]
    assert breach(findings) == "not-received"
    assert breach(findings, allowed_lost=1) is None


@given(payloads, st.data())
def test_an_event_that_comes_again_is_found(texts: list[bytes], data: st.DataObject) -> None:
    events = got(*texts)
    twice = data.draw(st.sampled_from(events))
    findings = find(sent(*texts), [*events, twice], ordered=False)
    assert len(findings.duplicated) == 1
    assert breach(findings, at_least_once=False) == "duplicate"
    assert breach(findings) is None


@given(st.lists(st.binary(max_size=3), min_size=2, max_size=20, unique=True), st.data())
def test_a_change_of_order_is_found(texts: list[bytes], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(texts).filter(lambda order: order != texts))
    assert breach(find(sent(*texts), got(*shuffled))) == "reordered"
    assert breach(find(sent(*texts), got(*shuffled), ordered=False)) is None


@given(payloads)
def test_an_event_out_of_nothing_is_found(texts: list[bytes]) -> None:
    assert breach(find(sent(*texts), got(*texts, b"stranger"))) == "fabricated"


@given(payloads, st.data())
def test_a_changed_payload_is_found(texts: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(texts) - 1))
    assert breach(find(sent(*texts), got(*texts[:at], b"changed", *texts[at + 1 :]))) == "altered"


def test_order_is_kept_within_a_key_only() -> None:
    events = [Got(b"2", "b", "k2"), Got(b"1", "a", "k1")]
    assert breach(find(sent(b"1", b"2"), events)) is None


def test_what_nobody_was_promised_may_be_lost_and_may_come() -> None:
    doubtful = [Sent(0, b"x", 5, owed=False)]
    assert breach(find(doubtful, [])) is None
    assert breach(find(doubtful, got(b"x"))) is None


def test_at_most_once_owes_no_arrival_unless_a_number_of_losses_is_named() -> None:
    findings = find(sent(b"1", b"2"), got(b"2"))
    assert breach(findings, at_least_once=False) is None
    assert breach(findings, at_least_once=False, allowed_lost=2) == "unexpected"


def test_losses_are_named_by_the_line_that_sent_them() -> None:
    _, notes = judge_findings(find(sent(b"1", b"2"), got(b"1")), at_least_once=True, allowed_lost=1)
    assert notes == ["not received: 2, sent on line 11, on gw/c -> audit"]


@pytest.mark.parametrize("count", [50_000])
def test_checking_is_linear(count: int) -> None:
    texts = [str(number % 97).encode() for number in range(count)]
    assert find(sent(*texts), got(*texts)) == Findings()


def acknowledged(*at: int | None) -> list[Sent]:
    return [Sent(number, b"x", 10 + number, owed=told is not None, acknowledged=told) for number, told in enumerate(at)]


def accepted(*at: int) -> list[Got]:
    return [Got(b"x", f"id-{number}", "", number) for number in at]


@pytest.mark.parametrize(
    ("told", "taken", "early"),
    [((5,), (3,), 0), ((3,), (5,), 1), ((9, 4), (3, 8), 0), ((4, 5), (3, 8), 1), ((None, 4), (6, 3), 0)],
)
def test_nothing_is_acknowledged_before_it_is_accepted(
    told: tuple[int | None, ...], taken: tuple[int, ...], early: int
) -> None:
    findings = find(acknowledged(*told), accepted(*sorted(taken)), ordered=False)
    assert len(findings.acknowledged_early) == early
    assert breach(findings) == ("acknowledged-early" if early else None)
    assert breach(findings, at_least_once=False) is None


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20, unique=True), st.data())
def test_whoever_answers_after_each_acceptance_is_never_early(times: list[int], data: st.DataObject) -> None:
    answers = [2 * at + 1 + 2 * data.draw(st.integers(0, 50)) for at in times]
    findings = find(acknowledged(*answers), accepted(*sorted(2 * at for at in times)), ordered=False)
    assert not findings.acknowledged_early


@given(
    st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=12),
    st.lists(st.sampled_from([b"a", b"b", b"d"]), max_size=12),
)
def test_a_faithful_beginning_changes_nothing_of_what_is_found(texts: list[bytes], others: list[bytes]) -> None:
    stimuli, events = sent(*texts, b"e"), got(*texts, *others)
    whole = find(stimuli, events)
    rest = find(stimuli[len(texts) :], events[len(texts) :])
    assert [event.id for _, event in whole.fabricated] == [event.id for _, event in rest.fabricated]
    assert [stimulus.number for _, stimulus in whole.lost] == [stimulus.number for _, stimulus in rest.lost]
