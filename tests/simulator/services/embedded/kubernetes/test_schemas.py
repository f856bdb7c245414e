"""
Schemas: what is filled in, what is taken out, and what is refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from simulator.services.embedded.kubernetes.schemas import problems_in, settled


def spec(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def test_defaults_go_in_and_unknown_fields_out() -> None:
    schema = spec(mode={"type": "string", "default": "fast"}, free={"x-kubernetes-preserve-unknown-fields": True})
    given = {"kind": "W", "metadata": {"name": "w"}, "spec": {"wrong": 1, "free": {"any": 1}}, "more": 2}
    result, pruned = settled(given, schema)
    assert result == {"kind": "W", "metadata": {"name": "w"}, "spec": {"free": {"any": 1}, "mode": "fast"}}
    assert pruned == ["spec.wrong", "more"]


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, [0, -1, 2.0], ["1", 1.5, True, None]),
        ({"type": "string"}, ["", "a"], [1, None]),
        ({"type": "boolean"}, [True], ["true", 0]),
        ({"type": "string", "nullable": True}, [None, "a"], [1]),
        ({"x-kubernetes-int-or-string": True}, [1, "50%"], [True, 1.5, []]),
        ({"type": "string", "enum": ["a", "b"]}, ["a"], ["c"]),
        ({"type": "string", "pattern": "^a+$", "maxLength": 3, "minLength": 2}, ["aa"], ["a", "aaaa", "ab"]),
        ({"type": "number", "minimum": 1, "maximum": 2, "exclusiveMaximum": True}, [1, 1.5], [0.5, 2]),
        ({"type": "integer", "multipleOf": 3}, [6], [7]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 2, "minItems": 1}, [[1]], [[], [1, 2, 3], ["a"]]),
        ({"type": "array", "x-kubernetes-list-type": "set"}, [["a", "b"]], [["a", "a"]]),
        (
            {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]},
            [[{"n": 1}, {"n": 2}]],
            [[{"n": 1}, {"n": 1}]],
        ),
        ({"type": "object", "additionalProperties": {"type": "string"}}, [{"a": "b"}], [{"a": 1}]),
        ({"type": "object", "required": ["a"], "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 2}]),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, ["a", 1], [[]]),
        ({"oneOf": [{"minimum": 5}, {"maximum": 6}]}, [1, 9], [5]),
        ({"allOf": [{"minimum": 5}], "not": {"minimum": 9}}, [5], [4, 9]),
    ],
)
def test_values_are_held_to_their_schema(schema: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    whole = spec(field=schema)
    for value in good:
        assert not list(problems_in({"spec": {"field": value}}, whole)), value
    for value in bad:
        found = list(problems_in({"spec": {"field": value}}, whole))
        assert found, value
        assert found[0][0].startswith("spec.field"), value
