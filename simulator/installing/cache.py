"""
Cache: the folder of the user's in which installed services stand, one folder each, with a stamp once it is complete.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

STAMP = ".gatesim.json"
_BUILDING = ".building-"


class Stamp(NamedTuple):
    """
    What a complete folder says of itself.
    """

    version: str
    """Of the service, as people know it."""
    recipe: str
    """Which recipe it was made by; another one makes it anew."""


def cache_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """
    Where services are installed: $GATESIM_CACHE, else the folder `gatesim` where this system keeps what can be remade.
    """
    if given := environment.get("GATESIM_CACHE"):
        return Path(given).expanduser().absolute()
    home = Path(environment.get("HOME") or Path.home())
    if platform == "darwin":
        return home / "Library" / "Caches" / "gatesim"
    around = environment.get("XDG_CACHE_HOME", "")
    # A relative one is to be ignored: XDG Base Directory Specification, section 2.
    return (Path(around) if os.path.isabs(around) else home / ".cache") / "gatesim"


def folder_of(service: str, cache: Path) -> Path:
    """
    Where *service* stands once it is installed.
    """
    return cache / service


def stamp_of(folder: Path) -> Stamp | None:
    """
    What *folder* says of itself; None where it is absent or was never completed.
    """
    try:
        said = json.loads((folder / STAMP).read_text(encoding="utf-8"))
        return Stamp(str(said["version"]), str(said["recipe"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """
    Say that *folder* is complete.
    """
    unfinished = folder / f"{STAMP}.new"
    unfinished.write_text(json.dumps(stamp._asdict()) + "\n", encoding="utf-8")
    unfinished.replace(folder / STAMP)


@contextmanager
def only_one(service: str, cache: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """
    Keep other processes from installing *service* while this lasts; the system lets go of what a killed one had.

    Args:
        service: Its name.
        cache: The cache's folder; made where it is absent.
        waiting: Called before somebody else is waited for.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{service}.lock").open("w") as lock:
        if not _locked_at_once(lock):
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _locked_at_once(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def building(service: str, cache: Path) -> Iterator[Path]:
    """
    An empty folder to build *service* in, beside the one where it will stand; nothing is left of it, nor of earlier
    ones whose process was killed. Only for who has the lock.
    """
    for left in cache.glob(f"{_BUILDING}{service}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = cache / f"{_BUILDING}{service}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_in_place(built: Path, place: Path) -> None:
    """
    Make *built* what stands at *place*; what stood there is gone. Programs that run from it go on.
    """
    old = built.with_name(f"{built.name}-old")
    with suppress(FileNotFoundError):
        place.rename(old)
    built.rename(place)
    shutil.rmtree(old, ignore_errors=True)
