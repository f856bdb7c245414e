"""
The fixtures for hand-written tests, as such tests use them.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import ScenarioError
from simulator.testing.live_environment import LiveClock, LiveEnvironment, LiveGateway
from simulator.testing.live_sensor import LoneSensor, StepDidNotHold

MakeEnv = Callable[..., LiveEnvironment]
MakeGateway = Callable[..., LiveGateway]

NATS = """
    gateway:
      name: orders-gateway
      type: nats
      configMap:
        orders: |-
          url: nats://nats.argo-events:4222
          attributes: {subject: orders}
      watchers: {sensors: [{name: audit}, {name: backup}]}
"""
HOOK = {"orders": "{port: '12000', endpoint: /orders, method: POST}"}
TICK = {"tick": "interval: 10s"}


def post(url: str, body: object, content_type: str = "application/json") -> int:
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"content-type": content_type}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


STORE = """
gateway:
  name: store
  type: artifact
  configMap:
    put: |-
      s3EventConfig: {bucket: orders, endpoint: "minio:9000", event: "s3:ObjectCreated:*"}
      insecure: true
      accessKey: {name: minio, key: user}
      secretKey: {name: minio, key: password}
    removed: |-
      s3EventConfig: {bucket: orders, endpoint: "minio:9000", event: "s3:ObjectRemoved:*"}
      insecure: true
      accessKey: {name: minio, key: user}
      secretKey: {name: minio, key: password}
  secrets: {minio: {user: me, password: a-secret-key}}
  watchers: {sensors: [{name: audit}]}
services: {s3: {buckets: [orders]}}
"""


def test_an_environment_is_driven_step_by_step(gatesim_env: MakeEnv) -> None:
    env = gatesim_env(NATS)
    env.publish(subject="orders", data={"order": 7})
    env.expect("audit", count=1, each={"type": "nats", "data": {"order": 7}})
    env.expect(watchers=["audit", "backup"], same=["id", "data"], since="start")
    assert env.events("backup")[0].json() == {"order": 7}
    assert env.gateway.status()["orders"].phase == "Running"


def test_a_service_is_broken_and_healed(gatesim_env: MakeEnv) -> None:
    env = gatesim_env(NATS)
    env.fault("nats", kill=True)
    env.publish(subject="orders", data=1, may_fail=True)
    env.restart(service="nats")
    env.advance("30s")
    env.publish(subject="orders", data=2)
    env.expect("audit", in_order=[{"data": 2}])


def test_objects_are_put_and_removed(gatesim_env: MakeEnv) -> None:
    env = gatesim_env(STORE)
    env.put(bucket="orders", key="7.json", data={"order": 7}, headers={"Content-Type": "application/json"})
    env.expect("audit", count=1, each={"source": "store/put", "subject": "7.json"})
    env.remove(bucket="orders", key="7.json")
    env.expect("audit", count=1, each={"source": "store/removed", "subject": "7.json"})


CLUSTER = """
gateway:
  name: cluster
  type: resource
  configMap:
    settings: |-
      namespace: default
      version: v1
      kind: ConfigMap
  watchers: {sensors: [{name: audit}]}
"""


def settings(name: str, level: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"level": level}}


def test_kubernetes_objects_are_applied_and_deleted(gatesim_env: MakeEnv, tmp_path: Path) -> None:
    env = gatesim_env(CLUSTER)
    env.apply(settings("a", "1"))
    env.expect("audit", count=1, each={"subject": "default/a", "operation": "added"})
    env.apply(settings("a", "2"), settings("b", "1"))
    env.expect("audit", in_order=[{"subject": "default/a", "operation": "modified"}, {"subject": "default/b"}])
    file = tmp_path / "objects.yaml"
    file.write_text(json.dumps(settings("c", "1")))
    env.apply(file=str(file))
    env.expect("audit", count=1, each={"subject": "default/c"})
    env.delete(kind="ConfigMap", name="a")
    env.expect("audit", count=1, each={"subject": "default/a", "operation": "deleted"})
    with pytest.raises(ValueError, match="lacks objects"):
        env.apply()


def test_any_fault_can_be_made_without_having_been_announced(gatesim_env: MakeEnv) -> None:
    env = gatesim_env(NATS)
    env.fault("nats", latency="3s")
    env.publish(subject="orders", data=1)
    env.advance("2s")
    assert not env.events("audit")
    env.advance("2s")
    env.heal("nats")
    env.expect("audit", count=1)


def test_a_head_may_be_a_mapping(gatesim_env: MakeEnv) -> None:
    gateway = {"name": "g", "type": "calendar", "configMap": TICK, "watchers": {"sensors": [{"name": "audit"}]}}
    env = gatesim_env({"gateway": gateway, "clock": {"virtual": "2020-02-28T23:59:55Z"}})
    env.advance("10s")
    env.expect("audit", in_order=[{"time": "2020-02-29T00:00:05Z"}])


def test_a_step_that_does_not_hold_is_an_assertion_error_with_its_reason(gatesim_gateway: MakeGateway) -> None:
    gateway = gatesim_gateway("calendar", TICK)
    with pytest.raises(StepDidNotHold, match="expected 1 event, got 0") as caught:
        gateway.env.expect("audit", count=1)
    assert isinstance(caught.value, AssertionError)
    assert caught.value.cls == "not-received"


def test_the_clock_moves_only_when_told(gatesim_gateway: MakeGateway, gatesim_clock: LiveClock) -> None:
    gateway = gatesim_gateway("calendar", TICK)
    assert gatesim_clock.now() == datetime(2018, 10, 7, 12, tzinfo=UTC)
    gatesim_clock.advance("1m")
    assert gatesim_clock.now() == datetime(2018, 10, 7, 12, 1, tzinfo=UTC)
    assert len(gateway.env.events()) == 6


def test_a_clock_without_an_environment_says_how_to_make_one(gatesim_clock: LiveClock) -> None:
    with pytest.raises(LookupError, match="gatesim_env or gatesim_gateway"):
        gatesim_clock.now()


def test_a_gateway_answers_requests_of_the_scenario_and_of_any_client(gatesim_gateway: MakeGateway) -> None:
    gateway = gatesim_gateway("webhook", HOOK, clock="real")
    answer = gateway.request(path="/orders", data={"order": 7})
    assert answer is not None
    assert answer.status == 200
    assert post(gateway.url("/orders"), {"order": 8}) == 200
    assert [event.json()["order"] for event in gateway.env.events()] == [7, 8]


def test_a_gateway_is_reconfigured_and_restarted(gatesim_gateway: MakeGateway) -> None:
    gateway = gatesim_gateway("calendar", TICK)
    gateway.configure({"slow": "interval: 1h"})
    assert set(gateway.status()) == {"slow"}
    gateway.restart("crash")
    gateway.env.advance("1h")
    gateway.env.expect("audit", count=1, each={"source": "calendar-gateway/slow"})


def test_a_sensor_of_an_environment_misbehaves_when_told(gatesim_gateway: MakeGateway) -> None:
    env = gatesim_gateway("calendar", TICK).env
    env.sensor("audit").refuse(503, times=2)
    env.advance("15s")
    assert (env.sensor("audit").offered, len(env.events())) == (3, 1)
    env.sensor("audit").hold()
    env.advance("5s")
    assert len(env.events()) == 1
    env.sensor("audit").release()
    assert len(env.events()) == 2


def test_requests_that_do_not_block_are_waited_for_by_name(gatesim_gateway: MakeGateway) -> None:
    gateway = gatesim_gateway("webhook", HOOK)
    gateway.env.sensor("audit").hold()
    assert gateway.request(path="/orders", data=1, as_="r1") is None
    gateway.env.expect("audit", offered=1)
    gateway.env.sensor("audit").release()
    gateway.env.expect(response={"of": "r1", "status": 200})


def test_events_are_those_that_are_there_once_nothing_is_under_way(gatesim_gateway: MakeGateway) -> None:
    gateway = gatesim_gateway("webhook", HOOK)
    gateway.request(path="/orders", data=1, as_="r1")
    assert [event.json() for event in gateway.env.events()] == [1]


def test_the_end_can_be_judged_as_that_of_a_scenario(gatesim_gateway: MakeGateway) -> None:
    gateway = gatesim_gateway("calendar", TICK)
    gateway.env.advance("10s")
    with pytest.raises(StepDidNotHold, match="unexpected: audit accepted 1 event that no `expect` covers"):
        gateway.env.conclude()


def test_two_environments_live_side_by_side(gatesim_gateway: MakeGateway) -> None:
    one, two = gatesim_gateway("calendar", TICK), gatesim_gateway("calendar", TICK)
    one.env.advance("30s")
    assert (len(one.env.events()), len(two.env.events())) == (3, 0)


def test_a_wrong_head_names_the_line_of_its_text(gatesim_env: MakeEnv) -> None:
    with pytest.raises(ScenarioError, match=r"(?s):4:3: unknown key `tpye`.*did you mean `type`"):
        gatesim_env(NATS.replace("type:", "tpye:"))


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("expect", {"watcher": "audti", "count": 1}, "no watcher is called `audti` .did you mean `audit`"),
        ("expect", {"watcher": "audit", "cuont": 1}, "unknown key `cuont`"),
        ("advance", 30, "a duration carries its unit"),
        ("expcet", {}, "unknown step `expcet` .did you mean `expect`"),
    ],
)
def test_a_wrong_step_says_what_would_be_right(kind: str, value: Any, said: str, gatesim_gateway: MakeGateway) -> None:
    with pytest.raises(ValueError, match=said):
        gatesim_gateway("calendar", TICK).env.step(kind, value)


def test_a_lone_sensor_accepts_what_anybody_dispatches(gatesim_sensor: Callable[..., LoneSensor]) -> None:
    sensor = gatesim_sensor("audit")
    sensor.refuse(503, times=1)
    event = {"specversion": "1.0", "id": "1", "source": "/mine", "type": "mine", "data": {"order": 7}}
    answers = [post(sensor.url, event, "application/cloudevents+json") for _ in range(2)]
    assert answers == [503, 202]
    assert [each.json() for each in sensor.wait(count=1)] == [{"order": 7}]
    assert sensor.offered == 2
    with pytest.raises(StepDidNotHold, match="expected 2 or more events at audit within 50ms, got 1"):
        sensor.wait(count=2, within="50ms")


def test_a_lone_sensor_that_is_down_refuses_connections_until_it_is_back_at_the_same_port(
    gatesim_sensor: Callable[..., LoneSensor],
) -> None:
    sensor = gatesim_sensor("audit")
    url, event = sensor.url, {"specversion": "1.0", "id": "1", "source": "/mine", "type": "mine"}
    for come_back in (sensor.accept, sensor.release):
        sensor.down()
        sensor.down()
        with pytest.raises(urllib.error.URLError) as refused:
            post(url, event, "application/cloudevents+json")
        assert isinstance(refused.value.reason, ConnectionRefusedError)
        come_back()
        assert post(sensor.url, event, "application/cloudevents+json") == 202
    assert sensor.url == url
    assert sensor.offered == 2


def test_what_is_no_cloudevent_is_refused_by_a_lone_sensor(gatesim_sensor: Callable[..., LoneSensor]) -> None:
    assert post(gatesim_sensor("audit").url, {"no": "event"}) == 400


def test_a_failing_test_shows_its_own_line_and_none_of_ours(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_it(gatesim_gateway):
            gateway = gatesim_gateway("calendar", {"tick": "interval: 10s"})
            gateway.env.expect("audit", count=1)
    """)
    result = pytester.runpytest()
    result.stdout.fnmatch_lines([">       gateway.env.expect(*", "E       *StepDidNotHold: not-received: expected 1*"])
    assert "live_environment.py" not in result.stdout.str().partition("short test summary")[0]


def test_a_service_that_cannot_be_had_skips_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from simulator.errors import ServiceUnavailable
        import simulator.testing.live_environment

        def test_it(gatesim_gateway, monkeypatch):
            async def absent(self):
                raise ServiceUnavailable("nats", "embedded", "it is not there", "install it")
            monkeypatch.setattr(simulator.testing.live_environment.Environment, "__aenter__", absent)
            gatesim_gateway("calendar", {})
    """)
    result = pytester.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*it is not there; install it"])
