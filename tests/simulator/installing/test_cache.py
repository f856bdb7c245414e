"""
The cache: where it is on each system, that a folder counts once it is stamped, and that nothing half-made is left.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.installing.cache import STAMP, Stamp, building, cache_folder, put_in_place, stamp_of, write_stamp


@pytest.mark.parametrize(
    ("environment", "platform", "folder"),
    [
        ({"GATESIM_CACHE": "/c"}, "linux", "/c"),
        ({"GATESIM_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "darwin", "/c"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "linux", "/x/gatesim"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "linux", "/h/.cache/gatesim"),
        ({"HOME": "/h"}, "linux", "/h/.cache/gatesim"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "darwin", "/h/Library/Caches/gatesim"),
    ],
)
def test_the_folder_is_the_one_that_the_user_or_the_system_names(
    environment: dict[str, str], platform: str, folder: str
) -> None:
    assert cache_folder(environment, platform) == Path(folder)


def test_a_stamp_reads_as_it_was_written(tmp_path: Path) -> None:
    write_stamp(tmp_path, Stamp("1.2", "recipe"))
    assert stamp_of(tmp_path) == Stamp("1.2", "recipe")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "1"}'])
def test_a_stamp_that_was_cut_off_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / STAMP).write_text(text)
    assert stamp_of(tmp_path) is None


def test_nothing_is_left_of_a_building_nor_of_one_whose_process_was_killed(tmp_path: Path) -> None:
    (tmp_path / ".building-x-old").mkdir()
    (tmp_path / ".building-x").mkdir()
    (tmp_path / ".building-x" / "half").write_text("")
    with building("x", tmp_path) as folder:
        assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_put_in_place_replaces_what_stood_there(tmp_path: Path) -> None:
    built, place = tmp_path / "built", tmp_path / "place"
    for folder, name in ((built, "new"), (place, "old")):
        folder.mkdir()
        (folder / name).write_text("")
    put_in_place(built, place)
    assert [file.name for file in tmp_path.rglob("*")] == ["place", "new"]
