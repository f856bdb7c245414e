"""
ChildLine: the socket between the simulator and a server that it runs as a child; one question, one answer, in turn.

Both ends are ours, and the socket stands in a folder that nobody else may enter, so values go over it pickled.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from simulator.errors import SimulatorError

_LENGTH = struct.Struct("!I")
_ANSWER_LIMIT_S = 30.0


class LineLost(Exception):
    """
    The child does not answer any more; the text says why, as the rest of a sentence about it.
    """


class Asked(NamedTuple):
    """
    A question.
    """

    now: datetime
    """The scenario's time."""
    method: str
    arguments: tuple[Any, ...]


class Answered(NamedTuple):
    """
    Its answer.
    """

    value: Any
    problem: str = ""
    """Why there is no value: what a SimulatorError said."""


class ChildLine:
    """
    The simulator's end.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._in_turn = asyncio.Lock()

    @classmethod
    async def to(cls, path: Path) -> ChildLine:
        """
        A line to the child that listens at *path*.
        """
        return cls(*await asyncio.open_unix_connection(path))

    async def ask(self, now: datetime, method: str, *arguments: Any) -> Any:
        """
        Have the child do something, and wait for what came of it.

        Raises:
            SimulatorError: It refuses.
            LineLost: It is gone, or does not answer within a limit of real time.
        """
        async with self._in_turn:
            try:
                async with asyncio.timeout(_ANSWER_LIMIT_S):
                    await send(self._writer, Asked(now, method, arguments))
                    answer: Answered = await receive(self._reader)
            except TimeoutError as error:
                raise LineLost(f"did not answer within {_ANSWER_LIMIT_S:g} s") from error
            except (OSError, EOFError) as error:
                raise LineLost("has ended") from error
        if answer.problem:
            raise SimulatorError(answer.problem)
        return answer.value

    def close(self) -> None:
        """
        Hang up.
        """
        self._writer.transport.abort()


async def send(writer: asyncio.StreamWriter, value: Any) -> None:
    """
    Send *value*.
    """
    data = pickle.dumps(value)
    writer.write(_LENGTH.pack(len(data)) + data)
    await writer.drain()


async def receive(reader: asyncio.StreamReader) -> Any:
    """
    The next value.

    Raises:
        EOFError: The other end has hung up.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return pickle.loads(await reader.readexactly(length))
