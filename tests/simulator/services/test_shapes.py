"""
Shapes of services: found without importing a client, and the addresses that they read out of texts.
"""

import subprocess
import sys

import pytest

from simulator.scenario_file.step import FAULTS
from simulator.scenario_file.wording import keys_of
from simulator.services.shapes import SHAPES, ServiceShape, address_of, service_of


def test_each_type_of_this_version_has_a_shape_under_its_name():
    assert set(SHAPES) >= {"kubernetes", "nats", "s3", "webhook", "clock"}
    assert {name: shape.type for name, shape in SHAPES.items()} == {name: name for name in SHAPES}


def test_an_unknown_type_has_none():
    assert SHAPES.get("../nats") is None
    assert SHAPES.get("mqt") is None


def test_shapes_are_imported_without_a_client():
    code = "import sys; from simulator.services.shapes import SHAPES; list(SHAPES.values()); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"nats", "asyncio", "aiohttp", "simulator.services.service"} & set(shown)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=lambda shape: shape.type)
def test_a_shape_s_faults_are_of_the_closed_list(shape: ServiceShape):
    assert shape.faults <= set(FAULTS)


def test_nats_takes_a_subject_and_a_reply_subject():
    publish = SHAPES["nats"].publish
    assert publish is not None
    assert keys_of(publish) == ["subject", "replyTo"]


def test_an_object_store_takes_puts_and_removals_and_no_messages():
    shape = SHAPES["s3"]
    assert shape.takes("publish") is None
    for verb in ("put", "remove"):
        taken = shape.takes(verb)
        assert taken is not None
        assert keys_of(taken) == ["bucket", "key"]
    assert SHAPES["nats"].takes("put") is None


def test_a_gateway_type_may_be_served_by_a_service_of_another_name():
    assert (service_of("artifact"), service_of("resource"), service_of("nats")) == ("s3", "kubernetes", "nats")


@pytest.mark.parametrize(
    ("configuration", "addresses"),
    [
        ({"s3EventConfig": {"endpoint": "minio.argo-events:9000"}}, ["minio.argo-events:9000"]),
        ({"S3eventconfig": {"Endpoint": "minio"}}, ["minio:443"]),
        ({"s3EventConfig": {"endpoint": "minio"}, "insecure": True}, ["minio:80"]),
        ({"s3EventConfig": {"endpoint": 5}}, []),
        ({"s3EventConfig": ["endpoint"]}, []),
        ("text", []),
    ],
)
def test_the_endpoint_of_an_artifact_configuration_is_an_address(configuration, addresses):
    assert SHAPES["s3"].addresses_in(configuration) == addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("nats://nats.argo-events:4222", "nats.argo-events:4222"),
        ("nats.argo-events", "nats.argo-events:4222"),
        ("tls://user:pa@ss@host:1/x?y", "host:1"),
        ("nats://user:pass@host/path", "host:4222"),
        (" host:7 ", "host:7"),
        ("nats://[::1]:5", "::1:5"),
        ("", ":4222"),
    ],
)
def test_an_address_is_host_and_port_of_a_url(text, address):
    assert address_of(text, 4222) == address


def test_addresses_are_read_from_the_key_in_any_case_and_from_lists():
    shape = SHAPES["nats"]
    assert shape.addresses_in({"URL": "nats://a, nats://b:5"}) == ["a:4222", "b:5"]
    for other in (None, "x", [1], {"url": 5}, {"ur": "a"}, {"url": ""}):
        assert shape.addresses_in(other) == []
