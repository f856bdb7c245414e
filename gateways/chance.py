"""
Chance: the only source of random ids and jitter, so that a seed makes a run repeatable.
"""

from __future__ import annotations

import random

_VERSION_4 = 0x4000_8000_0000_0000_0000
"""Version and variant of a random UUID (RFC 9562, section 5.4), in their places."""
_FREE = ~0xF000_C000_0000_0000_0000
"""All other bits."""


class Chance:
    """
    Random numbers from one seed.

    Args:
        seed: None draws one from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def new_id(self) -> str:
        """
        A random UUID (version 4) as text.
        """
        # By hand, because uuid.UUID takes three times as long and one is drawn for most events.
        digits = f"{self._random.getrandbits(128) & _FREE | _VERSION_4:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def spread(self, value: float, fraction: float) -> float:
        """
        *value* moved by at most *fraction* of itself, either way.
        """
        return value * (1 + fraction * (2 * self._random.random() - 1)) if fraction else value
