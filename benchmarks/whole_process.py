"""
Whole processes: cold starts, linting, the suite and a year of minutes, as a person at a terminal meets them.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.table import print_table

RUNS = 7
_NATS_RIVAL = """
import asyncio, subprocess, sys, pathlib
import nats
async def main():
    binary = str(pathlib.Path(sys.executable).with_name("nats-server"))
    server = subprocess.Popen([binary, "-a", "127.0.0.1", "-p", sys.argv[1]], stderr=subprocess.PIPE)
    while b"Server is ready" not in server.stderr.readline(): pass
    client = await nats.connect(f"nats://127.0.0.1:{sys.argv[1]}")
    got = asyncio.get_running_loop().create_future()
    async def take(message): got.set_result(message.data)
    await client.subscribe("foo", cb=take); await client.publish("foo", b"x"); await got
    await client.close(); server.terminate(); server.wait()
asyncio.run(main())
"""
_CALENDAR = (
    "scenarios/calendar/an-interval-fires-on-the-whole-second-however-late-within-a-second-it-began.scenario.yaml"
)
_WEBHOOK = "scenarios/webhook/a-request-becomes-one-event-and-is-answered-success.scenario.yaml"
_NATS = "scenarios/nats/the-nats-example-of-the-guide-works.scenario.yaml"
_YEAR = """apiVersion: gatesim/v1
scenario: a year of minutes
clock: {virtual: "2018-01-01T00:00:00Z"}
gateway:
  name: clockwork
  type: calendar
  configMap: {every-minute: 'schedule: "* * * * *"'}
  watchers: {sensors: [{name: audit}]}
steps:
  - advance: 365d
  - expect: {watcher: audit, count: 525600}
"""


def seconds(*command: str) -> float:
    """
    How long a command takes; it must end well.
    """
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def median(*command: str, runs: int = RUNS) -> float:
    """
    The median of several runs after one that does not count.
    """
    seconds(*command)
    return statistics.median(seconds(*command) for _ in range(runs))


def gatesim(*arguments: str) -> tuple[str, ...]:
    """
    The command line.
    """
    return (sys.executable, "-m", "gatesim", *arguments)


def cold_start() -> None:
    """
    One scenario in a fresh process, beside the bare interpreter and a bare script with the broker's own client.
    """
    bare = median(sys.executable, "-c", "pass")
    rival = median(sys.executable, "-c", _NATS_RIVAL, "45222")
    rows = []
    for name, file, against in (("calendar", _CALENDAR, bare), ("webhook", _WEBHOOK, bare), ("nats", _NATS, rival)):
        ours = median(*gatesim("run", "-q", file))
        rows.append((name, f"{ours * 1000:.0f} ms", f"{against * 1000:.0f} ms", f"{ours / against:.2f}"))
    print_table(
        "cold start of one scenario; rival: the bare interpreter, for nats a bare nats-py script",
        ("scenario", "gatesim", "rival", "ratio"),
        rows,
    )


def warm() -> None:
    """
    What one more scenario costs in a process that has played one.
    """
    rows = []
    for name, file in (("calendar", _CALENDAR), ("webhook", _WEBHOOK), ("nats", _NATS)):
        one = median(*gatesim("run", "-q", file))
        many = median(*gatesim("run", "-q", "--repeat", "21", file), runs=3)
        rows.append((name, f"{(many - one) / 20 * 1000:.1f} ms"))
    print_table("each further scenario, warm", ("scenario", "gatesim"), rows)


def imports() -> None:
    """
    Import time of each command, beside the bare interpreter.
    """
    bare = median(sys.executable, "-c", "pass")
    rows = []
    for arguments in (
        ("--version",),
        ("schema", "export"),
        ("list", _CALENDAR),
        ("lint", _CALENDAR),
        ("explain", "steps.publish"),
    ):
        ours = median(*gatesim(*arguments))
        rows.append((" ".join(arguments[:2])[:30], f"{ours * 1000:.0f} ms", f"{ours / bare:.1f}"))
    print_table("start of each command; ratio to the bare interpreter", ("command", "gatesim", "ratio"), rows)


def many_files() -> None:
    """
    Linting and collecting five hundred files.
    """
    with tempfile.TemporaryDirectory() as folder:
        originals = sorted(Path("scenarios").rglob("*.scenario.yaml"))
        for number in range(500):
            text = originals[number % len(originals)].read_text()
            Path(folder, f"{number}.scenario.yaml").write_text(text)
        lint = median(*gatesim("lint", folder), runs=3)
        collecting = (
            sys.executable,
            "-m",
            "pytest",
            "--collect-only",
            "-q",
            "-c",
            os.devnull,
            "-p",
            "no:hypothesispytest",
        )
        collect = median(*collecting, folder, runs=3)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing(): pass\n")
        nothing = median(*collecting, folder, runs=3)
    rows = [("lint", f"{lint:.2f} s"), ("pytest --collect-only", f"{collect - nothing:.2f} s")]
    print_table("five hundred files (pytest without its own start)", ("command", "takes"), rows)


def suite() -> None:
    """
    All scenarios, by one worker and by two.
    """
    one, two = (
        median(*gatesim("run", "-q", "scenarios"), runs=3),
        median(*gatesim("run", "-q", "-n", "2", "scenarios"), runs=3),
    )
    print_table(
        "the whole suite",
        ("workers", "takes", "ratio"),
        [("1", f"{one:.1f} s", "1.00"), ("2", f"{two:.1f} s", f"{two / one:.2f}")],
    )


def year() -> None:
    """
    A year of `* * * * *` under the virtual clock, and the memory it takes beside a day's.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for name, text in (("a day", _YEAR.replace("365d", "1d").replace("525600", "1440")), ("a year", _YEAR)):
            file = Path(folder, "year.scenario.yaml")
            file.write_text(text)
            took = seconds(*gatesim("run", "-q", str(file)))
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
            rows.append((name, f"{took:.1f} s", f"{peak} MiB"))
    print_table("`* * * * *` under the virtual clock", ("span", "takes", "peak memory so far"), rows)
