"""
Log lines of a gateway that runs by itself: text for people or JSON for collectors, one line each, without secrets.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Literal

from gateways.status import Node, Phase, Status

LogFormat = Literal["text", "json"]
LEVELS = ("debug", "info", "warning", "error")
FORMATS: tuple[LogFormat, ...] = ("text", "json")

_log = logging.getLogger("gateways")


def log_to(stream: IO[str], *, level: str, form: LogFormat, redacted: Callable[[str], str]) -> None:
    """
    Write what this package logs to *stream*.

    Args:
        level: The least level that is written, one of LEVELS.
        form: How lines look.
        redacted: Takes the secrets out of a line.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonLines(redacted) if form == "json" else _TextLines(redacted))
    logger = logging.getLogger("gateways")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())


def log_changes_of(status: Status, gateway: str) -> None:
    """
    Log each change of a configuration's phase; errors are logged where they happen.
    """
    names: dict[str, str] = {}

    def changed(node: Node | None, id: str) -> None:
        if node is None:
            _log.info("%s/%s: Removed", gateway, names.pop(id, id))
            return
        names[id] = node.name
        if node.phase is not Phase.ERROR:
            more = f": {node.message}" if node.message.lower() != node.phase.value.lower() else ""
            _log.info("%s/%s: %s%s", gateway, node.name, node.phase.value, more)

    status.listen(changed)


def _instant(record: logging.LogRecord) -> str:
    instant = datetime.fromtimestamp(record.created, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _TextLines(logging.Formatter):
    """
    `2018-10-07T12:00:00.123Z info calendar-gateway/every-ten: Running: configuration running`
    """

    def __init__(self, redacted: Callable[[str], str]) -> None:
        super().__init__()
        self._redacted = redacted

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return self._redacted(f"{_instant(record)} {record.levelname.lower()} {_one_line(text)}")


class _JsonLines(logging.Formatter):
    """
    One JSON object a line: time, level, logger, message, and traceback where there is one.
    """

    def __init__(self, redacted: Callable[[str], str]) -> None:
        super().__init__()
        self._redacted = redacted

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redacted(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = self._redacted(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def _one_line(text: str) -> str:
    """
    What has lines goes on below, indented, so that a line that starts with an instant is always a new entry.
    """
    return text.rstrip().replace("\n", "\n    ")
