"""
Step: what the shapes of steps say beside their keys.
"""

import pytest

from simulator.scenario_file.step import FAULTS, EditConfigMap, Fault, Publish, Request, WatcherStep


@pytest.mark.parametrize(
    ("written", "payload"),
    [
        ({"data": {"a": [1, None]}}, b'{"a":[1,null]}'),
        ({"data": None}, b"null"),
        ({"data": "x"}, b'"x"'),
        ({"text": "ä"}, "ä".encode()),
        ({"text": ""}, b""),
        ({"base64": "AP8="}, b"\x00\xff"),
        ({}, b""),
    ],
)
def test_a_payload_is_json_text_or_bytes(written, payload):
    assert Request.model_validate({"path": "/", **written}).payload == payload


def test_what_publish_does_not_know_belongs_to_the_service():
    step = Publish.model_validate({"subject": "foo", "replyTo": "bar", "text": "", "mayFail": True, "as": "p"})
    assert (step.coordinates, step.may_fail, step.as_) == ({"subject": "foo", "replyTo": "bar"}, True, "p")


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_of_the_list_is_named_as_in_the_file(name):
    values = {"latency": "1s", "rate": "64KiB/s", "reply": {"request": "Fetch", "error": "X"}}
    assert Fault.model_validate({"service": "s", name: values.get(name, True)}).name == name


@pytest.mark.parametrize(("text", "rate"), [("512B/s", 512), ("64KiB/s", 65536), ("1MiB/s", 1048576)])
def test_a_rate_is_bytes_a_second(text, rate):
    assert Fault.model_validate({"service": "s", "rate": text}).rate == rate


def test_replacing_by_nothing_deletes_the_configmap_and_by_an_empty_mapping_does_not():
    assert EditConfigMap.model_validate({"replace": None}).deletes
    assert not EditConfigMap.model_validate({"replace": {}}).deletes
    assert not EditConfigMap.model_validate({"set": {"a": "b"}}).deletes


def test_a_watcher_is_slow_in_seconds():
    assert WatcherStep.model_validate({"name": "a", "slow": "1m"}).slow == 60.0
