"""
`gatesim env up|down|status|reset` and `--keep-env`, over a keeper of small servers: what stays, and what is told.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatesim.command_line import Parser
from simulator.commands import env, env_servers
from simulator.commands.env_servers import as_table
from simulator.commands.keep_env import KeepingServers
from simulator.keeping import lease as lease_file
from simulator.keeping.lease import Lease, ask_keeper
from tests.simulator.keeping.test_keeper import PROGRAM, ROOT, until
from tests.simulator.services.processes import is_gone


@pytest.fixture(autouse=True)
def socket_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """
    A keeper of fakes, which ends with the test.
    """
    path = tmp_path / "keeper" / "socket"
    monkeypatch.setattr(lease_file, "keeper_socket", lambda: path)
    monkeypatch.setattr(env_servers, "keeper_socket", lambda: path)
    monkeypatch.setattr(env_servers, "kept_kinds", lambda: ["kafka", "minio"])
    monkeypatch.setattr(env_servers, "_is_here", lambda kind: kind == "kafka")
    monkeypatch.setattr(lease_file, "_PROGRAM", PROGRAM)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    yield path
    leave(path)
    asyncio.run(ask_keeper("down", must_be_there=True))
    leave(path)
    until(lambda: not path.exists())


def leave(path: Path) -> None:
    """
    Let go of the keeper, as a command that ends does.
    """
    anchor = lease_file._anchors.pop(path, None)
    if anchor is not None:
        anchor.close()


def run(*words: str) -> int:
    parser = Parser(prog="gatesim env")
    env.add_arguments(parser)
    return env.main(parser.parse(words))


def pids() -> list[int]:
    found = asyncio.run(ask_keeper("status", must_be_there=True)) or []
    return [each["access"]["pid"] for each in found if each["running"]]


def test_what_is_up_stays_when_its_command_ended_and_goes_with_down(
    socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", "kafka", "s3") == 0
    assert {line.partition(":")[0] for line in capsys.readouterr().out.splitlines()} == {"kafka", "minio"}
    leave(socket_path)
    running = pids()
    assert len(running) == 2
    assert run("down") == 0
    assert capsys.readouterr().out == "ended: fake, fake\n"
    assert all(map(is_gone, running))
    assert run("down") == 0
    assert capsys.readouterr().out == "nothing is up\n"


def test_without_a_name_those_that_are_here_come_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("up") == 0
    assert capsys.readouterr().out.startswith("kafka: up in ")


def test_what_starts_with_each_scenario_is_told_and_not_kept(
    socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", "nats", "mqtt") == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["nats", "mosquitto"]
    assert not socket_path.exists()


def test_a_server_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("up", "kafak") == 4
    assert capsys.readouterr().err == "gatesim env up: there is no server `kafak`; did you mean `kafka`?\n"
    assert run("up", "rabbitmq") == 10
    assert capsys.readouterr().err == "gatesim env up: rabbitmq is not supported yet by this version\n"


def test_the_status_is_a_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status") == 0
    assert capsys.readouterr().out == "nothing is up\n"
    run("up", "kafka")
    capsys.readouterr()
    run("status")
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["server", "state", "where"]
    assert row.split()[:2] == ["fake", "free"]
    assert max(len(head), len(row)) <= 80
    run("status", "--json")
    whole = json.loads(capsys.readouterr().out)
    assert whole["up"] is True
    assert [(each["kind"], each["leased"]) for each in whole["servers"]] == [("fake", False)]


def test_the_table_fits_eighty_columns_and_says_what_was_asked_for() -> None:
    server = {"kind": "kafka", "options": {"nodes": 3}, "running": True, "leased": True, "access": {"x": "y" * 100}}
    lines = as_table([server, {**server, "running": False, "leased": False, "access": {}, "options": {}}]).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[:2] for line in lines[1:]] == [["kafka", "in"], ["with", '{"nodes":3}'], ["kafka", "stopped"]]


def test_reset_makes_what_nobody_has_as_new_and_leaves_the_rest_alone(capsys: pytest.CaptureFixture[str]) -> None:
    async def story() -> None:
        mine = await Lease.of("x", "kafka", {"mine": 1})
        await mine.ask("write", argument=1)
        free = await Lease.of("x", "kafka", {})
        await free.ask("write", argument=2)
        await free.give_back(clean=True)
        assert await asyncio.to_thread(run, "reset") == 0
        assert await mine.ask("read") == 1
        free = await Lease.of("x", "kafka", {})
        assert await free.ask("read") is None
        await free.give_back(clean=True)
        assert await asyncio.to_thread(run, "down") == 1
        await mine.give_back(clean=True)

    asyncio.run(story())
    captured = capsys.readouterr()
    assert captured.out == 'as new: fake\nleft alone, as a run has it: fake {"mine":1}\n'
    assert captured.err == "gatesim env down: a run has fake; `--force` ends them all the same\n"


@pytest.mark.parametrize(
    ("when", "exit_code", "stays"),
    [("always", 0, True), ("on-failure", 1, True), ("on-failure", 0, False), ("never", 1, False)],
)
def test_the_servers_of_a_run_stay_where_they_are_to(
    when: str, exit_code: int, stays: bool, socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def story() -> int:
        lease = await Lease.of("x", "kafka", {})
        await lease.give_back(clean=True)
        return int(lease.access["pid"])

    keeping = KeepingServers(when, ["local"])
    keeping.begin()
    pid = asyncio.run(story())
    assert keeping.decide(exit_code) == exit_code
    leave(socket_path)
    if stays:
        assert pids() == [pid]
        assert capsys.readouterr().err == "kept: fake; `gatesim env down` ends them\n"
    else:
        until(lambda: is_gone(pid) and not socket_path.exists())


def test_nothing_stays_where_nothing_was_started(socket_path: Path) -> None:
    keeping = KeepingServers("always", ["local"])
    keeping.begin()
    keeping.decide(0)
    leave(socket_path)
    until(lambda: not socket_path.exists())
    KeepingServers("always", []).begin()
    assert not socket_path.exists()


def test_a_server_that_died_comes_up_again(socket_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("up", "kafka")
    [pid] = pids()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not pids())
    run("up", "kafka")
    [again] = pids()
    assert again != pid
