"""
LocalProcess: a local binary as an owned child; ready when its log says so, and gone when we are, however we end.

A guardian waits on a pipe that this process holds: should this process be killed outright, the pipe closes, and the
guardian kills the child with everything it started and removes its folder.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple, cast

LOG_LINES = 200
"""Lines of the child's log that are kept."""
_PROBE_S, _PROBE_S_MAX = 0.005, 0.05
"""Between two questions whether a server answers: the first wait, and the longest."""
_LINE_BYTES_MAX = 2_000
"""Of one line; the rest of it is left out."""
_GUARDIAN = """
read -r pid || { rm -rf -- "$1"; exit; }
[ "$pid" = none ] || read -r done || { kill -9 "-$pid"; rm -rf -- "$1"; }
"""
"""The first line is the child's pid, which is also its process group's; a second one says that all is well."""
_CHILD = 'read -r guarded && exec "$@" </dev/null'
"""Becomes the program once its guardian knows it, and nothing should we be killed before."""


class Exit(NamedTuple):
    """
    How a child ended.
    """

    code: int
    """Its exit code; negative: the number of the signal that ended it."""
    log_tail: str
    """The last lines of its log."""

    def __str__(self) -> str:
        if self.code >= 0:
            return f"ended with exit code {self.code}"
        return f"was ended by {signal.Signals(-self.code).name}"


class StartFailed(Exception):
    """
    A child did not come up.

    Attributes:
        cause: One sentence.
        log_tail: The last lines of its log; empty where it did not run at all.
    """

    def __init__(self, cause: str, log_tail: str = "") -> None:
        self.cause = cause
        self.log_tail = log_tail
        super().__init__(cause + (f"; its log ends with\n{log_tail}" if log_tail else ""))


class LocalProcess:
    """
    One child, in a folder of its own.

    Args:
        name: For people, and in the folder's name.
        died: Told how the child ended where nobody had asked it to.
    """

    def __init__(self, name: str, *, died: Callable[[Exit], None]) -> None:
        self.name = name
        self._died = died
        self._folder: Path | None = None
        self._child: _Child | None = None

    @property
    def folder(self) -> Path:
        """
        A temporary folder of its own, readable by nobody else; kept across restarts, removed by `remove_folder`.
        """
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix=f"gatesim-{self.name}-"))
        return self._folder

    @property
    def pid(self) -> int | None:
        """
        The child's process id; None where none runs.
        """
        child = self._child
        return child.pid or None if child is not None and child.exit is None else None

    def log_tail(self) -> str:
        """
        The last lines of the log, of the latest child.
        """
        return self._child.log_tail() if self._child is not None else ""

    async def start(
        self,
        command: Sequence[str],
        seen: Mapping[str, re.Pattern[str]],
        limit_s: float,
        *,
        environ: Mapping[str, str] | None = None,
        answers: Callable[[], Awaitable[bool]] | None = None,
    ) -> dict[str, str]:
        """
        Start *command* in the folder.

        Args:
            command: The program and its arguments.
            seen: The child is ready once a line of its log has matched each of these...
            limit_s: Of real time.
            environ: Its environment; ours where it is left out.
            answers: ...and this says that it answers in its own protocol; asked again and again.

        Returns:
            For each of *seen* the first group of its match, or the whole match where it has none.

        Raises:
            StartFailed: It could not be started, ended, or was not ready in time; nothing is left running.
        """
        if self._child is not None and self._child.exit is None:
            raise RuntimeError(f"{self.name} runs already")
        _check_program(command[0], environ)
        guardian = await self._guard()
        child = self._child = _Child(seen, guardian, self._ended)
        try:
            await asyncio.get_running_loop().subprocess_exec(
                lambda: child,
                *("/bin/sh", "-c", _CHILD, "sh", *command),
                cwd=self.folder,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=environ,
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone; we then stop our children in order
            )
        except OSError as error:
            self._child = None
            await guardian.dismiss()
            raise StartFailed(f"{command[0]} cannot be run: {error.strerror}") from error
        child.begin()
        try:
            async with asyncio.timeout(limit_s):
                found = await child.ready
                if answers is not None:
                    await self._until(answers, child)
                return found
        except TimeoutError:
            cause = f"{self.name} was not ready within {limit_s:g} s"
        except EOFError:
            cause = f"{self.name} {child.exit}"
        except BaseException:
            await self.kill()
            raise
        await self.kill()
        raise StartFailed(cause, child.log_tail())

    async def stop(self, limit_s: float) -> Exit | None:
        """
        Ask the child to end (SIGTERM), and kill it where it has not within *limit_s* of real time.

        Returns:
            How it ended; None where none ran.
        """
        child, ran = self._child, self.pid is not None
        if child is None:
            return None
        child.asked_to_end = True
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(limit_s):
                await child.gone()
        except TimeoutError:
            await self.kill()
        return child.exit if ran else None

    async def kill(self) -> None:
        """
        Kill the child and everything it started (SIGKILL), and wait until they are gone.
        """
        child = self._child
        if child is None:
            return
        if child.exit is None:
            child.asked_to_end = True
            child.kill_group()
        await child.gone()

    def signal(self, number: signal.Signals) -> None:
        """
        Send a signal to the child; nothing happens where none runs.
        """
        if self._child is not None and self.pid is not None:
            self._child.transport.send_signal(number)

    def pause(self) -> None:
        """
        Freeze the child (SIGSTOP).
        """
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """
        Let a frozen child go on (SIGCONT).
        """
        self.signal(signal.SIGCONT)

    def remove_folder(self) -> None:
        """
        Remove the folder with all that the child left in it.
        """
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def _until(self, answers: Callable[[], Awaitable[bool]], child: _Child) -> None:
        """
        Ask *answers* until it says yes; there is nothing else by which a server tells that it serves.

        Raises:
            EOFError: The child ended.
        """
        wait_s = _PROBE_S
        while not await answers():
            if child.exit is not None:
                raise EOFError
            await asyncio.sleep(wait_s)  # real time: until it is asked again
            wait_s = min(wait_s * 1.3, _PROBE_S_MAX)

    async def _guard(self) -> _Guardian:
        _, guardian = await asyncio.get_running_loop().subprocess_exec(
            _Guardian,
            "/bin/sh",
            *("-c", _GUARDIAN, "sh", str(self.folder)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return guardian

    def _ended(self, child: _Child, end: Exit) -> None:
        if not child.asked_to_end:
            self._died(end)


def _check_program(program: str, environ: Mapping[str, str] | None) -> None:
    """
    Raises:
        StartFailed: There is none of that name that may be executed.
    """
    if shutil.which(program, path=None if environ is None else environ.get("PATH")) is None:
        number = errno.EACCES if Path(program).exists() else errno.ENOENT
        raise StartFailed(f"{program} cannot be run: {os.strerror(number)}")


class _Child(asyncio.SubprocessProtocol):
    """
    The child's log and end.
    """

    def __init__(
        self, seen: Mapping[str, re.Pattern[str]], guardian: _Guardian, ended: Callable[[_Child, Exit], None]
    ) -> None:
        self.transport: asyncio.SubprocessTransport
        self.pid = 0
        self.ready: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self.exit: Exit | None = None
        self.asked_to_end = False
        self._over = asyncio.Event()
        self._wanted = dict(seen)
        self._found: dict[str, str] = {}
        if not seen:
            self.ready.set_result(self._found)
        self._guardian = guardian
        self._ended = ended
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._rest = b""

    def log_tail(self) -> str:
        return "\n".join(self._lines)

    async def gone(self) -> None:
        """
        Wait until it has ended, and its guardian too.
        """
        await self._over.wait()
        await self._guardian.gone.wait()

    def begin(self) -> None:
        """
        Let it become the program, which its guardian knows from now on.
        """
        self._guardian.watch(self.pid)
        told = cast(asyncio.WriteTransport, self.transport.get_pipe_transport(0))
        told.write(b"\n")
        told.close()

    def kill_group(self) -> None:
        # An empty group is what was asked for; macOS refuses to signal one that holds only the dead.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.SubprocessTransport, transport)
        self.pid = self.transport.get_pid() or 0

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_LINE_BYTES_MAX]
        for line in lines:
            self._logged(line[:_LINE_BYTES_MAX].decode(errors="replace").rstrip("\r"))

    def process_exited(self) -> None:
        # What the child started keeps its log open; killing the group lets connection_lost follow.
        self.kill_group()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest:
            self._logged(self._rest.decode(errors="replace"))
        code = self.transport.get_returncode()
        self.exit = Exit(code if code is not None else -signal.SIGKILL, self.log_tail())
        self.transport.close()
        self._guardian.let_go()
        self._over.set()
        if not self.ready.done():
            self.asked_to_end = True
            self.ready.set_exception(EOFError())
        self._ended(self, self.exit)

    def _logged(self, line: str) -> None:
        self._lines.append(line)
        for name, pattern in tuple(self._wanted.items()):
            if match := pattern.search(line):
                self._found[name] = match.group(1) if pattern.groups else match.group()
                del self._wanted[name]
        if not self._wanted and not self.ready.done():
            self.ready.set_result(self._found)


class _Guardian(asyncio.SubprocessProtocol):
    """
    A shell that kills the child when the pipe to us closes.
    """

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._transport: asyncio.SubprocessTransport
        self._pipe: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._pipe = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.close()
        self.gone.set()

    def watch(self, pid: int) -> None:
        """
        From now on kill *pid* when we are gone.
        """
        self._pipe.write(f"{pid}\n".encode())

    def let_go(self) -> None:
        """
        The child is gone: end without killing anybody, as its number may belong to somebody else from now on.
        """
        # Where the guardian itself was killed there is nobody to tell.
        if not self._pipe.is_closing():
            self._pipe.write(b"done\n")

    async def dismiss(self) -> None:
        """
        End before there was a child.
        """
        self._pipe.write(b"none\n")
        await self.gone.wait()
