"""
BrokerMessage: a CloudEvent as a message of NATS or Kafka, in structured or binary mode, or as the old envelope.

Source: CloudEvents NATS protocol binding 1.0.3 (draft; 1.0.2 has structured mode alone), Kafka protocol binding 1.0.2.
"""

from __future__ import annotations

from typing import NamedTuple

from gateways.cloudevent import CloudEvent, DataForm, attributes_of, header_value
from gateways.encoder import ContentMode, Encoder


class BrokerMessage(NamedTuple):
    """
    What is handed to a broker.
    """

    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    """None: the event has no data, and the broker can say so."""


def nats_message(event: CloudEvent, mode: ContentMode, encoder: Encoder) -> BrokerMessage:
    """
    *event* for NATS. In binary mode `Content-Type` is free for whoever looks whether the mode is structured, and the
    data's own type stands in `ce-datacontenttype`.
    """
    if mode is not ContentMode.BINARY:
        form = encoder.form(event, mode)
        return BrokerMessage((("Content-Type", form.headers[0][1]),), form.body)
    headers = [(f"ce-{name}", header_value(value)) for name, value in attributes_of(event)]
    return BrokerMessage(tuple(headers), event.data)


def kafka_message(event: CloudEvent, mode: ContentMode, encoder: Encoder) -> BrokerMessage:
    """
    *event* for Kafka, whose headers are UTF-8. An event without data has no value in binary mode.
    """
    if mode is not ContentMode.BINARY:
        form = encoder.form(event, mode)
        return BrokerMessage((("content-type", form.headers[0][1]),), form.body)
    headers = [
        ("content-type", value) if name == "datacontenttype" else (f"ce_{name}", value)
        for name, value in attributes_of(event)
    ]
    return BrokerMessage(tuple(headers), None if event.form is DataForm.NONE else event.data)
