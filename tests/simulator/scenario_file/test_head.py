"""
Head: defaults, and the short forms of clock and guarantee.
"""

from datetime import UTC, datetime

import pytest

from simulator.scenario_file.head import Gateway, Guarantee, Head, ServiceSetup, VirtualTime

LEAST = {"apiVersion": "gatesim/v1", "scenario": "x", "steps": [{}]}


def test_time_is_virtual_and_begins_on_the_guide_s_day_in_utc():
    clock = Head.model_validate(LEAST).clock
    assert clock == VirtualTime(virtual=datetime(2018, 10, 7, 12, tzinfo=UTC), zone="UTC")


def test_time_may_be_real():
    assert Head.model_validate({**LEAST, "clock": "real"}).clock == "real"


@pytest.mark.parametrize("written", ["at-least-once", {"mode": "at-least-once"}])
def test_a_guarantee_may_be_its_mode_alone(written):
    assert Head.model_validate({**LEAST, "guarantee": written}).guarantee == Guarantee(mode="at-least-once")


def test_a_gateway_has_a_version_and_no_configmap_unless_it_says_so():
    gateway = Gateway.model_validate({"name": "g", "type": "t", "rpcPort": 9000})
    assert (gateway.version, gateway.config_map, gateway.rpc_port) == ("1.0", None, "9000")


def test_what_a_service_s_type_knows_is_kept_apart():
    setup = ServiceSetup.model_validate({"as": ["h:1"], "streams": {"A": {}}})
    assert (setup.as_, setup.setup) == (("h:1",), {"streams": {"A": {}}})


def test_an_expected_loss_is_spelled_with_a_dash():
    head = Head.model_validate({**LEAST, "allow": {"not-received": 1}})
    assert head.allow is not None
    assert head.allow.not_received == 1
