"""
Where a service is: a variable before the cache before PATH, with all that its programs need around them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.installing import binaries
from simulator.installing.binaries import WrongPlace, find
from simulator.installing.cache import Stamp, write_stamp
from simulator.installing.java import ARCHIVE, CLASS_PATH, JAVA, LOGGING, java_identity


def program(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    All of PATH, which is empty; this Python's own programs and the system's folders count as nothing.
    """
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(binaries, "_SYSTEM_FOLDERS", (str(tmp_path / "first"), str(tmp_path / "last")))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "own" / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "own"))
    return folder


def installed(cache: Path, service: str, *programs: str) -> Path:
    for name in programs:
        program(cache / service / name)
    write_stamp(cache / service, Stamp("1.2", "recipe"))
    return cache / service


@pytest.mark.usefixtures("on_path", "cache")
def test_what_is_nowhere_is_none() -> None:
    assert [find(service) for service in binaries.KNOWN] == [None] * len(binaries.KNOWN)


def test_a_variable_goes_before_the_cache_and_the_cache_before_path(
    cache: Path, on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(on_path / "minio")
    found = find("minio")
    assert found is not None
    assert (found.source, found.program, found.version) == ("path", on_path / "minio", "")
    installed(cache, "minio", "bin/minio")
    found = find("minio")
    assert found is not None
    assert (found.source, found.program, found.version) == ("cache", cache / "minio" / "bin" / "minio", "1.2")
    monkeypatch.setenv("GATESIM_MINIO", str(program(tmp_path / "mine" / "my-minio")))
    found = find("minio")
    assert found is not None
    assert (found.source, found.program) == ("variable", tmp_path / "mine" / "my-minio")
    monkeypatch.setenv("GATESIM_MINIO", str(tmp_path / "mine"))
    with pytest.raises(WrongPlace, match=r"GATESIM_MINIO=.*: it must be a program, or a folder, with minio"):
        find("minio")


@pytest.mark.usefixtures("on_path")
def test_what_was_never_completed_is_not_there(cache: Path) -> None:
    program(cache / "minio" / "bin" / "minio")
    assert find("minio") is None


@pytest.mark.usefixtures("on_path")
def test_unpacked_programs_come_with_their_libraries(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/before")
    folder = installed(cache, "mosquitto", "usr/sbin/mosquitto", "usr/bin/mosquitto_passwd", "usr/lib/x-linux-gnu/a.so")
    found = find("mosquitto")
    assert found is not None
    assert set(found.programs) == {"mosquitto", "mosquitto_passwd"}
    assert found.environment["LD_LIBRARY_PATH"] == f"{folder / 'usr/lib/x-linux-gnu'}{os.pathsep}/before"


def test_rabbitmq_is_its_own_script_with_erlang_on_path_and_never_debian_s_wrapper(cache: Path, on_path: Path) -> None:
    scripts = ("usr/sbin/rabbitmq-server", "usr/lib/rabbitmq/bin/rabbitmq-server", "usr/lib/rabbitmq/bin/rabbitmqctl")
    folder = installed(cache, "rabbitmq", *scripts, "usr/lib/erlang/bin/erl", "usr/lib/erlang/erts-13/bin/epmd")
    found = find("rabbitmq")
    assert found is not None
    assert found.program == folder / "usr/lib/rabbitmq/bin/rabbitmq-server"
    path = found.environment["PATH"].split(os.pathsep)
    assert [folder / "usr/lib/erlang/bin", folder / "usr/lib/erlang/erts-13/bin"] == [Path(part) for part in path[1:3]]
    assert path[-1] == str(on_path)


@pytest.mark.usefixtures("on_path")
def test_a_folder_without_all_that_is_needed_is_none(cache: Path) -> None:
    installed(cache, "kubernetes", "bin/etcd", "bin/kube-controller-manager")
    assert find("kubernetes") is None


def test_an_api_server_without_controllers_is_found_all_the_same(
    on_path: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "assets" / "etcd")
    program(tmp_path / "assets" / "kube-apiserver")
    monkeypatch.setenv("GATESIM_KUBERNETES", str(tmp_path / "assets"))
    found = find("kubernetes")
    assert found is not None
    assert set(found.programs) == {"etcd", "kube-apiserver"}


@pytest.fixture
def kafka(cache: Path, on_path: Path) -> Path:
    program(on_path / "java")
    folder = installed(cache, "kafka", "libs/kafka_2.13-4.4.0.jar")
    (folder / CLASS_PATH).write_text("/libs/a.jar:/libs/b.jar")
    (folder / JAVA).write_text(java_identity())
    return folder


def test_kafka_is_a_class_path_its_java_and_an_archive(kafka: Path, on_path: Path) -> None:
    found = find("kafka")
    assert found is not None
    assert (found.program, found.class_path) == (on_path / "java", "/libs/a.jar:/libs/b.jar")
    assert found.place == Path("/libs")
    assert found.files == {LOGGING: kafka / LOGGING, ARCHIVE: kafka / ARCHIVE}


@pytest.mark.usefixtures("kafka")
def test_an_archive_of_another_java_is_left_out(on_path: Path) -> None:
    (on_path / "java").write_text("#!/bin/sh\n# newer\n")
    found = find("kafka")
    assert found is not None
    assert ARCHIVE not in found.files


def test_kafka_without_java_is_none(kafka: Path, on_path: Path) -> None:
    (on_path / "java").unlink()
    assert find("kafka") is None


@pytest.mark.parametrize("libs", ["libs", "libexec/libs"])
@pytest.mark.usefixtures("cache")
def test_an_apache_kafka_on_path_is_found_by_its_jars(on_path: Path, tmp_path: Path, libs: str) -> None:
    program(on_path / "java")
    starter = program(tmp_path / "kafka" / "bin" / "kafka-server-start.sh")
    (on_path / starter.name).symlink_to(starter)
    jar = program(tmp_path / "kafka" / libs / "kafka_2.13-3.9.jar")
    found = find("kafka")
    assert found is not None
    assert (found.source, found.class_path, dict(found.files)) == ("path", str(jar), {})


def test_looking_for_a_service_imports_nothing_heavy(tmp_path: Path) -> None:
    text = "import sys, simulator.installing.binaries; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "subprocess", "zipfile", "xml", "pydantic", "yaml", "importlib.metadata", "argparse"}
    assert not heavy & set(done.stdout.split())
