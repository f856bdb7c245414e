"""
A loop in a thread of its own: work comes back with its result, what does not end is named, nothing starts unasked.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest

from simulator.errors import SimulatorBug
from simulator.testing import loop_thread
from simulator.testing.loop_thread import LoopThread


def test_work_comes_back_with_its_result_or_its_error() -> None:
    async def fails() -> None:
        raise LookupError("no")

    thread = LoopThread()
    assert thread.run(asyncio.sleep(0, "done")) == "done"
    assert thread.call(lambda: threading.current_thread().name) == "gatesim environment"
    with pytest.raises(LookupError):
        thread.run(fails())
    thread.stop()


def test_all_work_lives_in_one_loop_that_may_be_started_again() -> None:
    thread = LoopThread()
    assert thread.call(asyncio.get_running_loop) is thread.call(asyncio.get_running_loop)
    thread.stop()
    assert thread.run(asyncio.sleep(0, "again")) == "again"
    thread.stop()


def test_without_work_there_is_no_thread() -> None:
    before = threading.active_count()
    LoopThread().stop()
    assert threading.active_count() == before


def test_tasks_that_are_left_are_cancelled() -> None:
    thread = LoopThread()
    task = thread.call(lambda: asyncio.ensure_future(asyncio.sleep(60)))
    thread.stop()
    assert task.cancelled()


def test_a_task_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_thread, "STOP_LIMIT_S", 0.1)
    over = asyncio.Event()

    async def stubborn() -> None:
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await over.wait()

    thread = LoopThread()
    task = thread.call(lambda: asyncio.get_running_loop().create_task(stubborn(), name="stubborn"))
    thread.run(asyncio.sleep(0))
    with pytest.raises(SimulatorBug, match=r"did not end within 0\.1 s: .*stubborn"):
        thread.stop()
    task.get_loop().call_soon_threadsafe(over.set)
