"""
KnownObjects: what a look at an object means.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateways.processors.resource_objects import KnownObjects, matches
from gateways.processors.resource_options import ResourceFilter

MATCHING = ResourceFilter(labels={"watch": "yes"})


def an_object(version: int = 1, uid: str = "u", **labels: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "a", "namespace": "n", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": {**metadata, "creationTimestamp": "2018-10-07T12:00:00Z", "labels": labels}}


def test_an_object_is_added_once_and_modified_after() -> None:
    known = KnownObjects(ResourceFilter())
    first, again, later = known.seen(an_object(1)), known.seen(an_object(1)), known.seen(an_object(2))
    assert first is not None
    assert later is not None
    assert (first.operation, again, later.operation) == ("added", None, "modified")
    assert (first.subject, first.identity, later.identity) == ("n/a", "u/1", "u/2")


def test_one_that_leaves_the_filter_is_forgotten_and_comes_back_as_added() -> None:
    known = KnownObjects(MATCHING)
    assert known.seen(an_object(1, watch="yes")) is not None
    assert known.seen(an_object(2, watch="no")) is None
    assert known.gone(an_object(3, watch="no")) is None
    back = known.seen(an_object(4, watch="yes"))
    assert back is not None
    assert back.operation == "added"


def test_a_deletion_is_the_same_however_it_is_learnt() -> None:
    told, listed = KnownObjects(ResourceFilter()), KnownObjects(ResourceFilter())
    for known in (told, listed):
        known.seen(an_object(1))
    [missing] = listed.missing_from([])
    one, other = told.gone(an_object(5)), listed.forget(missing, deleted=True)
    assert one is not None
    assert other is not None
    assert one.operation == other.operation == "deleted"
    assert one.identity == other.identity
    assert listed.missing_from([]) == []


def test_only_the_latest_state_is_worth_another_attempt() -> None:
    known = KnownObjects(ResourceFilter())
    first, later = known.seen(an_object(1)), known.seen(an_object(2))
    assert first is not None
    assert later is not None
    assert (known.is_current(first), known.is_current(later)) == (False, True)
    deleted = known.gone(an_object(3))
    assert deleted is not None
    assert (known.is_current(later), known.is_current(deleted)) == (False, True)


@pytest.mark.parametrize(
    ("which", "passes"),
    [
        (ResourceFilter(prefix="a"), True),
        (ResourceFilter(prefix="b"), False),
        (ResourceFilter(labels={}), True),
        (ResourceFilter(labels={"tier": "front"}), True),
        (ResourceFilter(labels={"tier": "front", "more": "x"}), False),
        (ResourceFilter(annotations={}), False),
        (ResourceFilter(created_by=datetime(2018, 10, 7, 12, tzinfo=UTC)), True),
        (ResourceFilter(created_by=datetime(2018, 10, 7, 11, 59, 59, tzinfo=UTC)), False),
        (ResourceFilter(fields={"metadata.name": "a", "spec.list.1.on": "true"}), True),
        (ResourceFilter(fields={"spec.list.0.on": "true"}), False),
        (ResourceFilter(fields={"spec.none": ""}), True),
    ],
)
def test_every_part_of_the_filter_must_pass(which: ResourceFilter, passes: bool) -> None:
    whole = {**an_object(tier="front", other="y"), "spec": {"list": [{"on": False}, {"on": True}]}}
    assert matches(which, whole) is passes


def test_it_has_all_of_what_it_knows_in_that_state_or_a_newer_one_and_nothing_else() -> None:
    known = KnownObjects(MATCHING)
    assert known.has_all_of([])
    assert known.has_all_of([an_object(1, watch="no")])
    assert not known.has_all_of([an_object(1, watch="yes")])
    known.seen(an_object(9, watch="yes"))
    assert known.has_all_of([an_object(9, watch="yes")])
    assert known.has_all_of([an_object(8, watch="yes")])
    assert not known.has_all_of([an_object(10, watch="yes")])
    assert not known.has_all_of([an_object(10, watch="no")])
    assert not known.has_all_of([])
