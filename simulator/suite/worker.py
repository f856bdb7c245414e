"""
Worker: the process at the other end of a worker pool's pipe; plays what it is told and answers with reports.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from queue import SimpleQueue
from typing import IO, Any

from simulator.errors import ScenarioError
from simulator.reports.report import scenario_json
from simulator.scenario_file.loader import load_file
from simulator.scenario_file.scenario import Scenario
from simulator.suite.player import Player, PlayerOptions

_ORPHAN_S = 2.0
"""For what is being played to be cleaned up when the pool is gone; whoever killed it waits for no longer."""


def main() -> None:
    """
    Serve the pool at standard input and output until the input ends.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a processor prints must not get into the talk
    orders: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    greeting = json.loads(sys.stdin.buffer.readline() or b"null")
    if greeting is not None:
        worker = _Worker(greeting, answers)
        reader = threading.Thread(target=_read, args=(sys.stdin.buffer, orders, worker), name="orders", daemon=True)
        reader.start()
        while (order := orders.get()) is not None:
            worker.obey(order)
    # The reader may hold standard input's lock, on which an orderly end of the interpreter would wait.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _read(stream: IO[bytes], orders: SimpleQueue[dict[str, Any] | None], worker: _Worker) -> None:
    """
    Read orders while a scenario is played, so that the end of the input is noticed at once.
    """
    pool = os.getppid()
    for line in stream:
        orders.put(json.loads(line))
    worker.stop()
    orders.put(None)
    time.sleep(_ORPHAN_S)  # real time: for an orderly end
    if os.getppid() != pool:
        os._exit(1)  # the pool was killed; guardians end what this process started


class _Worker:
    """
    Plays the scenarios that orders name.
    """

    def __init__(self, greeting: dict[str, Any], answers: IO[bytes]) -> None:
        self._answers = answers
        self._declared = tuple(greeting["declared"])
        self._lock = threading.Lock()
        pulse = (lambda virtual_s: self._answer({"pulse": float(virtual_s)})) if greeting["pulse"] else None
        self._player = Player(PlayerOptions(**greeting["options"]), pulse=pulse)
        self._loaded: tuple[str, list[Scenario]] = ("", [])

    def stop(self) -> None:
        """
        End what is being played.
        """
        self._player.stop()

    def obey(self, order: dict[str, Any]) -> None:
        """
        Play what *order* names, and answer.
        """
        try:
            scenario = self._scenario(order["file"], order["name"])
        except LookupError as error:
            self._answer({"failed": str(error)})
            return
        report = self._player.play(scenario, order["round"])
        self._answer({"stopped": True} if report is None else {"report": scenario_json(report)})

    def _scenario(self, file: str, name: str) -> Scenario:
        """
        The scenario, read anew unless the one before came from the same file.

        Raises:
            LookupError: The file changed since the run began.
        """
        if self._loaded[0] != file:
            try:
                self._loaded = (file, load_file(file, declared=self._declared))
            except ScenarioError as error:
                raise LookupError(f"{file} changed while the run went on: {error}") from None
        for scenario in self._loaded[1]:
            if scenario.name == name:
                return scenario
        raise LookupError(f"{file} changed while the run went on: it has no scenario `{name}` any more")

    def _answer(self, message: dict[str, Any]) -> None:
        with self._lock:
            try:
                self._answers.write(json.dumps(message).encode() + b"\n")
                self._answers.flush()
            except BrokenPipeError:
                os._exit(1)  # nobody is there any more
