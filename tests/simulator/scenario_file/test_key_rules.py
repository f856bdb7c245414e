"""
Key rules: what they refuse in a mapping, and that their schema refuses the same.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from simulator.scenario_file.key_rules import AnyOf, Excludes, Needs, OneOf, listed

RULES = [
    OneOf(("a", "b")),
    OneOf(("a", "b", "c"), optional=True),
    AnyOf(("a", "b"), "something"),
    AnyOf(("a", "b"), "something", when="c"),
    Excludes("a", ("b", "c")),
    Needs(("a", "b"), "c"),
]


@pytest.mark.parametrize("rule", RULES)
@given(keys=st.sets(st.sampled_from("abcd")))
def test_a_rule_and_its_schema_refuse_the_same(rule, keys):
    raw = dict.fromkeys(keys, 1)
    assert bool(list(rule.broken_by(raw))) is not Draft7Validator(rule.schema()).is_valid(raw)


def test_each_key_too_many_is_pointed_at():
    points = list(OneOf(("a", "b", "c")).broken_by({"b": 1, "a": 1, "c": 1}))
    assert [(point.key, point.problem) for point in points] == [
        ("a", "has both `b` and `a`"),
        ("c", "has both `b` and `c`"),
    ]


def test_a_key_that_lacks_is_said_of_the_whole():
    (point,) = OneOf(("a", "b"), what="a payload").broken_by({})
    assert point == (None, "lacks a payload", "write one of `a` and `b`")


def test_names_are_listed_as_in_a_sentence():
    assert (listed(("a",)), listed(("a", "b", "c"))) == ("`a`", "`a`, `b` and `c`")
