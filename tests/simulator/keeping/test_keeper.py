"""
The keeper as a process: leases, what is left behind, and that nothing outlives those who asked for it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import ServiceUnavailable
from simulator.keeping import lease as lease_file
from simulator.keeping.lease import Lease, ask_keeper
from tests.simulator.services.processes import is_gone

ROOT = Path(__file__).parents[3]
PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from tests.simulator.keeping.fake_server import main; main()"
)
CLIENT = """
import asyncio, sys
from pathlib import Path
from simulator.keeping import lease
from tests.simulator.keeping import test_keeper
lease.keeper_socket = lambda: Path(sys.argv[1])
lease._PROGRAM = test_keeper.PROGRAM

async def main():
    mine = await lease.Lease.of("x", "fake", {})
    print(mine.access["pid"], mine.access["folder"], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def socket_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    path = tmp_path / "keeper" / "socket"
    monkeypatch.setattr(lease_file, "keeper_socket", lambda: path)
    monkeypatch.setattr(lease_file, "_PROGRAM", PROGRAM)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    yield path
    anchor = lease_file._anchors.pop(path, None)
    if anchor is not None:
        anchor.close()
    until(lambda: not path.exists())


def until(done: Callable[[], bool], limit_s: float = 5.0) -> None:
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)  # the observation is another process's


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(limited())


@pytest.mark.usefixtures("socket_path")
def test_a_clean_server_goes_from_one_to_the_next_with_its_data() -> None:
    async def story() -> None:
        first = await Lease.of("x", "fake", {})
        await first.ask("write", argument={"a": 1})
        await first.give_back(clean=True)
        second = await Lease.of("x", "fake", {})
        assert second.access == first.access
        assert await second.ask("read") == {"a": 1}
        await second.give_back(clean=True)

    play(story)


@pytest.mark.usefixtures("socket_path")
def test_whoever_does_not_clean_up_leaves_a_server_that_is_wiped() -> None:
    async def story() -> None:
        first = await Lease.of("x", "fake", {})
        await first.ask("write", argument=1)
        await first._leave()
        second = await Lease.of("x", "fake", {})
        assert second.access["pid"] != first.access["pid"]
        assert await second.ask("read") is None
        await second.give_back(clean=True)

    play(story)


@pytest.mark.usefixtures("socket_path")
def test_one_has_it_at_a_time_and_others_wait_in_order() -> None:
    async def story() -> None:
        first = await Lease.of("x", "fake", {})
        others = [asyncio.create_task(Lease.of("x", "fake", {})) for _ in range(2)]
        other_kind = await Lease.of("x", "fake", {"size": 2})
        assert other_kind.access != first.access
        assert [each["leased"] for each in await ask_keeper("status")] == [True, True]
        assert not any(task.done() for task in others)
        await first.give_back(clean=True)
        second = await others[0]
        assert not others[1].done()
        await second.give_back(clean=True)
        await (await others[1]).give_back(clean=True)
        await other_kind.give_back(clean=True)

    play(story)


@pytest.mark.usefixtures("socket_path")
def test_it_is_killed_started_paused_and_told_of() -> None:
    async def story() -> None:
        deaths: list[str] = []
        told = asyncio.Event()

        def died(cause: str) -> None:
            deaths.append(cause)
            told.set()

        lease = await Lease.of("x", "fake", {}, died)
        await lease.ask("kill")
        assert not deaths
        await lease.ask("start")
        await lease.ask("pause")
        await lease.ask("resume")
        [status] = await ask_keeper("status")
        os.kill(status["access"]["pid"], signal.SIGKILL)
        await told.wait()
        assert deaths == ["was ended by SIGKILL"]
        with pytest.raises(ServiceUnavailable, match="knows no command 'dance'"):
            await lease.ask("dance")
        await lease.give_back(clean=True)

    play(story)


@pytest.mark.usefixtures("socket_path")
def test_what_cannot_be_had_says_why_and_lets_the_next_one_try() -> None:
    async def story() -> None:
        for _ in range(2):
            with pytest.raises(ServiceUnavailable, match="it is broken; mend it"):
                await Lease.of("x", "fake", {"broken": True})

    play(story)


def test_when_its_clients_are_killed_everything_is_gone_within_five_seconds(socket_path: Path) -> None:
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(socket_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(1)
    ]
    [client] = clients
    assert client.stdout is not None
    pid, folder = client.stdout.readline().split()
    client.kill()
    client.wait()
    client.stdout.close()
    until(lambda: is_gone(int(pid)) and not Path(folder).exists() and not socket_path.exists())


def test_killed_itself_it_leaves_no_server_and_another_takes_over(socket_path: Path) -> None:
    async def story() -> None:
        first = await Lease.of("x", "fake", {})
        keeper = int(subprocess.check_output(["pgrep", "-f", str(socket_path)], text=True).split()[0])
        os.kill(keeper, signal.SIGKILL)
        with pytest.raises(ServiceUnavailable, match="is gone"):
            await first.ask("log")
        await first._leave()
        await asyncio.to_thread(until, lambda: is_gone(first.access["pid"]))
        second = await Lease.of("x", "fake", {})
        assert second.access["pid"] != first.access["pid"]
        await second.give_back(clean=True)

    play(story)


def test_what_is_up_stays_without_anybody_until_it_is_taken_down(socket_path: Path) -> None:
    async def story() -> None:
        await ask_keeper("up", kinds=[])
        lease = await Lease.of("x", "fake", {})
        await lease.give_back(clean=True)
        lease_file._anchors.pop(socket_path).close()
        [status] = await ask_keeper("status", must_be_there=True)
        assert (status["running"], status["leased"]) == (True, False)
        await ask_keeper("down")
        await asyncio.to_thread(until, lambda: is_gone(status["access"]["pid"]))
        assert await ask_keeper("status", must_be_there=True) is None

    play(story)
