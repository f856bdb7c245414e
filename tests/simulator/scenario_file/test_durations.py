"""
Durations: what parses to how many seconds, and what an author is told about the rest.
"""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.scenario_file.durations import DurationError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("1m30s", 90),
        ("2h", 7200),
        ("1d", 86400),
        ("1.5s", 1.5),
        ("0s", 0),
        ("1d12h", 129600),
    ],
)
def test_a_duration_is_numbers_with_units(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("30", "a duration carries its unit: `30s` or `30ms`"),
        ("10 s", "did you mean `10s`?"),
        ("5S", "did you mean `5s`?"),
        ("-5s", "a duration is never negative"),
        ("30s1m", "write each unit once, the largest first: `1m30s`"),
        ("1s1s", "write each unit once, the largest first: `1m30s`"),
        ("soon", "write `250ms`, `30s`, `1m30s`, `2h` or `1d`"),
        ("", "write `250ms`, `30s`, `1m30s`, `2h` or `1d`"),
        ("٣s", "write `250ms`, `30s`, `1m30s`, `2h` or `1d`"),
        ("99999999d", "a scenario's time goes no further"),
        ("30s\n", "did you mean `30s`?"),
    ],
)
def test_what_is_no_duration_is_told_what_would_be(text, hint):
    with pytest.raises(DurationError) as caught:
        parse_duration(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250ms"), (90, "1m30s"), (0, "0s"), (86400, "1d"), (3661.5, "1h1m1.5s"), (0.0015, "1.5ms")],
)
def test_seconds_are_written_as_people_do(seconds, text):
    assert format_duration(seconds) == text


@settings(max_examples=300)
@given(st.integers(0, 10**11))
def test_what_is_written_parses_to_the_same(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.text())
def test_any_text_is_a_duration_or_a_duration_error(text):
    with suppress(DurationError):
        assert parse_duration(text) >= 0
