"""
Memory: what a gateway process holds after some events, and after ten times as many. Flat is a ratio of about one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from benchmarks.gateway_process import LOAD, gateway_for, pinned, resident_mb
from benchmarks.load import delivered, start_sink
from benchmarks.sources.registry import ALL
from benchmarks.table import print_table

EVENTS, EARLY = 200_000, 20_000
_WAVE = 5_000
IN_FLIGHT = 1
"""One configuration, whose ten thousand remembered ids are there after the first of the two."""


async def _grown(name: str, sink: int) -> tuple[str, ...]:
    source = ALL[name](IN_FLIGHT)
    await source.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with gateway_for(source, Path(folder), sink) as process:
                at_start = resident_mb(process.pid)
                early = at_start
                for done in range(_WAVE, EVENTS + 1, _WAVE):
                    await delivered(source.publish, _WAVE)
                    if done == EARLY:
                        early = resident_mb(process.pid)
                late, peak = resident_mb(process.pid), resident_mb(process.pid, peak=True)
    finally:
        await source.stop()
    return name, f"{at_start:.1f}", f"{early:.1f}", f"{late:.1f}", f"{peak:.1f}", f"{late / early:.2f}"


async def _main(names: Sequence[str]) -> None:
    pinned(LOAD)
    sink = await start_sink()
    rows = [await _grown(name, sink) for name in names]
    print_table(
        "resident memory of the gateway, MB, one configuration",
        ("source", "at start", f"after {EARLY:,}", f"after {EVENTS:,}", "peak", "growth"),
        rows,
    )


def main(*names: str) -> None:
    """
    Run those named and print the table.
    """
    uvloop.run(_main(names))
