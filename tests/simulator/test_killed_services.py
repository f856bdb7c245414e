"""
Killed services: whatever is killed at whatever moment of a scenario, a verdict comes in time, and with a cause.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from random import Random
from typing import Any

import pytest
import yaml

from simulator.environment import Environment, PlayOptions
from simulator.ledger import Observation
from simulator.runner import ScenarioResult, play_blocking
from simulator.scenario_file.loader import load_text
from simulator.services.service import Service
from simulator.verdict import Verdict

LIMIT_S = 20.0
"""Of real time; what a scenario takes that nobody disturbs is a tenth of a second."""
AUDIT = {"sensors": [{"name": "audit"}]}


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}}


KEYS = {"accessKey": {"name": "s", "key": "k"}, "secretKey": {"name": "s", "key": "k"}}
S3 = {"bucket": "orders", "endpoint": "minio.example:9000", "event": "s3:ObjectCreated:Put"}
STORIES: dict[str, tuple[str, dict[str, Any], dict[str, Any], list[dict[str, Any]]]] = {
    "amqp": (
        "amqp",
        {},
        {"url": "amqp://amqp.example", "attributes": {"exchangeName": "e", "exchangeType": "fanout", "routingKey": ""}},
        [{"publish": {"exchange": "e", "text": str(n)}} for n in range(3)],
    ),
    "kafka": (
        "kafka",
        {"topics": {"t": {}}},
        {"url": "kafka.example", "attributes": {"topic": "t", "partition": "0"}},
        [{"publish": {"topic": "t", "text": str(n)}} for n in range(3)],
    ),
    "kubernetes": (
        "resource",
        {},
        {"version": "v1", "kind": "ConfigMap", "namespace": "shop"},
        [{"apply": {"manifest": config_map(f"c{n}")}} for n in range(3)],
    ),
    "mqtt": (
        "mqtt",
        {},
        {"url": "tcp://mqtt.example:1883", "attributes": {"topic": "t"}, "qos": 1},
        [{"publish": {"topic": "t", "qos": 1, "text": str(n)}} for n in range(3)],
    ),
    "nats": (
        "nats",
        {"streams": {"S": {"subjects": ["s"]}}},
        {"url": "nats.example", "attributes": {"subject": "s"}, "jetstream": {"stream": "S", "durable": "d"}},
        [{"publish": {"subject": "s", "text": str(n)}} for n in range(3)],
    ),
    "s3": (
        "artifact",
        {"buckets": ["orders"]},
        {"s3EventConfig": S3, "insecure": True, **KEYS},
        [{"put": {"bucket": "orders", "key": str(n), "text": "x"}} for n in range(3)],
    ),
}
"""Service to the gateway's type, how the service is prepared, what the configuration says, and the stimuli."""
EXPECT = {"expect": {"watcher": "audit", "count": 3, "within": "1m"}}


def scenario_text(service: str, steps: list[Any], **more: Any) -> str:
    gateway_type, setup, text, _ = STORIES[service]
    gateway = {
        "name": "bus",
        "type": gateway_type,
        "configMap": {"foo": yaml.safe_dump(text)},
        "watchers": AUDIT,
        "secrets": {"s": {"k": "a-secret-key"}},
    }
    head = {"apiVersion": "gatesim/v1", "scenario": "x", "guarantee": "at-least-once"}
    return yaml.safe_dump({**head, "services": {service: {**setup, **more}}, "gateway": gateway, "steps": steps})


def played(text: str, options: PlayOptions) -> ScenarioResult:
    (scenario,) = load_text(text)
    began = time.monotonic()
    result = play_blocking(scenario, options)
    assert time.monotonic() - began < LIMIT_S
    return result


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("service", STORIES)
def test_a_kill_between_any_two_steps_or_beside_them_ends_in_a_verdict_with_its_cause(service: str, seed: int) -> None:
    random = Random(f"{service} {seed}")
    steps: list[Any] = [*STORIES[service][3], {"advance": "2s"}, EXPECT]
    kill: list[Any] = [{"fault": {"service": service, "kill": True}}]
    comes_back = random.random() < 0.5
    if comes_back:
        wait = {"advance": f"{random.randint(0, 20)}s"}
        kill += [wait, random.choice([{"heal": {"service": service}}, {"restart": {"service": service}}])]
    if random.random() < 0.5:
        steps = [{"parallel": [steps, [{"advance": f"{random.randint(0, 2000)}ms"}, *kill]]}]
    else:
        at = random.randint(0, len(steps) - 1)
        steps[at:at] = kill
    result = played(scenario_text(service, steps), PlayOptions(seed=seed))
    assert result.verdict in (Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE), result.reason
    assert (result.verdict is Verdict.PASSED) == (result.reason.cls is None)
    assert result.verdict is Verdict.PASSED or result.reason.text
    if result.reason.cls == "not-received":
        assert any("bus/foo" in note for note in result.notes), "the gateway's log says what it met"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("service", [*STORIES, *(f"{name} process" for name in ("amqp", "kafka", "kubernetes", "s3"))])
def test_a_kill_from_outside_at_any_moment_of_the_story_ends_in_a_verdict_with_its_cause(
    service: str, seed: int
) -> None:
    service, _, form = service.partition(" ")
    delay_s = Random(f"{service} {form} {seed}").uniform(0.0, 0.1)
    killing: set[asyncio.Task[None]] = set()

    def kill(environment: Environment) -> None:
        for each in environment.services.values():
            killing.add(asyncio.ensure_future(killed(each)))

    def entered(environment: Environment) -> None:
        begun: list[bool] = []

        def begin(observation: Observation) -> None:
            if observation.kind == "step" and not begun:
                begun.append(True)
                asyncio.get_running_loop().call_later(delay_s, kill, environment)

        environment.ledger.listen(begin)

    steps = [*STORIES[service][3], {"advance": "2s"}, EXPECT]
    more = {"process": True} if form else {}
    result = played(scenario_text(service, steps, **more), PlayOptions(seed=seed, entered=entered))
    assert result.verdict is not Verdict.ERROR, result.reason
    assert result.verdict is Verdict.PASSED or result.reason.text
    assert all(task.done() and not task.exception() for task in killing)


async def killed(service: Service) -> None:
    """
    Kill *service* as somebody else would: its process, where it has one.
    """
    if not hasattr(service, "pid"):
        await service.fault("kill", True)
    elif pid := service.pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
