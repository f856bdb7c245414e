"""
LoopThread: an event loop in a thread of its own, for callers that are not asynchronous.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from simulator.errors import SimulatorBug

STOP_LIMIT_S = 10.0
"""Of real time."""

T = TypeVar("T")


class LoopThread:
    """
    One event loop; the thread starts with the first work and ends with `stop`.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._up = threading.Event()
        self._asked_to_stop: asyncio.Event

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """
        Run *work* in the loop and wait for it; interrupted, the work is cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._started())
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def call(self, function: Callable[[], T]) -> T:
        """
        Call *function* in the loop's thread.
        """

        async def called() -> T:
            return function()

        return self.run(called())

    def stop(self) -> None:
        """
        End the loop with whatever still runs in it, and wait for the thread.

        Raises:
            SimulatorBug: Something in it does not end; its tasks are named.
        """
        thread, loop, self._thread, self._loop = self._thread, self._loop, None, None
        if thread is None or loop is None:
            return
        loop.call_soon_threadsafe(self._asked_to_stop.set)
        thread.join(STOP_LIMIT_S)
        if thread.is_alive():
            names = ", ".join(sorted(task.get_name() for task in asyncio.all_tasks(loop)))
            raise SimulatorBug(f"what runs in the background did not end within {STOP_LIMIT_S:g} s: {names}")

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._thread is None:
            self._up.clear()
            self._thread = threading.Thread(target=self._live, name="gatesim environment", daemon=True)
            self._thread.start()
            self._up.wait()
        assert self._loop is not None
        return self._loop

    def _live(self) -> None:
        from simulator.runner import loop_factory  # noqa: PLC0415 - the runner brings in everything

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._asked_to_stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._up.set()
        await self._asked_to_stop.wait()
