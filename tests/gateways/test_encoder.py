"""
What is encoded once for all watchers of a configuration.
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

import pytest

from gateways.clock import SystemClock
from gateways.cloudevent import CloudEvent, DataForm
from gateways.encoder import ContentMode, Encoder, idempotency_key
from tests.gateways.surroundings import START, play, virtual_clock

EVENT = CloudEvent("7", "gw/foo", "webhook", START, "/foo", "application/json", (), b'{"a":1}', DataForm.JSON)


@pytest.mark.parametrize(
    ("event_id", "key"),
    [
        ("72d3162e-cc78", "72d3162e-cc78"),
        ("topic/0/17", "topic/0/17"),
        ("naïve id\r\nX: y", "na%C3%AFve%20id%0D%0AX:%20y"),
        ("x" * 5000, str(uuid5(NAMESPACE_URL, "x" * 5000))),
    ],
)
def test_an_id_is_made_fit_for_a_header(event_id: str, key: str) -> None:
    assert idempotency_key(event_id) == key


def test_an_event_is_encoded_once_for_all_its_watchers() -> None:
    encoder = Encoder(version="1.0", clock=SystemClock())
    first = encoder.encode(EVENT, ContentMode.STRUCTURED)
    assert encoder.encode(EVENT, ContentMode.STRUCTURED) is first
    assert encoder.encode(EVENT, ContentMode.BINARY) != first
    assert encoder.encode(EVENT._replace(id="8"), ContentMode.STRUCTURED) != first


def test_a_repeated_request_names_the_same_time_of_transformation() -> None:
    async def story() -> None:
        clock = virtual_clock()
        encoder = Encoder(version="1.0", clock=clock)
        first = encoder.encode(EVENT, ContentMode.LEGACY)
        encoder.encode(EVENT._replace(id="8"), ContentMode.LEGACY)
        await clock.advance(5)
        assert encoder.encode(EVENT, ContentMode.LEGACY) == first

    play(story)
