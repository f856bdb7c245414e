"""
The fault matrix: whatever can break for a gateway type has a scenario that shows what becomes of events then.
"""

from __future__ import annotations

import pytest

from gateways.processor import Delivery
from gateways.registry import BUILT_IN, processor_for
from simulator.scenario_file.loader import load_text
from tests.fault_matrix import TROUBLES, Trouble, cells_of, fault_matrix, guarantee_of, why_never

every_type = pytest.mark.parametrize("gateway_type", BUILT_IN)


@every_type
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_what_can_break_is_shown_by_a_scenario_that_accounts_for_every_event(
    gateway_type: str, trouble: Trouble
) -> None:
    shown = fault_matrix()[gateway_type, trouble.name]
    assert bool(shown) != bool(why_never(gateway_type, trouble))


@every_type
def test_where_nothing_may_be_lost_each_trouble_has_a_scenario_in_which_nothing_is(gateway_type: str) -> None:
    if guarantee_of(gateway_type).strongest is Delivery.AT_MOST_ONCE:
        return
    for trouble in TROUBLES:
        shown = fault_matrix()[gateway_type, trouble.name]
        assert not shown or any(not each.lost for each in shown), trouble.name


@every_type
def test_a_type_takes_events_again_under_their_ids_where_it_can_promise_them_at_least_once(gateway_type: str) -> None:
    at_least_once = guarantee_of(gateway_type).strongest is Delivery.AT_LEAST_ONCE
    assert processor_for(gateway_type).redelivers is at_least_once


FILE = """\
apiVersion: gatesim/v1
scenario: x
{head}
gateway:
  name: bus
  type: amqp
  configMap:
    foo: |-
      url: amqp://amqp.example:5672
      attributes: {{exchangeName: foo, exchangeType: fanout, routingKey: ""}}
  watchers: {{sensors: [{{name: audit}}]}}
steps: [{steps}]
"""
EXPECT = "{expect: {watcher: audit, count: 0}}"
EDIT = "{repeat: {times: 3, steps: [{configMap: {remove: [foo]}}]}}"
KILL = "{fault: {service: amqp, kill: true}}"


@pytest.mark.parametrize(
    ("head", "steps", "names"),
    [
        ("guarantee: at-least-once", [KILL, EXPECT], ["the service is killed and restarted"]),
        ("guarantee: at-least-once", [f"{{parallel: [[{KILL}]]}}", EXPECT], ["the service is killed and restarted"]),
        ("guarantee: at-least-once", [EXPECT, KILL], []),
        ("guarantee: at-most-once", [KILL, EXPECT], []),
        ("allow: {not-received: 1}\nguarantee: at-most-once", [KILL, EXPECT], ["the service is killed and restarted"]),
        ("tags: [a]", [KILL, EXPECT], []),
        ("guarantee: at-least-once", [EDIT, EXPECT], []),
        ("guarantee: at-least-once", [EDIT, EDIT, EXPECT], ["a configuration flaps"]),
        ("guarantee: at-least-once", ["{restart: {gateway: bus}}", EXPECT], []),
        ("guarantee: at-least-once", ["{restart: {gateway: bus, how: crash}}", EXPECT], ["the gateway is killed"]),
        ("guarantee: at-least-once", ["{watcher: {name: audit, refuse: {status: 404}}}", EXPECT], []),
        ("guarantee: at-least-once", ["{watcher: {name: audit, slow: 1s}}", EXPECT], ["a watcher is slow"]),
    ],
)  # fmt: skip
def test_a_scenario_shows_what_its_file_breaks_before_it_expects_events(
    head: str, steps: list[str], names: list[str]
) -> None:
    (scenario,) = load_text(FILE.format(head=head, steps=", ".join(steps)))
    assert [name for _, name in cells_of(scenario)] == names
