"""
Killed runs: whatever moment a run is killed at (SIGKILL), nothing of it is left five seconds later.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from simulator.services.process import _CHILD
from tests.simulator.keeping.test_keeper import CLIENT, ROOT, until

LIMIT_S = 5.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
"""Five seconds, on a machine that has a core for it."""
ROUNDS = 6
LATEST_S = 1.6
"""After which a run of these scenarios may be over."""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="only /proc tells whose process is whose"
)


def processes(folder: Path) -> list[str]:
    """
    Every process that was started with *folder* as its temporary one, or works below it.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            mine = f"TMPDIR={folder}".encode() in (process / "environ").read_bytes().split(b"\0")
            if mine or os.readlink(process / "cwd").startswith(str(folder)):
                found.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
    return found


def left_in(folder: Path) -> list[str]:
    """
    Folders and sockets of runs; a keeper's folder with its lock and its log is there for the next one. A folder stays
    that was made in the very moment, before its guardian was there: it holds at most what its server was to read.
    """
    return [str(path) for path in folder.iterdir() if path.name != "keeper" and not _is_unguarded(path)] + [
        str(path) for path in folder.glob("keeper/*") if path.name not in ("lock", "log")
    ]


def _is_unguarded(path: Path) -> bool:
    return path.is_dir() and {each.name for each in path.iterdir()} <= {"nats.conf"}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_nothing_is_left_of_a_run_and_of_what_is_kept_for_it(seed: int, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    random = Random(seed)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "gatesim", "run", "scenarios/nats", "--provider", "local", "-q"]
    run = subprocess.Popen(
        [*command, "--workers", str(1 + seed % 2), "--repeat", "50"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(folder / "keeper" / "socket")],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(random.uniform(0.05, LATEST_S))
    for process in (run, client):
        assert process.poll() is None
        process.kill()
        process.wait()
    with suppress(AssertionError):
        until(lambda: not processes(folder) and not left_in(folder), LIMIT_S)
    assert (processes(folder), left_in(folder)) == ([], [])


@pytest.mark.parametrize(("told", "ran"), [(b"\n", True), (b"", False)])
def test_a_server_becomes_itself_only_once_its_guardian_knows_it(told: bytes, ran: bool, tmp_path: Path) -> None:
    subprocess.run(["/bin/sh", "-c", _CHILD, "sh", "touch", str(tmp_path / "ran")], input=told, check=False)
    assert (tmp_path / "ran").exists() is ran
