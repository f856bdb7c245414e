"""
Options: which place counts, and how a wrong one is told.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from simulator.commands.options import OPTIONS, Config, OptionError, Options, find_config
from simulator.suite.discovery import Shard


def options(
    arguments: dict[str, Any] | None = None, environment: dict[str, str] | None = None, **values: Any
) -> Options:
    config = Config("gatesim.toml", {name.replace("_", "-"): value for name, value in values.items()})
    return Options(argparse.Namespace(**(arguments or {})), environment or {}, config)


def test_a_flag_counts_before_a_variable_before_the_file_before_the_default() -> None:
    flag, variable = {"retries": "3"}, {"GATESIM_RETRIES": "2"}
    assert options(flag, variable, retries=1).get("retries", 0) == 3
    assert options({"retries": None}, variable, retries=1).get("retries", 0) == 2
    assert options(None, None, retries=1).get("retries", 0) == 1
    assert options().get("retries", 0) == 0


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("workers", "4", 4),
        ("shard", "2/3", Shard(2, 3)),
        ("seed", "0", 0),
        ("timeout-scale", "2.5", 2.5),
        ("real-limit", "1m30s", 90.0),
        ("exit-first", "yes", True),
        ("no-color", "0", False),
        ("provider", "nats=embedded,local", ("nats=embedded", "local")),
        ("target", "reference", "reference"),
        ("keep-env", "never", "never"),
        ("keep-env", "on-failure", "on-failure"),
        ("report", "json=a,junit=b", ("json=a", "junit=b")),
        ("allow-writes", "false", False),
    ],
)
def test_every_option_can_come_from_a_variable(name: str, text: str, value: object) -> None:
    variable = f"GATESIM_{name.upper().replace('-', '_')}"
    assert options(None, {variable: text}).get(name) == value


def test_workers_auto_is_as_many_as_there_are_processors() -> None:
    assert options({"workers": "auto"}).get("workers") >= 1


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("workers", "0", "--workers: `0` is no number of workers; write a whole number from 1, or `auto`"),
        ("workers", "many", "--workers: `many` is no number of workers"),
        ("shard", "4/3", "--shard: `4/3` is no shard; write `1/3`, `2/3` or `3/3` for one of three"),
        ("shard", "1", "--shard: `1` is no shard"),
        ("seed", "-1", "--seed: `-1` is no whole number"),
        ("timeout-scale", "0", "--timeout-scale: `0` is no number above 0"),
        ("timeout-scale", "nan", "--timeout-scale: `nan` is no number above 0"),
        ("real-limit", "60", "--real-limit: `60` is no duration; a duration carries its unit: `60s` or `60ms`"),
        ("repeat", "0", "--repeat: must be at least 1"),
        (
            "provider",
            "container",
            "--provider: provider `container` is not supported yet; there are embedded and local",
        ),
        (
            "provider",
            "nats=docker",
            "--provider: `docker` is no provider; there are embedded, local, container, external",
        ),
        ("service", "nats=nats://x", "--service: external services are not supported yet"),
        ("allow-writes", "true", "--allow-writes: external services are not supported yet"),
        ("target", "grpc:localhost:9", "--target: target `grpc:localhost:9` is not supported yet; there is reference"),
        ("target", "my.target.yaml", "--target: target `my.target.yaml` is not supported yet"),
        ("target", "refrence", "--target: `refrence` is no target; there is reference"),
        ("keep-env", "maybe", "--keep-env: must be on-failure, always or never, not `maybe`"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(name: str, text: str, problem: str) -> None:
    with pytest.raises(OptionError) as error:
        options({name.replace("-", "_"): text}).get(name)
    assert problem in str(error.value)


def test_the_file_takes_numbers_switches_and_lists() -> None:
    given = options(None, None, timeout_scale=2, exit_first=True, report=["json=a", "junit=b"], paths="one")
    assert given.get("timeout-scale") == 2.0
    assert given.get("exit-first") is True
    assert given.get("report") == ("json=a", "junit=b")
    assert given.get("paths") == ("one",)


def test_the_file_takes_nothing_else() -> None:
    with pytest.raises(OptionError, match=r"gatesim\.toml: `retries`: must be text"):
        options(None, None, retries={}).get("retries")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.gatesim]\nretries = 1\n")
    write(tmp_path / "a" / "pyproject.toml", "[project]\nname = 'x'\n")
    (tmp_path / "a" / "b").mkdir()
    assert find_config(tmp_path / "a" / "b").values == {"retries": 1}
    write(tmp_path / "a" / "gatesim.toml", "retries = 2\n")
    assert find_config(tmp_path / "a" / "b") == Config(str(tmp_path / "a" / "gatesim.toml"), {"retries": 2})


def test_nothing_is_looked_for_beyond_the_repository(tmp_path: Path) -> None:
    write(tmp_path / "gatesim.toml", "retries = 1\n")
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    assert find_config(tmp_path / "repository") == Config()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("retry = 1\n", "unknown option `retry`; did you mean `retries`?"),
        ("timeout_scale = 1\n", "unknown option `timeout_scale`; did you mean `timeout-scale`?"),
        ("xyz = 1\n", "unknown option `xyz`; there are paths, "),
        ("retries =\n", "Invalid value (at line 1, column 10)"),
    ],
)
def test_a_file_that_is_wrong_is_told(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path / "gatesim.toml", text)
    with pytest.raises(OptionError) as error:
        find_config(tmp_path)
    assert str(error.value).startswith(f"{path}: ")
    assert problem in str(error.value)


def test_every_option_of_the_contract_is_there() -> None:
    contract = """keywords tags workers shard seed provider service allow-writes target timeout-scale real-limit
        max-failures last-failed repeat until-fail retries fail-on-skip report keep-env verbose quiet no-color"""
    assert set(contract.split()) <= set(OPTIONS)
