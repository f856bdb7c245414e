"""
How the partitions of a group are shared out, and what members tell each other of it.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gateways.processors.kafka_assignment import (
    Subscriber,
    assigned,
    assignment,
    shared_out,
    subscribers,
    subscription,
)


def test_each_topic_is_shared_out_in_ranges_to_those_who_read_it() -> None:
    members = [Subscriber("b", "", ["foo"]), Subscriber("a", "", ["foo", "bar"]), Subscriber("c", "", ["foo"])]
    assert shared_out(members, {"foo": [3, 2, 1, 0], "bar": [0, 1]}) == {
        "a": {"foo": [0, 1], "bar": [0, 1]},
        "b": {"foo": [2]},
        "c": {"foo": [3]},
    }


def test_who_comes_too_late_gets_nothing_and_a_static_member_comes_first() -> None:
    members = [Subscriber("a", "", ["foo"]), Subscriber("z", "desk", ["foo"])]
    assert shared_out(members, {"foo": [0]}) == {"a": {}, "z": {"foo": [0]}}
    assert shared_out([], {"foo": [0]}) == {}


def test_it_is_what_kafka_s_own_range_assignor_gives() -> None:
    from kafka.coordinator.assignors.range import RangePartitionAssignor

    class Topics:
        def partitions_for_topic(self, topic: str) -> set[int]:
            return set(range(7))

    members = [
        SimpleNamespace(member_id=name, group_instance_id=None, metadata=SimpleNamespace(topics=["foo"]))
        for name in ("x", "y", "z")
    ]
    theirs = RangePartitionAssignor.assign(Topics(), members)
    ours = shared_out([Subscriber(name, "", ["foo"]) for name in ("z", "x", "y")], {"foo": range(7)})
    assert {name: assigned(bytes(told.encode()), "foo") for name, told in theirs.items()} == {
        name: tuple(share["foo"]) for name, share in ours.items()
    }


def test_what_is_told_is_read_again_and_an_empty_answer_is_nothing() -> None:
    assert assigned(assignment({"foo": [2, 0], "bar": [1]}), "foo") == (0, 2)
    assert assigned(assignment({}), "foo") == assigned(b"", "foo") == ()
    with pytest.raises(ValueError, match="cannot be read"):
        assigned(b"\0\1\0", "foo")


def test_a_member_whose_words_cannot_be_read_reads_no_topic() -> None:
    told = [
        SimpleNamespace(member_id="a", group_instance_id=None, metadata=subscription("foo")),
        SimpleNamespace(member_id="b", group_instance_id="desk", metadata=b"\0"),
    ]
    assert [tuple(each) for each in subscribers(told)] == [("a", "", ("foo",)), ("b", "desk", ())]
