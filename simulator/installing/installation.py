"""
Installation: one recipe carried out, so that the service is there and complete, or as it was before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simulator.installing.cache import (
    Stamp,
    building,
    folder_of,
    only_one,
    put_in_place,
    stamp_of,
    write_stamp,
)
from simulator.installing.recipes import Recipe
from simulator.installing.tool import InstallError, ToolFailed, Tools

State = Literal["installed", "there", "failed"]
"""`there`: it was before, of the same recipe, and nothing was done."""


@dataclass(frozen=True, slots=True)
class Installation:
    """
    What came of one recipe.
    """

    service: str
    state: State
    version: str = ""
    """Empty where it failed."""
    place: str = ""
    """The folder; empty where it failed."""
    problems: tuple[str, ...] = ()
    """Why it failed, and what to do."""
    lines: tuple[str, ...] = ()
    """The last ones of the tool that failed."""


def install(recipe: Recipe, cache: Path, said: Callable[[str], None]) -> Installation:
    """
    Install what *recipe* tells, unless it is there.

    It is built in a folder beside its place and moved there; a stamp is written last. Broken off at any point, it is
    not there, and the next call makes it anew.

    Args:
        recipe: What to install.
        cache: Where; made where it is absent.
        said: Told what is going on, line by line.
    """
    place = folder_of(recipe.service, cache)
    try:
        with only_one(recipe.service, cache, waiting=lambda: said("another process installs it; waiting")):
            stamp = stamp_of(place)
            if stamp is not None and stamp.recipe == recipe.identity:
                return Installation(recipe.service, "there", stamp.version, str(place))
            if obstacles := recipe.obstacles():
                return Installation(recipe.service, "failed", problems=tuple(obstacles))
            version = _build(recipe, cache, place, said)
    except ToolFailed as error:
        return Installation(recipe.service, "failed", problems=(error.what, error.how), lines=error.lines)
    except InstallError as error:
        return Installation(recipe.service, "failed", problems=tuple(filter(None, (error.what, error.how))))
    except OSError as error:
        where = error.filename or cache
        return Installation(recipe.service, "failed", problems=(f"{where}: {error.strerror or error}", _ELSEWHERE))
    return Installation(recipe.service, "installed", version, str(place))


_ELSEWHERE = "GATESIM_CACHE names another folder to install in"


def _build(recipe: Recipe, cache: Path, place: Path, said: Callable[[str], None]) -> str:
    tools = Tools(cache / "logs" / f"{recipe.service}.log", said)
    with building(recipe.service, cache) as folder:
        version = recipe.way.build(folder, place, tools) or recipe.version
        put_in_place(folder, place)
    recipe.way.finish(place, tools)
    write_stamp(place, Stamp(version, recipe.identity))
    return version
