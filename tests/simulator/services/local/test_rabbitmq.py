"""
What a kept RabbitMQ promises beyond the contract of services: loopback alone, clean for the next one, nothing left.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import ServiceUnavailable
from simulator.installing.binaries import find
from simulator.keeping.kept_server import Unstartable
from simulator.keeping.rabbitmq import KeptRabbitMq
from simulator.services.local.rabbitmq import LocalRabbitMq
from simulator.services.service import Stimulus
from tests.simulator.services.processes import is_gone

pytestmark = pytest.mark.skipif(
    find("rabbitmq") is None, reason="RabbitMQ is not on this machine: gatesim env install rabbitmq"
)

TEXT = """
url: amqp://amqp.argo-events:5672
attributes: {exchangeName: orders, exchangeType: direct, routingKey: new}
queue: work
"""
SETUP = {
    "exchanges": {"orders": {"type": "direct"}},
    "queues": {"work": {"bindings": [{"exchange": "orders", "routingKey": "new"}]}},
}
OWNER = """
import asyncio
from simulator.keeping.rabbitmq import KeptRabbitMq

async def main():
    kept = KeptRabbitMq({}, lambda cause: None)
    await kept.start()
    print(kept._process.pid, kept._epmd.pid, kept._process.folder, kept._epmd.folder, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class RealTime:
    def now(self) -> Any:
        raise NotImplementedError

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        return asyncio.get_running_loop().call_later(seconds, callback).cancel

    def stall_peer(self, peer: str) -> Callable[[], None]:
        return lambda: None


def play(story: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await story

    asyncio.run(limited())


@asynccontextmanager
async def started(
    setup: dict[str, Any], *, name: str = "amqp", peers: Sequence[str] = (), deaths: list[str] | None = None
) -> AsyncIterator[LocalRabbitMq]:
    died = deaths.append if deaths is not None else lambda cause: None
    service = LocalRabbitMq(name, setup, peers=peers, relayed=True, time=RealTime(), died=died)
    try:
        await service.start()
        yield service
    finally:
        await service.stop()


def order(payload: bytes = b"1", **where: str) -> Stimulus:
    return Stimulus((("exchange", "orders"), ("routingKey", "new"), *where.items()), payload)


def test_whoever_comes_next_finds_nothing_of_the_one_before() -> None:
    async def story() -> None:
        async with started({**SETUP, "vhosts": ["other"], "users": {"me": "secret"}}) as service:
            assert (await service.publish([order()])).taken
        async with started({}) as service:
            assert "no exchange 'orders'" in (await service.publish([order()])).cause
            assert "no vhost other" in (await service.publish([order(vhost="other")])).cause
            assert (await service.publish([Stimulus((("routingKey", "work"),), b"1")])).taken
            mandatory = await service.publish([Stimulus((("routingKey", "work"), ("mandatory", "True")), b"1")])
            assert mandatory.cause.startswith("NO_ROUTE")

    play(story())


def test_two_of_one_scenario_are_two_servers() -> None:
    async def story() -> None:
        async with started({}, name="a") as a, started({}, name="b") as b:
            assert a.pid != b.pid

    play(story())


def test_a_death_is_told_with_its_cause_and_the_server_can_be_had_again() -> None:
    async def story() -> None:
        deaths: list[str] = []
        async with started(SETUP, deaths=deaths) as service:
            assert service.pid is not None
            os.kill(service.pid, signal.SIGKILL)
            while not deaths:
                await asyncio.sleep(0.01)
            assert deaths == ["RabbitMQ was ended by SIGKILL"]
            assert service.pid is None
            assert not (await service.publish([order()])).taken
            assert await service.absent(TEXT) is None
            await service.restart("kill")
            assert (await service.publish([order()])).taken

    play(story())


def test_over_tls_it_is_reached_again_after_a_kill_and_by_the_next_one_not_at_all() -> None:
    async def story() -> None:
        async with started({"tls": True}, peers=("amqp.example:5671",)) as service:
            await service.restart("kill")
            trusted = ssl.create_default_context()
            connecting = asyncio.open_connection(*service.endpoint, ssl=trusted, server_hostname="amqp.example")
            reader, writer = await connecting
            writer.write(b"AMQP\0\0\x09\x01")
            assert await reader.readexactly(1) == b"\x01"
            writer.transport.abort()
            port = service._access["tls_port"]
        async with started({}) as service:
            assert service._access["tls_port"] == port
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)

    play(story())


def test_what_the_server_refuses_is_said() -> None:
    async def story() -> None:
        refused = {"queues": {"work": {"bindings": [{"exchange": "nowhere"}]}}}
        with pytest.raises(Exception, match="no exchange 'nowhere'"):
            async with started(refused):
                pass

    play(story())


def test_faults_that_it_cannot_have_are_said_with_a_reason() -> None:
    service = LocalRabbitMq("amqp", {}, peers=(), relayed=True, time=RealTime(), died=lambda cause: None)
    assert [fault for fault in ("kill", "dropAck", "redeliver", "pause") if service.cannot(fault)] == [
        "dropAck",
        "redeliver",
    ]


def test_without_the_binary_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.keeping.kept_server.find", lambda name: None)

    async def story() -> None:
        with pytest.raises(Unstartable) as missing:
            await KeptRabbitMq({}, lambda cause: None).start()
        assert "gatesim env install rabbitmq" in missing.value.how

    play(story())


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="what listens is read from /proc")
def test_it_listens_on_loopback_alone_and_leaves_nothing_when_its_owner_is_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    try:
        node, epmd, *folders = owner.stdout.readline().split()
        heard = {*listening(int(node)), *listening(int(epmd))}
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    assert heard
    assert heard <= {"0100007F", "00000000000000000000000001000000"}
    deadline = time.monotonic() + 5
    while not (is_gone(int(node)) and is_gone(int(epmd))) or any(Path(folder).exists() for folder in folders):
        assert time.monotonic() < deadline, "the guardian has not cleaned up"


def listening(pid: int) -> set[str]:
    """
    The addresses, as the kernel writes them, at which *pid* takes connections.
    """
    own = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            own.add(os.readlink(link))
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own}


def test_it_is_unavailable_where_the_keeper_cannot_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*values: Any, **named: Any) -> Any:
        raise ServiceUnavailable("amqp", "local", "there is none", "get one")

    monkeypatch.setattr("simulator.keeping.lease.Lease.of", refused)

    async def story() -> None:
        for _ in range(2):  # its number is given up, so that the second one is not waited for
            with pytest.raises(ServiceUnavailable, match="there is none"):
                async with started({}):
                    pass

    play(story())
