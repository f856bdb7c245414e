"""
Interruption: the second signal leaves at once and names what stays.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from simulator.suite.interruption import Interruption, children

PROGRAM = """
import os, signal, subprocess, sys, time
from simulator.suite.interruption import Interruption
child = subprocess.Popen(["sleep", "30"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
with Interruption(lambda: print("stopping", child.pid, flush=True)):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)
"""


def test_the_second_signal_leaves_at_once_and_names_what_stays() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 2
    word, pid = run.stdout.split()
    assert word == "stopping"
    assert f"gatesim: left at once; still running: {pid} " in run.stderr
    os.kill(int(pid), signal.SIGKILL)


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interruption(lambda: None):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_the_main_thread_nothing_is_touched() -> None:
    seen: list[object] = []

    def look() -> None:
        with Interruption(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_children_are_found_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "30"]) as child:
        assert [line.split()[0] for line in children()].count(str(child.pid)) == 1
        monkeypatch.setattr("simulator.suite.interruption.Path.glob", lambda self, pattern: iter(()))
        assert [line.split()[0] for line in children()].count(str(child.pid)) == 1
        child.kill()
