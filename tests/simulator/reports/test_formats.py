"""
`--report FORMAT=PATH`: what it may say, and what is answered to the rest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.reports.formats import FORMATS, LATER, FormatError, ReportTarget, open_report, parse_report
from simulator.reports.output import OutputError, check_writable, write_report
from tests.simulator.fake_plays import replay


def test_a_format_and_a_path() -> None:
    assert parse_report("json=out/r=1.json") == ReportTarget("json", "out/r=1.json")
    assert parse_report("ndjson=-").is_standard_output


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("jnuit=x", "there is no report format `jnuit`; did you mean `junit`?"),
        ("pdf=x", "there is no report format `pdf`; there are json, ndjson, junit"),
        ("json", "`json` lacks the file: write `json=PATH`, or `json=-` for standard output"),
        ("json=", "`json=` lacks the file: write `json=PATH`, or `json=-` for standard output"),
        *(
            (f"{name}=x", f"report format `{name}` is not supported yet; there are json, ndjson, junit")
            for name in LATER
        ),
    ],
)
def test_what_cannot_be_had_is_told(text: str, problem: str) -> None:
    with pytest.raises(FormatError) as error:
        parse_report(text)
    assert str(error.value) == problem


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_be_written_and_its_folder_is_made(name: str, tmp_path: Path) -> None:
    replay(open_report(ReportTarget(name, str(tmp_path / "new" / "report"))), [])
    assert (tmp_path / "new" / "report").read_text()


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_played(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(str(tmp_path))
    with pytest.raises(OutputError, match="cannot be made"):
        check_writable(str(tmp_path / "file" / "r.json"))


def test_a_report_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")

    def parts() -> object:
        yield "new"
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left on device"):
        write_report(str(path), parts())  # type: ignore[arg-type]  # a generator that fails
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("r.json", "old")]
