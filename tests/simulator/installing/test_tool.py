"""
Tools: their lines are handed on and logged, and the last ones say why one failed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.installing import tool
from simulator.installing.tool import LAST_LINES, ToolFailed, Tools, missing
from tests.simulator.installing.fake_tools import FakeTools


def test_a_tool_s_lines_are_handed_on_without_colours(
    fakes: FakeTools, tools: Tools, said: list[str], tmp_path: Path
) -> None:
    fakes.add("mvn", r"print('\033[1mone\033[0m'); print('two', sys.argv[1:], file=sys.stderr)")
    assert "one" in tools.run("mvn", "-x", folder=tmp_path).splitlines()
    assert sorted(said) == ["one", "two ['-x']"]


def test_a_failure_carries_the_last_lines_and_names_the_log(fakes: FakeTools, tools: Tools, tmp_path: Path) -> None:
    fakes.add("go", "[print(f'line {n}') for n in range(40)]; sys.exit(9)")
    with pytest.raises(ToolFailed) as failure:
        tools.run("go", "build", "x", folder=tmp_path)
    assert failure.value.lines == tuple(f"line {n}" for n in range(40 - LAST_LINES, 40))
    assert str(failure.value) == f"`go build` ended with code 9; all that it wrote: {tmp_path / 'log'}"
    assert "line 0\n" in (tmp_path / "log").read_text()


def test_a_tool_that_is_not_there_fails_and_does_not_crash(tools: Tools, tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="no-such-tool"):
        tools.run("no-such-tool", folder=tmp_path)


def test_an_empty_value_takes_a_variable_away(
    fakes: FakeTools, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    fakes.add("go", "print(os.environ.get('GOOS'), os.environ['X'])")
    assert tools.run("go", folder=tmp_path, environment={"GOOS": "", "X": "y"}) == "None y"


def test_a_server_is_asked_to_end_once_it_has_said_its_word(fakes: FakeTools, tools: Tools, tmp_path: Path) -> None:
    fakes.add("java", "import signal\nprint('it serves', flush=True)\nsignal.pause()")
    assert tools.run("java", folder=tmp_path, stop_at="serves") == "it serves"


def test_a_server_that_ends_without_its_word_has_failed(fakes: FakeTools, tools: Tools, tmp_path: Path) -> None:
    fakes.add("java", "print('address in use')")
    with pytest.raises(ToolFailed) as failure:
        tools.run("java", folder=tmp_path, stop_at="serves")
    assert failure.value.lines == ("address in use",)


def test_a_server_that_never_says_its_word_is_killed(
    fakes: FakeTools, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "_SERVER_LIMIT_S", 0.2)
    fakes.add("java", "import signal\nsignal.pause()")
    with pytest.raises(ToolFailed, match="was killed by signal 9"):
        tools.run("java", folder=tmp_path, stop_at="serves")


def test_what_is_missing_is_named_with_what_to_do(fakes: FakeTools) -> None:
    fakes.add("java", "")
    assert missing(("java", "mvn")) == ["`mvn` is not on PATH: install Apache Maven 3.6 or later"]
