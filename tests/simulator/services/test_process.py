from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from simulator.services.process import LOG_LINES, Exit, LocalProcess, StartFailed
from tests.simulator.services.processes import is_gone

READY = {"ready": re.compile(r"^ready")}


class Story:
    """
    A process, and what was told of its death.
    """

    def __init__(self) -> None:
        self.ends: list[Exit] = []
        self.told = asyncio.Event()
        self.process = LocalProcess("test", died=self._died)

    def _died(self, end: Exit) -> None:
        self.ends.append(end)
        self.told.set()

    async def start(
        self, script: str, seen: dict[str, re.Pattern[str]] | None = None, limit_s: float = 5
    ) -> dict[str, str]:
        return await self.process.start(["/bin/sh", "-c", script], READY if seen is None else seen, limit_s)


def play(story: Callable[[Story], Awaitable[None]]) -> None:
    """
    On both event loops that scenarios are played on.
    """

    async def run() -> None:
        async with asyncio.timeout(20):
            told = Story()
            try:
                await story(told)
            finally:
                await told.process.kill()
                told.process.remove_folder()

    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(run())


def test_it_is_ready_when_its_log_says_so_and_tells_what_it_read() -> None:
    async def story(told: Story) -> None:
        seen = {"port": re.compile(r"listening on .*:(\d+)"), "up": re.compile("ready")}
        found = await told.start("echo listening on 127.0.0.1:4222; echo ready >&2; exec sleep 60", seen)
        assert found == {"port": "4222", "up": "ready"}
        assert told.process.pid is not None

    play(story)


def test_a_line_that_comes_in_pieces_is_one_line() -> None:
    async def story(told: Story) -> None:
        await told.start("printf rea; sleep 0.05; printf 'dy\\n'; exec sleep 60")
        assert told.process.log_tail() == "ready"

    play(story)


def test_it_runs_in_a_folder_of_its_own_that_outlives_a_restart() -> None:
    async def story(told: Story) -> None:
        await told.start("pwd; echo kept > file; echo ready; exec sleep 60")
        folder = told.process.folder
        assert told.process.log_tail().splitlines()[0] == str(folder.resolve())
        assert folder.stat().st_mode & 0o077 == 0
        for _ in range(5):
            await told.process.stop(5)
            await told.start("cat file; echo ready; exec sleep 60")
            assert told.process.log_tail() == "kept\nready"
        await told.process.stop(5)
        told.process.remove_folder()
        assert not folder.exists()

    play(story)


def test_only_the_last_lines_of_the_log_are_kept_and_none_is_endless() -> None:
    async def story(told: Story) -> None:
        flood = "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done"
        await told.start(f"{flood}; head -c 100000 /dev/zero | tr '\\0' x; echo; echo ready; exec sleep 60")
        lines = told.process.log_tail().splitlines()
        assert len(lines) == LOG_LINES
        assert lines[-3:-2] == ["line 999"]
        assert max(map(len, lines)) <= 2000

    play(story)


def test_stop_asks_and_tells_how_it_ended() -> None:
    async def story(told: Story) -> None:
        await told.start("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done")
        end = await told.process.stop(5)
        assert end is not None
        assert (end.code, end.log_tail.splitlines()[-1]) == (3, "bye")
        assert told.process.pid is None
        assert await told.process.stop(5) is None
        assert told.ends == []

    play(story)


def test_what_does_not_stop_in_time_is_killed() -> None:
    async def story(told: Story) -> None:
        await told.start("trap '' TERM; echo ready; while :; do sleep 0.01; done")
        end = await told.process.stop(0.05)
        assert end is not None
        assert str(end) == "was ended by SIGKILL"
        assert told.ends == []

    play(story)


def test_a_frozen_child_can_be_stopped_and_goes_on_when_resumed() -> None:
    async def story(told: Story) -> None:
        await told.start("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done")
        told.process.pause()
        told.process.resume()
        told.process.pause()
        end = await told.process.stop(5)
        assert end is not None
        assert end.code == 0

    play(story)


def test_an_end_that_nobody_asked_for_is_told_with_its_log() -> None:
    async def story(told: Story) -> None:
        await told.start("echo ready; read line; echo out of disk; exit 7" + " < /dev/null")
        await told.told.wait()
        assert [str(end) for end in told.ends] == ["ended with exit code 7"]
        assert told.ends[0].log_tail.endswith("out of disk")

    play(story)


def test_a_child_that_is_killed_from_outside_is_told_as_dead() -> None:
    async def story(told: Story) -> None:
        await told.start("echo ready; exec sleep 60")
        assert told.process.pid is not None
        os.kill(told.process.pid, signal.SIGKILL)
        await told.told.wait()
        assert str(told.ends[0]) == "was ended by SIGKILL"
        await told.start("echo ready; exec sleep 60")

    play(story)


def test_a_guardian_that_was_killed_does_not_keep_a_stop_from_ending() -> None:
    async def story(told: Story) -> None:
        await told.start("echo ready; exec sleep 60")
        guardian = told.process._child._guardian  # type: ignore[union-attr]  # it has started
        guardian._transport.kill()
        await guardian.gone.wait()
        await told.process.stop(5)
        assert told.process.pid is None

    play(story)


def test_what_the_child_started_ends_with_it() -> None:
    async def story(told: Story) -> None:
        found = await told.start(
            "sleep 60 & echo grandchild $!; echo ready; wait", {"pid": re.compile(r"grandchild (\d+)")}
        )
        await told.process.kill()
        while not is_gone(int(found["pid"])):
            await asyncio.sleep(0)

    play(story)


def test_a_program_that_is_not_there_is_named() -> None:
    async def story(told: Story) -> None:
        with pytest.raises(StartFailed, match=r"/nowhere/server cannot be run: No such file"):
            await told.process.start(["/nowhere/server"], READY, 5)
        assert told.process.folder.exists()
        await told.start("echo ready; exec sleep 60")

    play(story)


def test_a_child_that_ends_instead_of_getting_ready_says_why_in_its_log() -> None:
    async def story(told: Story) -> None:
        with pytest.raises(StartFailed) as failed:
            await told.start("echo bad configuration; exit 1")
        assert failed.value.cause == "test ended with exit code 1"
        assert failed.value.log_tail == "bad configuration"
        assert told.ends == []

    play(story)


def test_a_child_that_is_not_ready_in_time_is_killed() -> None:
    async def story(told: Story) -> None:
        with pytest.raises(StartFailed, match=r"not ready within 0.1 s"):
            await told.start("echo starting; exec sleep 60", limit_s=0.1)
        assert told.process.pid is None

    play(story)


def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    async def story(told: Story) -> None:
        starting = asyncio.create_task(told.start("echo starting; exec sleep 60"))
        while not told.process.log_tail():
            await asyncio.sleep(0)
        pid = told.process.pid
        starting.cancel()
        await asyncio.wait({starting})
        assert pid is not None
        assert is_gone(pid)

    play(story)


def test_a_terminals_interrupt_does_not_reach_the_child() -> None:
    async def story(told: Story) -> None:
        await told.start("echo ready; exec sleep 60")
        assert told.process.pid is not None
        assert os.getpgid(told.process.pid) != os.getpgid(0)

    play(story)


OWNER = """
import asyncio, re, sys
from simulator.services.process import LocalProcess

async def main():
    process = LocalProcess("owned", died=print)
    await process.start({command!r}, {{"ready": re.compile("ready")}}, 10)
    print(process.pid, process.folder, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_when_its_owner_is_killed_the_child_and_its_folder_are_gone_within_five_seconds(number: signal.Signals) -> None:
    command = ["/bin/sh", "-c", "trap '' TERM HUP INT; echo ready; while :; do sleep 0.01; done"]
    owner = subprocess.Popen([sys.executable, "-c", OWNER.format(command=command)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid, folder = owner.stdout.readline().split()
    assert not is_gone(int(pid))
    owner.send_signal(number)
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 5
    while not is_gone(int(pid)) or Path(folder).exists():
        assert time.monotonic() < deadline, "the guardian has not cleaned up"
