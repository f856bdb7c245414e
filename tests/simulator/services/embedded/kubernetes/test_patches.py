"""
Patches: the examples of RFC 6902 and RFC 7386, and what strategic merge adds.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from simulator.services.embedded.kubernetes.failures import ApiFailure
from simulator.services.embedded.kubernetes.patches import json_patch, merge, strategic


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_rfc_7386_shows(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy(target)
    assert merge(target, patch) == result
    assert target == before


@pytest.mark.parametrize(
    ("target", "operation", "result"),
    [
        ({"foo": "bar"}, {"op": "add", "path": "/baz", "value": "qux"}, {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, {"op": "add", "path": "/foo/1", "value": "qux"}, {"foo": ["bar", "qux", "baz"]}),
        ({"foo": ["bar"]}, {"op": "add", "path": "/foo/-", "value": ["a"]}, {"foo": ["bar", ["a"]]}),
        ({"baz": "qux", "foo": "bar"}, {"op": "remove", "path": "/baz"}, {"foo": "bar"}),
        ({"foo": ["a", "b", "c"]}, {"op": "remove", "path": "/foo/1"}, {"foo": ["a", "c"]}),
        ({"baz": "qux"}, {"op": "replace", "path": "/baz", "value": "boo"}, {"baz": "boo"}),
        ({"a": {"b": 1}, "c": {}}, {"op": "move", "from": "/a/b", "path": "/c/d"}, {"a": {}, "c": {"d": 1}}),
        ({"a": [1]}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": [1], "b": [1]}),
        ({"/": 9, "~1": 10}, {"op": "test", "path": "/~01", "value": 10}, {"/": 9, "~1": 10}),
        ({"a/b": 1}, {"op": "replace", "path": "/a~1b", "value": 2}, {"a/b": 2}),
    ],
)
def test_a_json_patch_does_what_rfc_6902_shows(target: Any, operation: Any, result: Any) -> None:
    before = copy.deepcopy(target)
    assert json_patch(target, [operation]) == result
    assert target == before


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "remove", "path": "/b"}],
        [{"op": "replace", "path": "/b", "value": 1}],
        [{"op": "add", "path": "/b/c", "value": 1}],
        [{"op": "add", "path": "b", "value": 1}],
        [{"op": "jump", "path": "/a"}],
        [{"path": "/a"}],
        ["remove"],
        {"op": "remove", "path": "/a"},
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(operations: Any) -> None:
    with pytest.raises(ApiFailure) as refused:
        json_patch({"a": 1}, operations)
    assert refused.value.code in (400, 422)


CONTAINERS = {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ([{"name": "b", "image": "b:2"}], [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]),
        ([{"name": "a", "$patch": "delete"}], [{"name": "b", "image": "b:1"}]),
        ([{"$patch": "replace"}, {"name": "c"}], [{"name": "c"}]),
        ([{"name": "a", "image": None}], [{"name": "a"}, {"name": "b", "image": "b:1"}]),
    ],
)
def test_a_strategic_patch_knows_entries_by_their_names(patch: Any, result: Any) -> None:
    assert strategic(CONTAINERS, {"containers": patch}) == {"containers": result}


def test_a_strategic_patch_obeys_its_directives() -> None:
    ordered = {
        "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
        "containers": [{"name": "a", "tty": True}],
    }
    assert [each["name"] for each in strategic(CONTAINERS, ordered)["containers"]] == ["b", "a"]
    assert strategic({"finalizers": ["a"]}, {"finalizers": ["b"]}) == {"finalizers": ["a", "b"]}
    assert strategic({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}) == {
        "finalizers": ["b"]
    }
    assert strategic({"a": 1, "b": 2}, {"$retainKeys": ["a"], "a": 3}) == {"a": 3}
    assert strategic({"s": {"a": 1}}, {"s": {"$patch": "replace", "b": 2}}) == {"s": {"b": 2}}
    assert strategic({"args": ["a", "b"]}, {"args": ["c"]}) == {"args": ["c"]}
