"""
One contract for every service and every provider of it.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvloop

from simulator.errors import ServiceUnavailable
from simulator.installing.binaries import find
from simulator.services.process import LocalProcess
from simulator.services.service import Service
from tests.simulator.services.contract import Contract
from tests.simulator.services.contracts import CHILDREN, CONTRACTS
from tests.simulator.services.processes import is_gone

PAYLOADS = [b"one", b"", b"\x00\xff", b"x" * 100_000]
FAULT_VALUES: dict[str, Any] = {"latency": 0.01, "rate": 1_000_000.0}

every_contract = pytest.mark.parametrize("contract", CONTRACTS, ids=str)
every_process = pytest.mark.parametrize("contract", [each for each in CONTRACTS if each.is_process], ids=str)
"""Services that run in a process of their own."""
every_form = pytest.mark.parametrize("contract", [*CONTRACTS, *CHILDREN], ids=str)


@pytest.fixture(autouse=True)
def _only_what_is_installed(request: pytest.FixtureRequest) -> None:
    program = request.getfixturevalue("contract").program
    if program and find(program) is None:
        pytest.skip(f"{program} is not on this machine: gatesim env install {program}")


class RealTime:
    """
    Scenario time that is real.
    """

    def __init__(self) -> None:
        self.stalls = 0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        return asyncio.get_running_loop().call_later(seconds, callback).cancel

    def stall_peer(self, peer: str) -> Callable[[], None]:
        self.stalls += 1
        return self._release

    def _release(self) -> None:
        self.stalls -= 1


@asynccontextmanager
async def started(
    contract: Contract, setup: Mapping[str, Any] | None = None, *, relayed: bool = True, deaths: list[str] | None = None
) -> AsyncIterator[Service]:
    died = deaths.append if deaths is not None else lambda cause: None
    service = contract.service(
        contract.shape.type,
        {**contract.usual, **(setup or {})},
        peers=contract.shape.addresses,
        relayed=relayed,
        time=RealTime(),
        died=died,
    )
    try:
        await service.start()
        yield service
    finally:
        await service.stop()


def play(story: Callable[[], Any]) -> None:
    """
    On both event loops that scenarios are played on.
    """

    async def limited() -> None:
        async with asyncio.timeout(30):
            await story()

    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(limited())


@every_contract
@pytest.mark.parametrize("relayed", [False, True], ids=["direct", "relayed"])
def test_what_is_published_is_received_at_the_endpoint_in_order(contract: Contract, relayed: bool) -> None:
    async def story() -> None:
        async with started(contract, relayed=relayed) as service, contract.listen(service.endpoint) as received:
            published = await service.publish([contract.stimulus(payload) for payload in PAYLOADS])
            assert (published.taken, published.cause) == (True, "")
            assert [await received.get() for _ in PAYLOADS] == PAYLOADS

    play(story)


@every_contract
def test_every_kind_of_set_up_starts_takes_a_stimulus_and_stops(contract: Contract) -> None:
    async def story() -> None:
        for setup in contract.setups:
            async with started(contract, setup) as service:
                assert (await service.publish([contract.stimulus(b"1")] * 3)).taken, setup
                assert any(mark.isdigit() for mark in service.version)

    play(story)


@every_contract
@pytest.mark.parametrize("relayed", [False, True], ids=["direct", "relayed"])
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_keeps_the_address(contract: Contract, how: str, relayed: bool) -> None:
    async def story() -> None:
        deaths: list[str] = []
        async with started(contract, relayed=relayed, deaths=deaths) as service:
            endpoint = service.endpoint
            await service.restart(how)
            assert service.endpoint == endpoint
            async with contract.listen(endpoint) as received:
                assert (await service.publish([contract.stimulus(b"again")])).taken
                assert await received.get() == b"again"
        assert deaths == []

    play(story)


@every_form
def test_a_service_that_is_stopped_at_first_has_an_address_that_refuses(contract: Contract) -> None:
    async def story() -> None:
        async with started(contract, {"stopped": True}) as service:
            endpoint = service.endpoint
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*endpoint)
            published = await service.publish([contract.stimulus(b"1")])
            assert not published.taken
            assert published.cause
            await service.restart("stop")
            async with contract.listen(endpoint):
                assert service.endpoint == endpoint

    play(story)


@every_form
def test_every_fault_of_its_shape_breaks_and_heals(contract: Contract) -> None:
    async def story() -> None:
        async with started(contract) as service:
            for fault in sorted(each for each in contract.shape.faults if not service.cannot(each)):
                await service.fault(fault, {"reply": contract.reply, **FAULT_VALUES}.get(fault, True))
                await service.heal()
                async with contract.listen(service.endpoint) as received:
                    assert (await service.publish([contract.stimulus(fault.encode())])).taken, fault
                    assert await received.get() == fault.encode()

    play(story)


@every_form
def test_a_service_that_is_killed_by_a_fault_refuses_until_healed(contract: Contract) -> None:
    async def story() -> None:
        deaths: list[str] = []
        async with started(contract, deaths=deaths) as service:
            await service.fault("kill", True)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*service.endpoint)
            assert not (await service.publish([contract.stimulus(b"1")])).taken
            await service.heal()
            assert (await service.publish([contract.stimulus(b"2")])).taken
        assert deaths == []

    play(story)


@every_contract
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_ends_live_connections(contract: Contract, how: str) -> None:
    async def story() -> None:
        async with started(contract) as service:
            reader, writer = await asyncio.open_connection(*service.endpoint)
            if contract.greeting:
                writer.write(contract.greeting)
            await reader.read(1)
            await service.restart(how)
            await reader.read()
            assert reader.at_eof()
            writer.close()

    play(story)


@every_contract
def test_what_a_lasting_set_up_keeps_outlives_a_kill(contract: Contract) -> None:
    if contract.lasting is None:
        pytest.skip(f"{contract} keeps nothing")

    async def story() -> None:
        async with started(contract, contract.lasting) as service:
            assert (await service.publish([contract.stimulus(b"kept")] * 3)).taken
            await service.restart("kill")
            assert (await service.publish([contract.stimulus(b"more")])).taken
            assert contract.kept is not None
            assert await contract.kept(service) == 4

    play(story)


@every_contract
def test_a_configuration_covers_its_own_stimuli_and_no_others(contract: Contract) -> None:
    async def story() -> None:
        async with started(contract) as service:
            stimulus = contract.stimulus(b"1")
            assert service.covers(contract.text, stimulus)
            assert not service.covers(contract.other_text, stimulus)
            for nonsense in ("", "- a", "{", "a: [", "attributes: 5", "null"):
                assert not service.covers(nonsense, stimulus)

    play(story)


@every_contract
def test_the_service_knows_whether_anybody_still_listens(contract: Contract) -> None:
    async def story() -> None:
        async with started(contract) as service:
            async with contract.listen(service.endpoint):
                assert await service.absent(contract.text) is False
                assert await service.absent(contract.other_text) is True
            while not await service.absent(contract.text):
                await asyncio.sleep(0)  # the listener has left in its own way; the service notices in its own time
            await service.fault("kill", True)
            assert await service.absent(contract.text) is None

    play(story)


@pytest.mark.parametrize("contract", [each for each in CONTRACTS if each.fence is not None], ids=str)
def test_a_fence_goes_the_way_of_the_stimuli(contract: Contract) -> None:
    fence = contract.fence
    if fence is None:
        pytest.skip(f"{contract} has no place for a fence")

    async def story() -> None:
        async with started(contract) as service, contract.listen(service.endpoint) as received:
            await service.publish([contract.stimulus(b"before")])
            assert await service.fence(contract.text, "mark-1")
            assert await received.get() == b"before"
            fenced = await received.get()
            assert fence(fenced)
            assert b"mark-1" in fenced

    play(story)


@pytest.mark.parametrize("contract", [each for each in [*CONTRACTS, *CHILDREN] if each.is_process], ids=str)
def test_a_death_is_told_with_its_cause_and_the_service_can_be_had_again(contract: Contract) -> None:
    async def story() -> None:
        deaths: list[str] = []
        async with started(contract, deaths=deaths) as service:
            process: LocalProcess = service._process  # type: ignore[attr-defined]  # killed as from outside
            process._child.kill_group()  # type: ignore[union-attr]
            while not deaths:
                await asyncio.sleep(0)
            assert "SIGKILL" in deaths[0]
            assert not (await service.publish([contract.stimulus(b"1")])).taken
            assert process.log_tail()
            await service.restart("kill")
            assert (await service.publish([contract.stimulus(b"2")])).taken

    play(story)


@every_process
def test_a_stop_leaves_nothing_and_may_come_twice(contract: Contract) -> None:
    async def story() -> None:
        before = asyncio.all_tasks()
        async with started(contract, contract.lasting) as service:
            await service.publish([contract.stimulus(b"1")])
            endpoint = service.endpoint
            folder = service._process.folder if contract.is_process else None  # type: ignore[attr-defined]
            await service.stop()
            assert folder is None or not folder.exists()
            with socket.socket() as other:
                other.bind(endpoint)
            await service.stop()
        assert asyncio.all_tasks() == before

    play(story)


@every_process
def test_what_cannot_be_had_here_says_how_to_get_it(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract.missing, lambda *name: None)

    async def story() -> None:
        with pytest.raises(ServiceUnavailable) as missing:
            async with started(contract):
                pass
        assert missing.value.how

    play(story)


OWNER = """
import asyncio, json, sys
from tests.simulator.services.contracts import CONTRACTS
from tests.simulator.services.test_contract import started

async def main():
    contract = next(each for each in CONTRACTS if each.name == sys.argv[1])
    async with started(contract, contract.lasting) as service:
        print(service.pid, service._process.folder, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@every_process
def test_when_its_owner_is_killed_the_service_is_gone_within_five_seconds(contract: Contract) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, contract.name], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid, folder = owner.stdout.readline().split()
    owner.kill()
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 5
    while not is_gone(int(pid)) or Path(folder).exists():
        assert time.monotonic() < deadline, "the guardian has not cleaned up"
