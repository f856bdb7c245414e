"""
A trial: what a program says of itself, and why one that is there cannot be run.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.installing.binaries import Installed
from simulator.installing.java import ARCHIVE
from simulator.installing.trial import Trial, try_out


def service(name: str, program: Path, script: str, *, version: str = "", **more: Path) -> Installed:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Installed(name, version, "path", {program.name: program, **more}, {"LD_LIBRARY_PATH": "/libraries"})


@pytest.mark.parametrize(
    ("name", "program", "said", "version"),
    [
        ("nats", "nats-server", "nats-server: v2.15.1", "2.15.1"),
        ("mosquitto", "mosquitto", "mosquitto version 2.0.11\nmosquitto is an MQTT v5.0 broker", "2.0.11"),
        ("minio", "minio", "minio version DEVELOPMENT.GOGET (commit-id=DEVELOPMENT.GOGET)", ""),
        ("kubernetes", "kube-apiserver", "Kubernetes v1.37.2", "1.37.2"),
    ],
)
def test_a_version_is_the_program_s_own_word(tmp_path: Path, name: str, program: str, said: str, version: str) -> None:
    code = 3 if name == "mosquitto" else 0
    found = service(name, tmp_path / program, f"echo '{said}'; exit {code}")
    assert try_out(found)[:2] == (version, "")


def test_what_the_stamp_says_goes_before_a_program_s_word(tmp_path: Path) -> None:
    found = service("minio", tmp_path / "minio", "echo minio version 1.0", version="2026-02-12")
    assert try_out(found) == Trial("2026-02-12")


def test_the_version_of_what_runs_a_service_is_not_its_own(tmp_path: Path) -> None:
    assert try_out(service("kafka", tmp_path / "java", "echo openjdk version 17.0.1")).version == ""


def test_a_program_gets_the_environment_that_it_needs(tmp_path: Path) -> None:
    found = service("minio", tmp_path / "minio", '[ "$LD_LIBRARY_PATH" = /libraries ] || { echo none; exit 127; }')
    assert try_out(found).problem == ""


def test_a_program_that_does_not_run_says_why(tmp_path: Path) -> None:
    found = service("minio", tmp_path / "minio", "echo libx.so: cannot open; exit 127")
    assert try_out(found) == Trial("", f"{tmp_path / 'minio'} does not run: libx.so: cannot open")


def test_a_program_of_another_machine_says_so(tmp_path: Path) -> None:
    found = service("minio", tmp_path / "minio", "")
    (tmp_path / "minio").write_bytes(b"\x7fELF nonsense")
    assert "cannot be run" in try_out(found).problem


def test_what_could_be_better_is_noted(tmp_path: Path) -> None:
    slow = service("kafka", tmp_path / "java", "", version="4.4.0")
    assert "gatesim env install kafka" in try_out(slow).note
    assert try_out(slow._replace(files={ARCHIVE: tmp_path})).note == ""
    assert "kube-controller-manager" in try_out(service("kubernetes", tmp_path / "kube-apiserver", "")).note
