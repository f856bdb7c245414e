"""
`gatesim schema export`: schemas as files and on standard output.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from gatesim.__main__ import main


@pytest.mark.parametrize("arguments", [[], ["scenario"], ["report"]])
def test_a_schema_is_written_to_standard_output(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "export", *arguments]) == 0
    jsonschema.Draft7Validator.check_schema(json.loads(capsys.readouterr().out))


def test_a_schema_is_written_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "export", "report", "--out", str(tmp_path / "s.json")]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads((tmp_path / "s.json").read_text())["title"] == "gatesim report, gatesim/v1"


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "export", "--out", str(tmp_path)]) == 4
    assert "cannot be written: Is a directory" in capsys.readouterr().err
