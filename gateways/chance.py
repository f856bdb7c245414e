"""
Chance: the only source of random ids and jitter, so that a seed makes a run repeatable.
"""

from __future__ import annotations

import random
from uuid import UUID


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
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def spread(self, value: float, fraction: float) -> float:
        """
        *value* moved by at most *fraction* of itself, either way.
        """
        return value * (1 + fraction * (2 * self._random.random() - 1)) if fraction else value
