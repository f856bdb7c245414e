"""
KeptServer: what the keeper needs of one kind of server.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar

from simulator.errors import SimulatorError
from simulator.installing.binaries import Installed, find
from simulator.services.process import LocalProcess

KINDS = {
    "kafka": "simulator.keeping.kafka:KeptKafka",
    "kubernetes": "simulator.keeping.kubernetes:KeptKubernetes",
    "minio": "simulator.keeping.minio:KeptMinio",
    "rabbitmq": "simulator.keeping.rabbitmq:KeptRabbitMq",
}
"""Every kind by its name; imported only in the keeper."""


class Unstartable(Exception):
    """
    A server cannot be had.

    Attributes:
        reason: One sentence.
        how: What to do about it; empty for nothing.
    """

    def __init__(self, reason: str, how: str = "") -> None:
        self.reason = reason
        self.how = how
        super().__init__(reason)


class KeptServer(ABC):
    """
    One server. All of it listens on loopback alone, at ports that stay the same for its life.

    Args:
        options: What of it must be as it is from the start; plain JSON. Leases with other options get another server.
        died: Told the cause when it ends without having been asked to.
    """

    kind: ClassVar[str]

    def __init__(self, options: Mapping[str, Any], died: Callable[[str], None]) -> None:
        self.options = options
        self.died = died

    @property
    @abstractmethod
    def running(self) -> bool:
        """
        Whether it was started, and has not ended since.
        """

    @property
    @abstractmethod
    def access(self) -> dict[str, Any]:
        """
        How it is reached: plain JSON, in words that its service understands. Valid after the first `start`.
        """

    @abstractmethod
    async def start(self) -> None:
        """
        Start it with the data that it had, and return once it answers in its own protocol.

        Raises:
            Unstartable: It did not; nothing is left running.
        """

    @abstractmethod
    async def stop(self) -> None:
        """
        End it in an orderly way; its data stay. Does nothing where it does not run.
        """

    @abstractmethod
    async def kill(self) -> None:
        """
        Kill it (SIGKILL) and wait until it is gone; its data stay.
        """

    @abstractmethod
    def pause(self) -> None:
        """
        Freeze it (SIGSTOP).
        """

    @abstractmethod
    def resume(self) -> None:
        """
        Let it go on (SIGCONT).
        """

    @abstractmethod
    async def wipe(self) -> None:
        """
        End it and forget its data; the next `start` is a first one, at the same ports.
        """

    @abstractmethod
    async def close(self) -> None:
        """
        End it for good, and leave no folder behind.
        """

    def log_tail(self) -> str:
        """
        The last lines of its log.
        """
        return ""

    async def command(self, name: str, argument: Any) -> Any:
        """
        What only this kind of server knows to do.

        Args:
            name: As its service calls it.
            argument: Plain JSON, like what is returned.

        Raises:
            Unstartable: It cannot; says why.
        """
        raise Unstartable(f"{self.kind} knows no command {name!r}")


class KeptProcess(KeptServer):
    """
    One whose whole life, or most of it, is that of one process.

    Args:
        process: That process. It may have others beside it.
        stop_limit_s: How long it may take to end in an orderly way.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        died: Callable[[str], None],
        process: LocalProcess,
        *,
        stop_limit_s: float,
    ) -> None:
        super().__init__(options, died)
        self._process = process
        self._stop_limit_s = stop_limit_s

    @property
    def running(self) -> bool:
        """See KeptServer."""
        return self._process.pid is not None

    async def stop(self) -> None:
        """See KeptServer."""
        await self._process.stop(self._stop_limit_s)

    async def kill(self) -> None:
        """See KeptServer."""
        await self._process.kill()

    def pause(self) -> None:
        """See KeptServer."""
        self._process.pause()

    def resume(self) -> None:
        """See KeptServer."""
        self._process.resume()

    async def close(self) -> None:
        """See KeptServer."""
        await self.kill()
        self._process.remove_folder()

    def log_tail(self) -> str:
        """See KeptServer."""
        return self._process.log_tail()


def installed(service: str, missing: str, how: str = "") -> Installed:
    """
    Where *service* is on this machine.

    Args:
        missing: What to say where it is not.
        how: How to get it; `gatesim env install` where nothing else is said.

    Raises:
        Unstartable: It is not here, or a variable names a place where it is not.
    """
    try:
        found = find(service)
    except SimulatorError as error:
        raise Unstartable(str(error)) from error
    if found is None:
        raise Unstartable(missing, how or f"gatesim env install {service}")
    return found


def server_class(kind: str) -> type[KeptServer]:
    """
    The class of *kind*.
    """
    module, _, name = KINDS[kind].partition(":")
    found: type[KeptServer] = getattr(import_module(module), name)
    return found
