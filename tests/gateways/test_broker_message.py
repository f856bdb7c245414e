"""
Our messages for brokers against the CloudEvents SDK, and against the simulator's own reader.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from hypothesis import given
from hypothesis import strategies as st

from gateways.broker_message import BrokerMessage, kafka_message, nats_message
from gateways.clock import SystemClock
from gateways.cloudevent import CloudEvent, DataForm
from gateways.encoder import ContentMode, Encoder
from simulator import cloudevents_spec
from simulator.services import service

AT = datetime(2018, 10, 7, 12, 0, 22, tzinfo=UTC)
MODES = (ContentMode.STRUCTURED, ContentMode.BINARY)
text = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40)


def event_of(subject: str, payload: bytes = b'{"a":1}', form: DataForm = DataForm.JSON) -> CloudEvent:
    content_type = "" if form is DataForm.NONE else "application/json"
    return CloudEvent("7", "gw/c", "nats", AT, subject, content_type, (("eventtypeversion", "1.0"),), payload, form)


def encoder() -> Encoder:
    return Encoder(version="1.0", clock=SystemClock())


def as_heard(message: BrokerMessage) -> service.BrokerMessage:
    headers = tuple((name.lower(), value) for name, value in message.headers)
    return service.BrokerMessage((("subject", "gw/c"),), headers, message.body or b"")


@given(text)
@pytest.mark.parametrize("mode", MODES)
def test_the_sdk_reads_back_what_was_written_for_kafka(mode: ContentMode, subject: str) -> None:
    event = event_of(subject)
    message = kafka_message(event, mode, encoder())
    headers = {name: value.encode() for name, value in message.headers}
    seen = from_kafka_event(KafkaMessage(headers, None, message.body or b""))
    assert (seen.get_id(), seen.get_source(), seen.get_type(), seen.get_time()) == ("7", "gw/c", "nats", AT)
    assert (seen.get_subject(), seen.get_data()) == (subject, {"a": 1})
    assert seen.get_attributes()["eventtypeversion"] == "1.0"


@given(text)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("broker", "write"), [("nats", nats_message), ("kafka", kafka_message)])
def test_a_watcher_reads_the_same_from_either_broker_in_either_mode(
    broker: str, write: Callable[..., BrokerMessage], mode: ContentMode, subject: str
) -> None:
    seen = cloudevents_spec.read_message(broker, as_heard(write(event_of(subject), mode, encoder())))
    assert cloudevents_spec.violations_of(seen) == []
    assert (seen.mode, seen.data, seen.attributes["subject"]) == (mode.value, b'{"a":1}', subject)
    assert seen.attributes["datacontenttype"] == "application/json"


@pytest.mark.parametrize(("broker", "write"), [("nats", nats_message), ("kafka", kafka_message)])
def test_the_old_envelope_travels_as_its_json(broker: str, write: Callable[..., BrokerMessage]) -> None:
    seen = cloudevents_spec.read_message(broker, as_heard(write(event_of("x"), ContentMode.LEGACY, encoder())))
    assert (seen.mode, seen.data) == ("legacy", b'{"a":1}')


def test_an_event_without_data_has_no_value_in_kafka_s_binary_mode() -> None:
    event = event_of("x", b"", DataForm.NONE)
    assert kafka_message(event, ContentMode.BINARY, encoder()).body is None
    assert nats_message(event, ContentMode.BINARY, encoder()).body == b""


def test_headers_of_nats_hold_printable_ascii_alone() -> None:
    headers = dict(nats_message(event_of("žluť\r\nNats-Msg-Id: 1"), ContentMode.BINARY, encoder()).headers)
    assert headers["ce-subject"] == "%C5%BElu%C5%A5%0D%0ANats-Msg-Id:%201"
    assert headers["ce-datacontenttype"] == "application/json"
    assert "content-type" not in headers
