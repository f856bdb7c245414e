"""
`gatesim env install`: what it prints, its exit codes, and what is left when it is interrupted or killed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gatesim.command_line import Parser
from simulator.commands import env
from simulator.installing.cache import Stamp, folder_of, stamp_of, write_stamp
from simulator.installing.recipes import RECIPES
from tests.simulator.installing.fake_tools import FakeTools

ROOT = Path(__file__).parents[3]
GO = "Path(os.environ['GOBIN'], 'server').write_text('')"
WAITS = """
pipe = os.open(os.environ['TOLD'], os.O_WRONLY)
os.write(pipe, str(os.getpid()).encode())
os.close(pipe)
import signal
signal.pause()
"""


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    return FakeTools(tmp_path / "fake", monkeypatch)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATESIM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def arguments(*words: str) -> argparse.Namespace:
    parser = Parser(prog="gatesim env")
    env.add_arguments(parser)
    return parser.parse(["install", *words])


def test_what_was_installed_is_told_in_lines_that_fit(
    fakes: FakeTools, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes.add("go", GO)
    assert env.main(arguments("toxiproxy")) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "[1/1] toxiproxy (2.12.0), faults on connections"
    assert second.startswith("  installed 2.12.0 in ")
    assert (cache / "toxiproxy" / "bin" / "toxiproxy-server").is_file()
    assert env.main(arguments("toxiproxy")) == 0
    assert "2.12.0 is there already" in capsys.readouterr().out


def test_a_failure_shows_the_tool_s_lines_and_the_others_go_on(
    fakes: FakeTools, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes.add("go", f"if 'minio' in sys.argv[-1]: sys.exit('no space left on device')\n{GO}")
    assert env.main(arguments("minio", "toxiproxy")) == 10
    lines = capsys.readouterr().out.splitlines()
    assert "  | no space left on device" in lines
    assert "  `go install` ended with code 1" in lines
    assert lines[-1] == "not installed: minio"
    assert stamp_of(cache / "toxiproxy") is not None


@pytest.mark.usefixtures("fakes", "cache")
def test_a_missing_tool_is_named_with_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    assert env.main(arguments("minio")) == 10
    assert "  `go` is not on PATH: install Go 1.26 or later\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"), [("mosquito", "did you mean `mosquitto`?"), ("x", "there are nats, mosquitto, rabbitmq")]
)
def test_a_name_that_is_none_is_a_bad_option(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert env.main(arguments("nats", name)) == 4
    assert said in capsys.readouterr().err


def test_json_goes_to_standard_output_and_progress_elsewhere(
    fakes: FakeTools, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes.add("go", GO)
    assert env.main(arguments("toxiproxy", "minio", "--json")) == 0
    captured = capsys.readouterr()
    assert "[1/2] toxiproxy" in captured.err
    whole = json.loads(captured.out)
    assert whole["cache"] == str(cache)
    assert [(entry["service"], entry["state"]) for entry in whole["services"]] == [
        ("toxiproxy", "installed"),
        ("minio", "installed"),
    ]


@pytest.mark.usefixtures("fakes")
def test_the_list_says_what_is_there_and_what_stands_in_the_way(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for service, recipe in (("minio", RECIPES["minio"].identity), ("toxiproxy", "an older one")):
        folder_of(service, cache).mkdir(parents=True)
        write_stamp(folder_of(service, cache), Stamp("1.1", recipe))
    assert env.main(arguments("--list")) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line and not line.startswith(" ")}
    assert rows["minio"][1:3] == ["1.1", "installed"]
    assert rows["toxiproxy"][1:3] == ["2.12.0", "outdated"]
    assert rows["kafka"][1:3] == ["4.4.0", "absent"]
    assert "           `mvn` is not on PATH: install Apache Maven 3.6 or later" in out.splitlines()
    assert [line for line in out.splitlines() if len(line) > 80 and line.startswith(tuple(RECIPES))] == []


@pytest.mark.usefixtures("fakes", "cache")
def test_the_list_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert env.main(arguments("--list", "--json", "minio")) == 0
    (entry,) = json.loads(capsys.readouterr().out)["services"]
    assert (entry["service"], entry["state"], entry["from"]) == ("minio", "absent", "Go modules")
    assert entry["obstacles"] == ["`go` is not on PATH: install Go 1.26 or later"]


@pytest.fixture
def at_work(fakes: FakeTools, cache: Path, tmp_path: Path) -> tuple[subprocess.Popen[str], int]:
    """
    An installation whose tool is at work, and that tool's process id.
    """
    fakes.add("go", WAITS)
    told = tmp_path / "told"
    os.mkfifo(told)
    command = [sys.executable, "-m", "gatesim", "env", "install", "toxiproxy"]
    environment = {**os.environ, "TOLD": str(told), "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    return running, int(told.read_text())


def test_interrupted_it_ends_its_tool_and_leaves_nothing_half_made(
    at_work: tuple[subprocess.Popen[str], int], cache: Path
) -> None:
    running, tool = at_work
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=20)
    assert running.returncode == 2
    assert "broken off; the same command goes on with it" in out
    with pytest.raises(ProcessLookupError):
        os.kill(tool, 0)
    assert not list(cache.glob(".building-*"))


def test_killed_it_is_not_there_and_the_next_one_starts_cleanly(
    at_work: tuple[subprocess.Popen[str], int], cache: Path, fakes: FakeTools
) -> None:
    running, tool = at_work
    running.kill()
    os.kill(tool, signal.SIGKILL)
    running.communicate(timeout=20)
    assert list(cache.glob(".building-*"))
    fakes.add("go", GO)
    assert env.main(arguments("toxiproxy")) == 0
    assert not list(cache.glob(".building-*"))
    assert stamp_of(cache / "toxiproxy") is not None
