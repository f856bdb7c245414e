"""
`python -m benchmarks [NAME ...]`: all of them, or those named; `throughput-mqtt` is that of one source.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from benchmarks import memory, throughput, whole_process
from benchmarks.sources.registry import ALL, COMPARED

BENCHMARKS: dict[str, Callable[[], None]] = {
    "cold-start": whole_process.cold_start,
    "warm": whole_process.warm,
    "imports": whole_process.imports,
    "many-files": whole_process.many_files,
    "suite": whole_process.suite,
    "year": whole_process.year,
    "throughput": partial(throughput.main, *COMPARED),
    "memory": partial(memory.main, *ALL),
}
OF_ONE_SOURCE: dict[str, Callable[[], None]] = {
    **{f"throughput-{name}": partial(throughput.main, name) for name in COMPARED},
    **{f"memory-{name}": partial(memory.main, name) for name in ALL},
}


def main(names: list[str]) -> int:
    """
    Run the benchmarks named, or all.
    """
    known = BENCHMARKS | OF_ONE_SOURCE
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are {', '.join(known)}", file=sys.stderr)
        return 4
    for name in names or BENCHMARKS:
        known[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
