"""
Output: where a report goes: a file that appears when it is complete, or standard output for `-`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from simulator.errors import SimulatorError

STANDARD_OUTPUT = "-"


class OutputError(SimulatorError):
    """
    A report cannot be written where it was asked for.
    """


def check_writable(target: str) -> None:
    """
    Make the folder of *target*, so that a run does not end without the report it was for.

    Raises:
        OutputError: Nothing can be written there.
    """
    if target == STANDARD_OUTPUT:
        return
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {path.parent} cannot be made: {error.strerror}") from None
    if path.is_dir():
        raise OutputError(f"{target} is a folder; a report is a file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OutputError(f"{target} cannot be written to")


def write_report(target: str, parts: Iterable[str]) -> None:
    """
    Write *parts* to *target*; a file is replaced only when all of it is there.

    Raises:
        OutputError: It cannot be written.
    """
    if target == STANDARD_OUTPUT:
        sys.stdout.writelines(parts)
        sys.stdout.flush()
        return
    path = Path(target)
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.writelines(parts)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{target} cannot be written: {error.strerror}") from None


def open_stream(target: str) -> IO[str]:
    """
    *target*, to be written to bit by bit.

    Raises:
        OutputError: It cannot be opened.
    """
    if target == STANDARD_OUTPUT:
        return sys.stdout
    try:
        return Path(target).open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}") from None
