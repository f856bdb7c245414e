"""
KeptServer: what the keeper needs of one kind of server.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar

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


def server_class(kind: str) -> type[KeptServer]:
    """
    The class of *kind*.
    """
    module, _, name = KINDS[kind].partition(":")
    found: type[KeptServer] = getattr(import_module(module), name)
    return found
