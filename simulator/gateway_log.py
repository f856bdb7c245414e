"""
GatewayLog: what gateways in this process log while one scenario is played; kept short, shown only with a failure.
"""

from __future__ import annotations

import logging
from collections import deque
from types import TracebackType
from typing import Self

LINES_MAX = 200
_LOGGER = "gateways"


class GatewayLog(logging.Handler):
    """
    Takes in the log lines of gateways for a block, in the place of every other handler.

    Otherwise a watcher that refuses for a simulated year would fill a terminal, or the memory of a test runner that
    keeps every record.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=LINES_MAX)
        self._before: tuple[list[logging.Handler], bool] = ([], True)

    def __enter__(self) -> Self:
        logger = logging.getLogger(_LOGGER)
        self._before = (logger.handlers[:], logger.propagate)
        logger.handlers[:], logger.propagate = [self], False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logger = logging.getLogger(_LOGGER)
        logger.handlers[:], logger.propagate = self._before

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        self._lines.append(record.getMessage())
        if record.exc_info:
            self._lines.extend(logging.Formatter().formatException(record.exc_info).splitlines())

    def tail(self, lines: int) -> tuple[str, ...]:
        """
        The last *lines* lines.
        """
        return tuple(self._lines)[-lines:]
