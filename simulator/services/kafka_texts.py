"""
Kafka texts: which partition of which topic a configuration reads, and where a stimulus goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from simulator.services.service import Stimulus


class Reading(NamedTuple):
    """
    What a configuration reads.
    """

    topic: str
    partition: int | None
    """None: whatever its group gives it."""
    group: str = ""

    @classmethod
    def of(cls, text: str) -> Reading | None:
        """
        What a configuration with that *text* reads; None where it says nothing of the kind.
        """
        try:
            options = _folded(yaml.safe_load(text))
        except yaml.YAMLError:
            return None
        # Some gateways read both from the top level.
        attributes = {**options, **_folded(options.get("attributes"))}
        topic, partition, group = (attributes.get(name) for name in ("topic", "partition", "group"))
        number = str(partition) if partition is not None else ""
        if not topic or not (number.isdigit() or (not number and group)):
            return None
        return cls(str(topic), int(number) if number else None, str(group or ""))

    def covers(self, topic: str, partition: int) -> bool:
        """
        Whether it reads that partition.
        """
        return self.topic == topic and self.partition in (None, partition)


def _folded(value: Any) -> dict[str, Any]:
    return {str(key).lower(): inner for key, inner in value.items()} if isinstance(value, Mapping) else {}


def key_of(stimulus: Stimulus) -> bytes | None:
    """
    The key of a message; None for none.
    """
    return dict(stimulus.coordinates)["key"].encode() if "key" in dict(stimulus.coordinates) else None
