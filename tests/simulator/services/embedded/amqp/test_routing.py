"""
Topic patterns and header bindings, beside the plainest way to say what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.services.embedded.amqp import headers_match, topic_matches

WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=6)
PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=6)


def covers(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """
    By the definition, word by word, however long it takes.
    """
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(covers(pattern[1:], words[taken:]) for taken in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and covers(pattern[1:], words[1:])


@settings(deadline=None)
@given(PATTERNS, WORDS)
def test_a_pattern_covers_what_its_definition_says(pattern: list[str], words: list[str]) -> None:
    assert topic_matches(".".join(pattern), ".".join(words)) == covers(pattern, words)


def test_a_pattern_of_many_wildcards_is_decided_at_once() -> None:
    assert not topic_matches(".".join(["#", "a"] * 20), ".".join(["a"] * 200 + ["b"]))


@pytest.mark.parametrize(
    ("arguments", "headers", "comes"),
    [
        ({}, {}, True),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": None}, {"a": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"x-match": "any", "a": 1, "b": 2}, {"a": 1}, True),
        ({"x-match": "any", "a": 1}, {}, False),
        ({"x-match": "all", "x-own": 1}, {}, True),
        ({"x-match": "all-with-x", "x-own": 1}, {}, False),
        ({"x-match": "any-with-x", "x-own": 1}, {"x-own": 1}, True),
    ],
)
def test_headers_have_to_be_there_with_their_values(
    arguments: dict[str, Any], headers: dict[str, Any], comes: bool
) -> None:
    assert headers_match(arguments, headers) is comes
