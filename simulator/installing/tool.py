"""
Tool: one program of this machine that a recipe runs; its output goes to a log, and its last lines into the error.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from simulator.errors import SimulatorError

HOW = {
    "apt-get": "it unpacks Debian packages, so it takes Debian or Ubuntu",
    "apt-cache": "it is part of apt: Debian or Ubuntu",
    "dpkg-deb": "it is part of dpkg: Debian or Ubuntu",
    "dpkg-query": "it is part of dpkg: Debian or Ubuntu",
    "go": "install Go 1.26 or later",
    "java": "install a Java runtime, 17 or later",
    "mvn": "install Apache Maven 3.6 or later",
    "pip": "put pip into this Python: python -m ensurepip",
}
"""What to do where a tool is missing."""
LAST_LINES = 12
_SERVER_LIMIT_S = 120.0
"""Of real time, within which a server must have said what it was to say, and ended."""
_NOT_STARTED = 127
_STEERING = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class InstallError(SimulatorError):
    """
    A service cannot be installed here, or was not this time.

    Attributes:
        how: What to do; empty where nothing is known.
    """

    def __init__(self, what: str, how: str = "") -> None:
        self.what = what
        self.how = how
        super().__init__(f"{what}; {how}" if how else what)


class ToolFailed(InstallError):
    """
    A tool ended with an error.

    Attributes:
        lines: The last ones that it wrote.
    """

    def __init__(self, command: str, code: int, lines: Sequence[str], log: Path) -> None:
        self.code = code
        self.lines = tuple(lines)
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        super().__init__(f"`{command}` {ended}", f"all that it wrote: {log}")


def missing(tools: Sequence[str]) -> list[str]:
    """
    Those of *tools* that are not on PATH, each with what to do.
    """
    return [f"`{tool}` is not on PATH: {HOW[tool]}" for tool in tools if shutil.which(tool) is None]


class Tools:
    """
    Runs tools for one recipe.
    """

    def __init__(self, log: Path, said: Callable[[str], None]) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._log = log
        self.said = said
        """Told each line that a tool writes, at once."""

    def run(
        self,
        *command: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        quiet: bool = False,
        stop_at: str = "",
    ) -> str:
        """
        Run *command* to its end.

        Args:
            command: The program, found on PATH, and its arguments.
            folder: Where it runs.
            environment: What stands in its environment beside ours; an empty value takes one away.
            quiet: Its lines are data, to be kept from people.
            stop_at: It is a server, to be asked to end once it has written a line with this.

        Returns:
            All that it wrote.

        Raises:
            ToolFailed: It ended with an error, could not be started, or never wrote *stop_at*.
        """
        name = " ".join(map(_short, command[:2]))
        lines: deque[str] = deque(maxlen=LAST_LINES)
        output = []
        asked_to_end = False
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"$ {shlex.join(command)}\n")
            try:
                child = self._started(command, folder, environment or {})
            except OSError as error:
                raise ToolFailed(name, _NOT_STARTED, [str(error)], self._log) from error
            with child, _limited(child if stop_at else None):
                assert child.stdout is not None, "it was piped"
                try:
                    for raw in child.stdout:
                        line = _STEERING.sub("", raw).rstrip()
                        output.append(line)
                        log.write(f"{line}\n")
                        lines.append(line)
                        if not quiet and line:
                            self.said(line)
                        if stop_at and stop_at in line and not asked_to_end:
                            asked_to_end = True
                            child.terminate()
                    code = child.wait()
                except BaseException:
                    child.terminate()
                    raise
        if not asked_to_end and (code or stop_at):
            raise ToolFailed(name, code, [line for line in lines if line], self._log)
        return "\n".join(output)

    def _started(self, command: Sequence[str], folder: Path, more: Mapping[str, str]) -> subprocess.Popen[str]:
        environment = {name: value for name, value in {**os.environ, **more}.items() if value or name not in more}
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )


@contextmanager
def _limited(server: subprocess.Popen[str] | None) -> Iterator[None]:
    """
    Kill *server* when it takes far too long.
    """
    timer = threading.Timer(_SERVER_LIMIT_S, server.kill) if server is not None else None
    if timer is not None:
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


def _short(word: str) -> str:
    return os.path.basename(word) if os.sep in word else word
