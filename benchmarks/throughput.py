"""
Throughput: events a second through the gateway to one HTTP watcher, beside the bare relay of that source.

Both relays run in turn on one processor, load maker, server and sink on the other; the ratio of medians counts.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import uvloop

from benchmarks.gateway_process import LOAD, cpu_s, gateway_for, pinned, relay_for
from benchmarks.load import delivered, start_sink
from benchmarks.sources.registry import COMPARED
from benchmarks.sources.source import Source
from benchmarks.table import print_table

ROUNDS = 5
EVENTS = 10_000
IN_FLIGHT = (1, 16, 64)


class Sample(NamedTuple):
    """
    One run of one relay.
    """

    per_second: float
    cpu_us: float
    """Processor time of the relay for each event, microseconds."""


async def _measured(process: subprocess.Popen[bytes], source: Source) -> Sample:
    """
    Events a second from the first stimulus to the last delivery.
    """
    await delivered(source.publish, EVENTS // 10)
    before, began = cpu_s(process.pid), asyncio.get_running_loop().time()
    await delivered(source.publish, EVENTS)
    took_s = asyncio.get_running_loop().time() - began
    return Sample(EVENTS / took_s, (cpu_s(process.pid) - before) / EVENTS * 1e6)


async def _pair(source: Source, sink: int) -> tuple[Sample, Sample]:
    """
    Ours, and the rival's, with the same server.
    """
    await source.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with gateway_for(source, Path(folder), sink) as process:
                ours = await _measured(process, source)
        async with relay_for(source, sink) as process:
            return ours, await _measured(process, source)
    finally:
        await source.stop()


async def _main(names: Sequence[str]) -> None:
    pinned(LOAD)
    sink = await start_sink()
    rows = []
    for name in names:
        for in_flight in IN_FLIGHT:
            pairs = [await _pair(COMPARED[name](in_flight), sink) for _ in range(ROUNDS)]
            rows.append(_row(name, in_flight, pairs))
    print_table(
        f"events/s to one watcher, median of {ROUNDS} runs of {EVENTS:,} events; CPU is processor time for each event",
        ("source", "in flight", "gatesim", "bare relay", "ratio", "CPU", "bare relay", "CPU ratio"),
        rows,
    )


def _row(name: str, in_flight: int, pairs: list[tuple[Sample, Sample]]) -> tuple[str, ...]:
    ours, rival = (statistics.median(pair[which].per_second for pair in pairs) for which in (0, 1))
    cpu, rivals_cpu = (statistics.median(pair[which].cpu_us for pair in pairs) for which in (0, 1))
    ratios = f"{ours / rival:.2f}", f"{cpu:.0f} us", f"{rivals_cpu:.0f} us", f"{rivals_cpu / max(cpu, 0.01):.2f}"
    return name, str(in_flight), f"{ours:,.0f}", f"{rival:,.0f}", *ratios


def main(*names: str) -> None:
    """
    Run those named and print the table.
    """
    uvloop.run(_main(names))
