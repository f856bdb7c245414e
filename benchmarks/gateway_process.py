"""
Gateway process: what is measured, on a processor of its own: its manifests, its start, its time and its memory.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.sources.source import Source

MEASURED, LOAD = 0, 1
"""The processors of what is measured, and of everything around it."""


def pinned(processor: int) -> None:
    """
    Keep this process and its children to one processor, where there are two.
    """
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {processor})


def _started(command: tuple[str, ...], processor: int) -> subprocess.Popen[bytes]:
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    pinned(processor)
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)


@asynccontextmanager
async def running(
    *command: str, ready: str, times: int = 1, processor: int = MEASURED
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """
    A process, from when it has said *ready* so many times to its end.
    """
    process = _started(command, processor)
    assert process.stdout is not None
    loop = asyncio.get_running_loop()
    seen = b""
    while seen.count(ready.encode()) < times:
        line = await loop.run_in_executor(None, process.stdout.readline)
        if not line:
            raise SystemExit(f"{command[0]} did not start:\n{seen.decode()}")
        seen += line
    draining = loop.run_in_executor(None, process.stdout.read)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        await loop.run_in_executor(None, process.wait)
        await draining


@asynccontextmanager
async def gateway_for(source: Source, folder: Path, sink: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    """
    The reference gateway by itself, listening to *source*.
    """
    files = manifests(source, folder)
    watcher = f"sink=http://127.0.0.1:{sink}/"
    command = (sys.executable, "-m", "gatesim", "gateway", "run", *files, "--bind", "127.0.0.1", "--watcher", watcher)
    arguments = source.gateway_arguments(folder)
    async with running(*command, *arguments, ready=": Running", times=len(source.texts())) as process:
        yield process


@asynccontextmanager
async def relay_for(source: Source, sink: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    """
    The bare relay of that source.
    """
    module = f"benchmarks.relays.{source.type}"
    watcher = f"http://127.0.0.1:{sink}/"
    command = (sys.executable, "-m", module, watcher, str(source.in_flight), *source.relay_arguments())
    async with running(*command, ready="ready") as process:
        yield process


def manifests(source: Source, folder: Path) -> list[str]:
    """
    Files for `gatesim gateway run`, as arguments.
    """
    gateway, config, others = folder / "gateway.yaml", folder / "configmap.yaml", folder / "others.yaml"
    gateway.write_text(
        "apiVersion: argoproj.io/v1alpha1\nkind: Gateway\nmetadata: {name: gw}\nspec:\n"
        f"  type: {source.type}\n  version: '1.0'\n  configMap: gw-configmap\n"
        f"  watchers: {{sensors: [{{name: sink}}]}}\n  gatesim: {source.extension()}\n"
    )
    indented = {key: text.replace("\n", "\n    ") for key, text in source.texts().items()}
    entries = "".join(f"  {key}: |-\n    {text}\n" for key, text in indented.items())
    config.write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: gw-configmap}}\ndata:\n{entries}")
    found = ["-f", str(gateway), "-f", str(config)]
    if source.manifests():
        others.write_text(source.manifests())
        found += ["-f", str(others)]
    return found


def cpu_s(pid: int) -> float:
    """
    Processor time that process *pid* has used, in seconds.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int, *, peak: bool = False) -> float:
    """
    Resident memory of process *pid*, now or at its highest so far.
    """
    wanted = "VmHWM:" if peak else "VmRSS:"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(wanted))
