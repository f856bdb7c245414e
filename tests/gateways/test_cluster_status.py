"""
The status of a gateway as its Gateway object and Kubernetes Events show it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateways import cluster_status
from gateways.chance import Chance
from gateways.cluster_status import StatusWriter
from gateways.limits import Retry
from gateways.status import Node, Phase, Status
from tests.gateways.clusters import CLOCK, GATEWAY, TestCluster, a_cluster, play, server_of

RETRY = Retry(backoff_s=0.01, backoff_s_max=0.02, jitter=0)


class Written:
    """
    A status and whoever writes it.
    """

    def __init__(self, status: Status, writer: StatusWriter, reports: list[str]) -> None:
        self.status = status
        self.writer = writer
        self.reports = reports

    def add(self, name: str, id: str) -> Node:
        return self.status.add(name, id, at=CLOCK.now())

    def mark(self, node: Node, phase: Phase, message: str = "") -> None:
        self.status.mark(node, phase, message, at=CLOCK.now())


@asynccontextmanager
async def writing(cluster: TestCluster) -> AsyncIterator[Written]:
    reports: list[str] = []
    async with server_of(cluster) as server:
        status = Status(started_at=CLOCK.now())
        writer = StatusWriter(
            server, "shop", "default", status, clock=CLOCK, retry=RETRY, chance=Chance(0), report=reports.append
        )
        task = asyncio.create_task(writer.run())
        try:
            yield Written(status, writer, reports)
        finally:
            task.cancel()
            await asyncio.wait({task})


def actions(cluster: TestCluster) -> list[str]:
    events = cluster.all_of("Event")
    return [event["action"] for event in sorted(events, key=lambda each: int(each["metadata"]["resourceVersion"]))]


def phases(cluster: TestCluster) -> dict[str, str]:
    return {id: node["phase"] for id, node in cluster.nodes().items()}


def test_entries_come_change_and_go_with_an_event_each() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            node = written.add("foo", "7")
            await written.writer.quiet()
            written.mark(node, Phase.RUNNING, "next at noon")
            await written.writer.quiet()
            entry = cluster.nodes()["7"]
            assert (entry["phase"], entry["message"], entry["displayName"]) == ("Running", "next at noon", "foo")
            assert "counters" not in entry
            written.status.remove(node)
            await written.writer.quiet()
            assert cluster.nodes() == {}
            assert actions(cluster) == ["Initialized", "Running", "Remove"]
            assert (
                len({event["metadata"]["labels"]["GATEWAY_CONFIG_TIME_ID"] for event in cluster.all_of("Event")}) == 1
            )

    play(story)


def test_changes_of_one_moment_are_one_write() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            nodes = [written.add(f"c{number}", str(number)) for number in range(200)]
            for node in nodes:
                written.mark(node, Phase.RUNNING)
            await written.writer.quiet()
            assert set(phases(cluster).values()) == {"Running"}
            assert sum(said.startswith("PATCH") for said in cluster.requests) == 1
            assert len(cluster.all_of("Event")) == 400

    play(story)


def test_an_incarnation_that_comes_after_another_has_a_time_id_of_its_own() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            written.status.remove(written.add("foo", "7"))
            written.add("foo", "7")
            await written.writer.quiet()
            assert actions(cluster) == ["Initialized", "Remove", "Initialized"]
            assert (
                len({event["metadata"]["labels"]["GATEWAY_CONFIG_TIME_ID"] for event in cluster.all_of("Event")}) == 2
            )
            assert phases(cluster) == {"7": "Initialized"}

    play(story)


def test_entries_of_a_process_before_go_and_what_others_wrote_stays() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            old = {"phase": "Running", "nodes": {"3": {"phase": "Running"}}}
            cluster.merge({**GATEWAY, "status": old}, "status")
            written.writer.write()
            await written.writer.quiet()
            assert cluster.nodes() == {}
            (gateway,) = cluster.all_of("Gateway", "argoproj.io/v1alpha1")
            assert gateway["status"]["phase"] == "Running"

    play(story)


@pytest.mark.parametrize("status", [409, 500, 403, 429])
def test_a_write_that_fails_is_made_again_until_it_is_done(status: int) -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            cluster.refuse("PATCH", "gateways", status, times=3)
            written.mark(written.add("foo", "7"), Phase.RUNNING)
            await cluster.until(lambda: phases(cluster) == {"7": "Running"})
            await written.writer.quiet()
            assert actions(cluster) == ["Initialized", "Running"]
            assert written.reports[-1] == "shop: the status is written again"

    play(story)


def test_a_conflict_is_read_anew_and_written_at_once() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            cluster.refuse("PATCH", "gateways", 409)
            written.add("foo", "7")
            await written.writer.quiet()
            assert phases(cluster) == {"7": "Initialized"}
            assert written.reports == []

    play(story)


def test_events_are_made_though_the_status_cannot_be_written() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            written.add("foo", "7")
            await cluster.until(lambda: actions(cluster) == ["Initialized"])
            await written.writer.quiet()
            assert written.reports == [
                "shop: the status cannot be written: there is no Gateway shop in namespace default"
            ]
            cluster.gateway()
            await cluster.until(cluster.nodes)

    play(story)


def test_an_event_that_is_refused_is_told_once_and_the_status_is_written() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            cluster.refuse("POST", "events", 403, times=2)
            written.mark(written.add("foo", "7"), Phase.RUNNING)
            await written.writer.quiet()
            assert phases(cluster) == {"7": "Running"}
            assert len([report for report in written.reports if "Event is refused" in report]) == 1
            assert actions(cluster) == []

    play(story)


def test_an_event_whose_name_is_taken_gets_another() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            cluster.refuse("POST", "events", 409)
            written.add("foo", "7")
            await written.writer.quiet()
            assert actions(cluster) == ["Initialized"]
            assert written.reports == []

    play(story)


def test_events_that_nobody_takes_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_status, "EVENTS_MAX", 3)

    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            held = cluster.hold()
            for number in range(10):
                written.add(f"c{number}", str(number))
            held.set()
            await written.writer.quiet()
            names = sorted(event["metadata"]["labels"]["config-name"] for event in cluster.all_of("Event"))
            assert names == ["c7", "c8", "c9"]
            assert written.reports == ["shop: 7 Kubernetes Events were dropped"]

    play(story)


def test_nothing_waits_for_a_write_that_hangs_and_the_newest_state_is_written_after_it() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            held = cluster.hold()
            node = written.add("foo", "7")
            reached = asyncio.create_task(_until(lambda: any(said.startswith("PATCH") for said in cluster.requests)))
            await reached
            for number in range(100):
                written.mark(node, Phase.ERROR, f"cause {number}")
            written.mark(node, Phase.RUNNING, "at last")
            held.set()
            await written.writer.quiet()
            assert cluster.nodes()["7"]["message"] == "at last"
            assert sum(said.startswith("PATCH") for said in cluster.requests) == 2

    async def _until(done: Any) -> None:
        while not done():
            await asyncio.sleep(0)

    play(story)


def test_what_changes_after_the_end_is_not_written() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            node = written.add("foo", "7")
            await written.writer.quiet()
            written.writer.end()
            written.status.remove(node)
            await written.writer.quiet()
            assert phases(cluster) == {"7": "Initialized"}
            assert actions(cluster) == ["Initialized"]

    play(story)


def test_a_definition_without_a_status_of_its_own_is_written_to_as_a_whole() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            definition = cluster.all_of("CustomResourceDefinition", "apiextensions.k8s.io/v1")[0]
            (version,) = definition["spec"]["versions"]
            without = {key: value for key, value in version.items() if key != "subresources"}
            cluster.merge({**definition, "metadata": {"name": definition["metadata"]["name"]},
                           "spec": {"versions": [without]}})  # fmt: skip
            written.add("foo", "7")
            await written.writer.quiet()
            assert phases(cluster) == {"7": "Initialized"}

    play(story)


def test_the_controller_s_instance_reports() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, writing(cluster) as written:
            cluster.gateway()
            label = "gateways.argoproj.io/gateway-controller-instanceid"
            cluster.merge({**GATEWAY, "metadata": {"name": "shop", "labels": {label: "lab"}}})
            written.add("foo", "7")
            await written.writer.quiet()
            (event,) = cluster.all_of("Event")
            (gateway,) = cluster.all_of("Gateway", "argoproj.io/v1alpha1")
            assert event["reportingInstance"] == "lab"
            assert event["involvedObject"]["uid"] == gateway["metadata"]["uid"]

    play(story)
