"""
An installation: idempotent, made anew for another recipe, and clean after being broken off at any point.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from simulator.installing.cache import only_one, stamp_of
from simulator.installing.installation import install
from simulator.installing.recipes import RECIPES, Recipe
from simulator.installing.tool import InstallError, Tools


@dataclass(frozen=True)
class FakeWay:
    """
    Writes a file, or does what it is told at one of its two points.
    """

    source: ClassVar[str] = "nowhere"

    text: str = "1"
    in_build: Callable[[], None] = lambda: None
    in_finish: Callable[[], None] = lambda: None
    standing_in_the_way: str = ""

    @property
    def tools(self) -> tuple[str, ...]:
        return ()

    def obstacle(self) -> str:
        return self.standing_in_the_way

    def fingerprint(self) -> str:
        return self.text

    def build(self, folder: Path, place: Path, tools: Tools) -> str:
        (folder / "program").write_text(self.text)
        self.in_build()
        return ""

    def finish(self, place: Path, tools: Tools) -> None:
        assert (place / "program").read_text() == self.text
        self.in_finish()


def recipe(way: FakeWay) -> Recipe:
    return replace(RECIPES["minio"], way=way)


def said(line: str) -> None:
    pass


def fails() -> None:
    raise InstallError("it broke", "mend it")


def breaks_off() -> None:
    raise KeyboardInterrupt


def test_what_is_there_stays_as_it_is(cache: Path) -> None:
    assert install(recipe(FakeWay()), cache, said).state == "installed"
    again = install(recipe(FakeWay(in_build=fails)), cache, said)
    assert (again.state, again.version, again.place) == ("there", "2026-02-12", str(cache / "minio"))


def test_another_recipe_makes_it_anew(cache: Path) -> None:
    install(recipe(FakeWay("1")), cache, said)
    assert install(recipe(FakeWay("2")), cache, said).state == "installed"
    assert (cache / "minio" / "program").read_text() == "2"


def test_a_failed_build_leaves_the_old_one(cache: Path) -> None:
    install(recipe(FakeWay("1")), cache, said)
    failed = install(recipe(FakeWay("2", in_build=fails)), cache, said)
    assert (failed.state, failed.problems) == ("failed", ("it broke", "mend it"))
    assert install(recipe(FakeWay("1", in_build=fails)), cache, said).state == "there"
    assert not list(cache.glob(".building-*"))


@pytest.mark.parametrize("way", [FakeWay(in_build=breaks_off), FakeWay(in_finish=breaks_off)], ids=["build", "finish"])
def test_broken_off_it_is_not_there_and_the_next_call_makes_it(cache: Path, way: FakeWay) -> None:
    with pytest.raises(KeyboardInterrupt):
        install(recipe(way), cache, said)
    assert stamp_of(cache / "minio") is None
    assert not list(cache.glob(".building-*"))
    assert install(recipe(FakeWay()), cache, said).state == "installed"


def test_what_stands_in_the_way_is_told_and_nothing_is_begun(cache: Path) -> None:
    failed = install(recipe(FakeWay(standing_in_the_way="no pip", in_build=fails)), cache, said)
    assert (failed.state, failed.problems) == ("failed", ("no pip",))


def test_what_is_there_needs_no_tools(cache: Path) -> None:
    install(recipe(FakeWay()), cache, said)
    assert install(recipe(FakeWay(standing_in_the_way="no pip")), cache, said).state == "there"


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = install(recipe(FakeWay()), tmp_path / "file" / "cache", said)
    assert failed.problems == (
        f"{tmp_path / 'file' / 'cache'}: Not a directory",
        "GATESIM_CACHE names another folder to install in",
    )


def test_two_at_a_time_wait_for_each_other(cache: Path) -> None:
    waits = threading.Event()
    states = []

    def second() -> None:
        states.append(install(recipe(FakeWay()), cache, lambda _: waits.set()).state)

    with only_one("minio", cache, waiting=fails):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        assert states == []
    thread.join(10)
    assert states == ["installed"]
