"""
The run record: kept across runs, and never in the way of one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.suite.run_record import Last, RunRecord, cache_folder


def test_what_one_run_wrote_the_next_reads(tmp_path: Path) -> None:
    RunRecord().write({"a.yaml::x": Last("failed", 0.5), "a.yaml::y": Last("passed", 0.1)}, tmp_path)
    record = RunRecord.read(tmp_path)
    assert record.failed() == {"a.yaml::x"}
    assert record.durations() == {"a.yaml::x": 0.5, "a.yaml::y": 0.1}


def test_entries_of_files_that_are_there_stay_and_others_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kept.yaml").touch()
    RunRecord().write({"kept.yaml::x": Last("passed", 1.0), "gone.yaml::x": Last("passed", 1.0)})
    RunRecord().write({"new.yaml::x": Last("passed", 1.0)})
    assert set(RunRecord.read().last) == {"kept.yaml::x", "new.yaml::x"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"scenarios": 3}', b'{"scenarios": {"x": {}}}', b"\xff\xfe"])
def test_a_broken_record_is_no_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runs.json").write_bytes(content)
    assert RunRecord.read(tmp_path).last == {}


def test_a_folder_that_cannot_be_made_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    RunRecord().write({"a::x": Last("passed", 1.0)}, tmp_path / "file" / "cache")
    assert RunRecord.read(tmp_path / "file" / "cache").last == {}


def test_the_folder_keeps_itself_out_of_version_control(tmp_path: Path) -> None:
    RunRecord().write({}, tmp_path / "cache")
    assert (tmp_path / "cache" / ".gitignore").read_text() == "*\n"
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [".gitignore", "runs.json"]


def test_the_environment_can_name_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATESIM_CACHE", "elsewhere")
    assert cache_folder() == Path("elsewhere")
    monkeypatch.delenv("GATESIM_CACHE")
    assert cache_folder() == Path(".gatesim")
