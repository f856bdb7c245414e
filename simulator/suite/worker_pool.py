"""
Worker pool: scenarios side by side, each worker a process of its own that plays one at a time.

Talk is one JSON object a line. A worker ends when its input does, so closing the pipe stops it in an orderly way, and
so does our own death. One that dies costs its scenario the verdict and is replaced.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from simulator.reports.report import ScenarioReport, scenario_from_json
from simulator.reports.scenario_report import report_of_nothing
from simulator.suite.player import seed_of

if TYPE_CHECKING:
    from simulator.suite.suite import Play, Suite

STOP_LIMIT_S = 20.0
"""How long a worker may take to clean up before it is killed."""
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from simulator.suite.worker import main; main()"
"""A worker imports from where this process does, whatever folder it was started in."""


class WorkerPool:
    """
    Plays a suite on its `workers`. Each is looked after by a thread.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._workers = [_Worker(suite) for _ in range(suite.workers)]
        self._faults: list[BaseException] = []

    def run(self) -> None:
        """
        Play until the suite has no more.

        Raises:
            Exception: An observer or the pool failed; every worker has been ended.
        """
        threads = [
            threading.Thread(target=self._look_after, args=(worker,), name=f"worker {number}", daemon=True)
            for number, worker in enumerate(self._workers, 1)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(1.0)  # with a limit, so that signals are taken on every system
        if self._faults:
            raise self._faults[0]

    def stop(self) -> None:
        """
        Have every worker stop what it plays and end.
        """
        for worker in self._workers:
            worker.close()

    def _look_after(self, worker: _Worker) -> None:
        try:
            while not self._faults and (play := self._suite.next_play()) is not None:
                report = worker.play(play)
                if report is not None:
                    self._suite.finish(play, report)
        except BaseException as error:
            self._faults.append(error)
        finally:
            worker.end()


class _Worker:
    """
    One process, started with its first scenario and again after it died.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def play(self, play: Play) -> ScenarioReport | None:
        """
        What playing it there showed; None where it was stopped.
        """
        began = time.perf_counter()
        order = {"file": play.scenario.file, "name": play.scenario.name, "round": play.round}
        with suppress(BrokenPipeError, ValueError):  # it died, or was told to end; its answers tell which
            self._tell(order)
        for answer in self._answers():
            match answer:
                case {"pulse": float(virtual_s)}:
                    self._suite.pulse(play, virtual_s)
                case {"report": dict(entry)}:
                    return scenario_from_json(entry)
                case {"stopped": True}:
                    return None
                case {"failed": str(text)}:
                    return self._nothing(play, text, began)
        if self._closed:
            return None
        return self._nothing(play, f"the worker process that played it {self._how_it_ended()}", began)

    def _nothing(self, play: Play, text: str, began: float) -> ScenarioReport:
        return report_of_nothing(
            play.scenario,
            text,
            seed=seed_of(play.scenario, self._suite.options.player, play.round),
            duration_s=time.perf_counter() - began,
            round_number=play.round,
        )

    def close(self) -> None:
        """
        Tell it to end, in the middle of a scenario if need be.
        """
        self._closed = True
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def end(self) -> None:
        """
        End it and wait until it is gone.
        """
        self.close()
        if self._process is None:
            return
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _tell(self, message: dict[str, Any]) -> None:
        process = self._process if self._process is not None else self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=os.name == "posix",  # Ctrl-C is ours to handle
        )
        if self._closed:
            self.close()
        options = self._suite.options
        greeting = {
            "options": asdict(options.player),
            "declared": list(options.declared),
            "pulse": self._suite.wants_pulse,
        }
        self._tell(greeting)
        return self._process

    def _answers(self) -> Iterator[Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield json.loads(line)

    def _how_it_ended(self) -> str:
        """
        How it ended, which it has or is about to; the next scenario gets a new one.
        """
        assert self._process is not None
        process, self._process = self._process, None
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        try:
            code = process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return "stopped answering and was killed"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended by itself with exit code {code}"
