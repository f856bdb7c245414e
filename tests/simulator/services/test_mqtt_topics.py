from __future__ import annotations

import pytest

from simulator.services.mqtt_topics import Listening, concrete, matches, subject_of


@pytest.mark.parametrize(
    ("text", "listening"),
    [
        ("attributes: {topic: foo}", Listening("foo")),
        ("topic: foo\nqos: 2", Listening("foo", 2)),
        ("Attributes: {TOPIC: foo}\nQoS: 1", Listening("foo", 1)),
        ("attributes: {topic: foo}\nqos: x", Listening("foo")),
        ("url: mqtt", None),
        ("{", None),
        ("", None),
    ],
)
def test_a_text_says_what_it_listens_to(text: str, listening: Listening | None) -> None:
    assert Listening.of(text) == listening


@pytest.mark.parametrize("pattern", ["foo", "foo/+", "foo/#", "#", "+/+/x", "/a//b/"])
def test_a_fence_goes_where_the_filter_listens(pattern: str) -> None:
    assert matches(pattern, concrete(pattern))


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("foo", "foo"),
        ("foo/bar", "foo.bar"),
        ("foo/+/#", "foo.*.>"),
        ("/foo", "/.foo"),
        ("foo/", "foo./"),
        ("foo//bar", "foo./.bar"),
        ("a.b", "a//b"),
    ],
)
def test_the_server_lists_filters_as_subjects(pattern: str, subject: str) -> None:
    assert subject_of(pattern) == subject
