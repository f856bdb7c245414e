"""
Status, health and metrics over HTTP.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateways.clock import SystemClock
from gateways.control_port import ControlPort
from gateways.status import COUNTERS, Phase, Status
from tests.gateways.surroundings import START, ask, play


@asynccontextmanager
async def control(**phases: Phase) -> AsyncIterator[tuple[Status, int]]:
    status = Status(started_at=START)
    for name, phase in phases.items():
        status.mark(status.add(name, f"id-{name}", at=START), phase, "", at=START)
    port = ControlPort("hooks", status, SystemClock())
    try:
        yield status, await port.start("127.0.0.1", 0)
    finally:
        await port.close()


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_status_is_that_of_the_gateway_resource() -> None:
    async def story() -> None:
        async with control(foo=Phase.RUNNING) as (status, port):
            code, headers, body = await ask(port, get("/status"))
            assert (code, headers["content-type"]) == (200, "application/json")
            assert json.loads(body) == {"metadata": {"name": "hooks"}, "status": status.as_json()}

    play(story)


@pytest.mark.parametrize(
    ("phases", "code", "body"),
    [
        ({}, 200, b"ok\n"),
        ({"a": Phase.RUNNING, "b": Phase.COMPLETED}, 200, b"ok\n"),
        ({"a": Phase.RUNNING, "b": Phase.ERROR, "c": Phase.INITIALIZED}, 503, b"b: Error\nc: Initialized\n"),
    ],
)
def test_ready_is_who_listens_or_is_done(phases: dict[str, Phase], code: int, body: bytes) -> None:
    async def story() -> None:
        async with control(**phases) as (_, port):
            assert (await ask(port, get("/readyz")))[::2] == (code, body)
            assert (await ask(port, get("/healthz")))[::2] == (200, b"ok\n")

    play(story)


def test_metrics_are_the_counters_and_phases_of_each_configuration() -> None:
    async def story() -> None:
        async with control(foo=Phase.RUNNING, bar=Phase.ERROR) as (status, port):
            for number, counter in enumerate(COUNTERS):
                status.nodes["id-foo"].counters[counter] = number
            _, headers, body = await ask(port, get("/metrics"))
            assert headers["content-type"].startswith("text/plain; version=")
            samples = {
                (sample.name, sample.labels["node"], sample.labels.get("phase", "")): sample.value
                for family in text_string_to_metric_families(body.decode())
                for sample in family.samples
            }
            for number, counter in enumerate(COUNTERS):
                assert samples[f"gatesim_gateway_{counter}_total", "id-foo", ""] == number
                assert samples[f"gatesim_gateway_{counter}_total", "id-bar", ""] == 0
            assert samples["gatesim_gateway_phase", "id-foo", "Running"] == 1
            assert samples["gatesim_gateway_phase", "id-foo", "Error"] == 0
            assert samples["gatesim_gateway_phase", "id-bar", "Error"] == 1

    play(story)


@pytest.mark.parametrize("path", ["/status", "/healthz", "/readyz", "/metrics"])
def test_head_is_get_without_a_body_and_other_methods_are_refused(path: str) -> None:
    async def story() -> None:
        async with control() as (_, port):
            code, headers, _ = await ask(port, get(path, "HEAD"))
            assert (code, int(headers["content-length"]) > 0) == (200, True)
            code, headers, _ = await ask(port, get(path, "DELETE"))
            assert (code, headers["allow"]) == (405, "GET, HEAD")

    play(story)


def test_elsewhere_is_nothing_and_the_pages_are_named() -> None:
    async def story() -> None:
        async with control() as (_, port):
            code, _, body = await ask(port, get("/"))
            assert code == 404
            assert b"/status, /healthz, /readyz, /metrics" in body

    play(story)
