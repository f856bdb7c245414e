"""
Every exception the reference gateway raises, drawn as a tree, and who must act on each.

GatewayError
├── ManifestError          whoever wrote the Gateway or ConfigMap manifest
├── ConfigurationError     whoever wrote one configuration; its siblings go on
├── SourceUnavailable      nobody at once: the source may come back, so the gateway tries again
└── AddressRefused         nothing is known at an address that a text names
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class GatewayError(Exception):
    """
    The root of what this package raises on purpose.
    """


class ManifestError(GatewayError):
    """
    A manifest cannot be used as written; its author must change it.

    Attributes:
        problems: Every problem found, in the order of the checks; never empty.
        file: The file, where there is one.
    """

    def __init__(self, problems: Sequence[str], *, file: Path | None = None) -> None:
        self.problems = tuple(problems)
        self.file = file
        where = f"{file}: " if file else ""
        super().__init__("\n".join(f"{where}{problem}" for problem in self.problems))


class ConfigurationError(GatewayError):
    """
    One configuration cannot run as written. Trying again cannot help: its text must change.
    """


class SourceUnavailable(GatewayError):
    """
    What a configuration listens to cannot be reached, or went away. Trying again can help.
    """


class AddressRefused(SourceUnavailable):
    """
    An address that a text names leads nowhere.

    Attributes:
        host: As the text has it.
        port: As the text has it.
    """

    def __init__(self, host: str, port: int, why: str) -> None:
        self.host = host
        self.port = port
        super().__init__(f"{host}:{port}: {why}")
