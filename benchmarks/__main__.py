"""
`python -m benchmarks [NAME ...]`: all of them, or those named.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import throughput, whole_process

BENCHMARKS: dict[str, Callable[[], None]] = {
    "cold-start": whole_process.cold_start,
    "warm": whole_process.warm,
    "imports": whole_process.imports,
    "many-files": whole_process.many_files,
    "suite": whole_process.suite,
    "year": whole_process.year,
    "throughput": throughput.main,
}


def main(names: list[str]) -> int:
    """
    Run the benchmarks named, or all.
    """
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 4
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
