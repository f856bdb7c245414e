"""
Lease: a kept server as one scenario has it; and the way to the keeper, which is started where there is none.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from simulator.errors import ServiceUnavailable, SimulatorError
from simulator.version import VERSION

Json = dict[str, Any]
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from simulator.keeping.keeper import main; main()"
)
_LINE_MAX = 1 << 20
_TRIES = 5
"""A keeper that is about to end may still take a connection, and close it without a word."""

_anchors: dict[Path, socket.socket] = {}
"""Keepers to a connection that lasts as long as this process: while it is open, they stay."""


class Lease:
    """
    One kept server, ours alone until it is given back.

    Args:
        service: The service's name, for errors.
        reader, writer: The connection to the keeper.
        died: Told the cause when the server ends without having been asked to.
    """

    def __init__(
        self,
        service: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        died: Callable[[str], None],
    ) -> None:
        self.access: Json = {}
        """See KeptServer.access."""
        self._service = service
        self._writer = writer
        self._died = died
        self._answers: asyncio.Queue[Json] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read(reader), name=f"keeper of {service}")

    @classmethod
    async def of(
        cls, service: str, kind: str, options: Mapping[str, Any], died: Callable[[str], None] = lambda cause: None
    ) -> Lease:
        """
        Lease a server of *kind*, started where none runs; waits while somebody else has it.

        Raises:
            ServiceUnavailable: It cannot be had here.
        """
        reader, writer = await _connected()
        lease = cls(service, reader, writer, died)
        try:
            lease.access = await lease.ask("lease", kind=kind, options=dict(options))
        except BaseException:
            await lease._leave()
            raise
        return lease

    async def ask(self, what: str, **more: Any) -> Any:
        """
        Have the keeper do something with the server: `start`, `stop`, `kill`, `pause`, `resume`, `log`, or what only
        this kind of server knows.

        Raises:
            ServiceUnavailable: It cannot.
        """
        self._writer.write(json.dumps({"ask": what, **more}).encode() + b"\n")
        answer = await self._answers.get()
        if "refused" in answer:
            reason, how = answer["refused"]
            raise ServiceUnavailable(self._service, "local", reason, how)
        return answer["answer"]

    async def give_back(self, *, clean: bool) -> None:
        """
        Let somebody else have it. Where it is not *clean* it is wiped first.
        """
        try:
            await self.ask("release", clean=clean)
        finally:
            await self._leave()

    async def _leave(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        self._writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                message = json.loads(line)
                if "died" in message:
                    self._died(message["died"])
                else:
                    self._answers.put_nowait(message)
        self._answers.put_nowait({"refused": ["the process that keeps the servers is gone", ""]})


async def ask_keeper(what: str, *, must_be_there: bool = False, **more: Any) -> Any:
    """
    Ask the keeper itself: `up`, `down`, `reset`, `status`.

    Args:
        must_be_there: Whether one is not started for this.

    Returns:
        None where there is none.
    """
    if must_be_there and not await asyncio.to_thread(_is_there, keeper_socket()):
        return None
    reader, writer = await _connected()
    lease = Lease("environment", reader, writer, lambda cause: None)
    try:
        return await lease.ask(what, **more)
    finally:
        await lease._leave()


def anchors() -> frozenset[int]:
    """
    The file descriptors of connections that last as long as this process.
    """
    return frozenset(anchor.fileno() for anchor in _anchors.values())


def keeper_socket() -> Path:
    """
    Where the keeper of this user and this installation listens.
    """
    what = json.dumps([VERSION, sys.executable, str(Path(__file__).parent), os.environ.get("GATESIM_CACHE", "")])
    name = hashlib.sha256(what.encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"gatesim-keeper-{os.getuid()}-{name}"
    return folder / "socket"


async def _connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    path = keeper_socket()
    await asyncio.to_thread(_anchor, path)
    return await asyncio.open_unix_connection(str(path), limit=_LINE_MAX)


def _anchor(path: Path) -> None:
    """
    Have a keeper, and keep it for as long as this process lives.
    """
    anchor = _anchors.get(path)
    if anchor is not None and not _is_closed(anchor):
        return
    if anchor is not None:
        _anchors.pop(path).close()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():
        raise SimulatorError(f"{path.parent} belongs to somebody else: remove it")
    with (path.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        anchor = _anchors.get(path)
        if anchor is not None and not _is_closed(anchor):
            return  # another thread was faster
        for _ in range(_TRIES):
            found = _connect(path)
            if found is None:
                _start_keeper(path)
            elif _is_closed(found):
                found.close()
            else:
                _anchors[path] = found
                return
    raise SimulatorError("the process that keeps the servers cannot be reached")


def _is_there(path: Path) -> bool:
    found = _connect(path)
    if found is not None:
        found.close()
    return found is not None


def _connect(path: Path) -> socket.socket | None:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.connect(str(path))
        found.sendall(b'{"ask": "status"}\n')
        with found.makefile("rb") as answers:
            if not answers.readline():
                found.close()
                return None
    except OSError:
        found.close()
        return None
    return found


def _is_closed(found: socket.socket) -> bool:
    found.setblocking(False)
    try:
        return not found.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _start_keeper(path: Path) -> None:
    path.unlink(missing_ok=True)
    with (path.parent / "log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(path), json.dumps(sys.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert child.stdout is not None
    child.wait()
    with child.stdout as said:
        if said.readline().strip() != b"ready":
            raise SimulatorError(f"the process that keeps the servers did not start; see {path.parent / 'log'}")
