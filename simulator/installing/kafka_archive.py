"""
The class-data archive of Apache Kafka: the classes that a broker has loaded once it serves, so that later ones start in
half the time.

The JVM writes it when a broker that was told to ends; so one is started, for this alone.
"""

from __future__ import annotations

import base64
import shutil
import socket
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path

from simulator.installing.java import JVM, MAIN
from simulator.installing.tool import InstallError, Tools

_SERVES = "Kafka Server started"


def make_archive(archive: Path, class_path: str, logging: Path, tools: Tools) -> None:
    """
    Write *archive* for *class_path*.

    Raises:
        InstallError: The broker did not start, or wrote none.
    """
    archive.unlink(missing_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="first-start-", dir=archive.parent))
    try:
        settings = _settings(folder)
        command = (
            *("java", *JVM, f"-XX:ArchiveClassesAtExit={archive}", f"-Dlog4j2.configurationFile=file:{logging}"),
            *("-cp", class_path, MAIN, str(settings)),
        )
        tools.run(*command, folder=folder, quiet=True, stop_at=_SERVES)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not archive.is_file():
        raise InstallError("Kafka's first start wrote no class-data archive")


def _settings(folder: Path) -> Path:
    """
    The configuration of a broker of one node in *folder*, which is formatted for it.
    """
    with ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        broker, controller = (server.getsockname()[1] for server in servers)
    data = folder / "data"
    data.mkdir()
    (data / "meta.properties").write_text(
        f"version=1\ncluster.id={_random_id()}\nnode.id=1\ndirectory.id={_random_id()}\n", encoding="utf-8"
    )
    file = folder / "server.properties"
    file.write_text(
        "process.roles=broker,controller\nnode.id=1\n"
        f"listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n"
        f"advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\n"
        "controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        f"controller.quorum.voters=1@127.0.0.1:{controller}\nlog.dirs={data}\n"
        # Else the cleaner alone takes 128 MiB, more than the heap has.
        "log.cleaner.dedupe.buffer.size=2097152\n",
        encoding="utf-8",
    )
    return file


def _random_id() -> str:
    """
    An id in Kafka's form; those that are almost all zeros are reserved.
    """
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
