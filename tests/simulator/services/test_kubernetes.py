"""
The Kubernetes service beyond the contract: verbs that are answered with an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from simulator.errors import SimulatorError
from simulator.installing.binaries import find
from simulator.scenario_file.step import FaultReply
from simulator.services.kubernetes import EmbeddedKubernetes
from simulator.services.local.kubernetes import LocalKubernetes
from simulator.services.service import Service


class StillTime:
    """
    Scenario time that stands.
    """

    def now(self) -> datetime:
        return datetime(2018, 10, 7, tzinfo=UTC)

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def stall_peer(self, peer: str) -> Callable[[], None]:
        return lambda: None


def service() -> EmbeddedKubernetes:
    return EmbeddedKubernetes("cluster", {}, peers=("c:443",), relayed=False, time=StillTime(), died=lambda cause: None)


async def status_of(kubernetes: Service, path: str) -> int:
    reader, writer = await asyncio.open_connection(*kubernetes.endpoint)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1])


def test_a_verb_is_answered_with_an_error_so_many_times_or_until_healed() -> None:
    async def story() -> None:
        kubernetes = service()
        await kubernetes.start()
        try:
            await kubernetes.fault("reply", FaultReply(request="list", error="TooManyRequests", times=2))
            await kubernetes.fault("reply", FaultReply(request="discover", error=500))
            nodes = [await status_of(kubernetes, "/api/v1/nodes") for _ in range(3)]
            groups = [await status_of(kubernetes, "/apis") for _ in range(3)]
            assert (nodes, groups) == ([429, 429, 200], [500] * 3)
            await kubernetes.heal()
            assert await status_of(kubernetes, "/apis") == 200
        finally:
            await kubernetes.stop()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("request_name", "error", "said"),
    [
        ("List", 500, "'List' is no verb of the API; there are discover, get, list, watch,"),
        ("list", "Overloaded", "the API has no error 'Overloaded'; there are 400 BadRequest, 401 Unauthorized,"),
    ],
)
def test_a_verb_or_an_error_that_the_api_does_not_have_is_told_so(
    request_name: str, error: str | int, said: str
) -> None:
    with pytest.raises(SimulatorError, match=said):
        asyncio.run(service().fault("reply", FaultReply(request=request_name, error=error)))


@pytest.mark.parametrize("make", [EmbeddedKubernetes, LocalKubernetes], ids=["embedded", "local"])
def test_a_list_that_is_streamed_is_a_watch_that_says_of_which_version_it_may_be(make: type[Service]) -> None:
    if make is LocalKubernetes and find("kubernetes") is None:
        pytest.skip("kube-apiserver is not on this machine: gatesim env install kubernetes")

    async def story() -> None:
        kubernetes = make("cluster", {}, peers=("c:443",), relayed=False, time=StillTime(), died=lambda cause: None)
        path = "/api/v1/namespaces/default/configmaps?sendInitialEvents=true"
        try:
            await kubernetes.start()
            assert await status_of(kubernetes, path) == 422
            assert await status_of(kubernetes, f"{path}&watch=true") == 422
            matched = f"{path}&watch=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"
            assert await status_of(kubernetes, matched) == 200
        finally:
            await kubernetes.stop()

    asyncio.run(story())


def test_a_fault_of_lines_that_there_is_none_of_is_told_so() -> None:
    async def story() -> None:
        kubernetes = EmbeddedKubernetes(
            "cluster", {}, peers=("c:443",), relayed=True, time=StillTime(), died=lambda cause: None
        )
        with pytest.raises(SimulatorError, match="kubernetes knows no fault 'dropAck'"):
            await kubernetes.fault("dropAck", True)

    asyncio.run(story())
