"""
Expectation: the forms in which counts and bounds may be written.
"""

import pytest

from simulator.scenario_file.expectation import EVENT_KEYS, CountRange, Expect


@pytest.mark.parametrize(
    ("written", "count"),
    [
        (3, CountRange(min=3, max=3)),
        (0, CountRange(min=0, max=0)),
        ({"min": 2}, CountRange(min=2, max=None)),
        ({"max": 4}, CountRange(min=0, max=4)),
    ],
)
def test_a_count_is_exact_or_a_range(written, count):
    assert Expect.model_validate({"watcher": "a", "count": written}).count == count


def test_a_latency_without_an_end_is_open_there():
    latency = Expect.model_validate({"watcher": "a", "latency": {"max": "200ms"}}).latency
    assert latency is not None
    assert (latency.min, latency.max) == (0.0, 0.2)


def test_what_is_expected_of_an_event_stays_as_it_was_written():
    written = {"type": {"$regex": "x"}, "data": [1, {"a": None}]}
    assert Expect.model_validate({"watcher": "a", "each": written}).each == written


def test_an_event_has_its_payload_among_its_keys():
    assert {"id", "data", "base64"} <= set(EVENT_KEYS)
