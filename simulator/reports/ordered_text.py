"""
Ordered text: pieces that come in any order, kept in a temporary file and read back in theirs; memory stays flat.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, NamedTuple


class _Piece(NamedTuple):
    number: int
    offset: int
    size: int


class OrderedText:
    """
    Pieces of text, each with the number of its place.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._pieces: list[_Piece] = []

    def add(self, number: int, text: str) -> None:
        """
        Keep *text* for place *number*.
        """
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="gatesim-report-")  # noqa: SIM115 - closed in close()
        content = text.encode("utf-8", "backslashreplace")
        offset = self._file.seek(0, 2)
        self._file.write(content)
        self._pieces.append(_Piece(number, offset, len(content)))

    def __iter__(self) -> Iterator[str]:
        for piece in sorted(self._pieces):
            assert self._file is not None
            self._file.seek(piece.offset)
            yield self._file.read(piece.size).decode()

    def close(self) -> None:
        """
        Remove the temporary file.
        """
        if self._file is not None:
            self._file.close()
            self._file = None
        self._pieces = []
