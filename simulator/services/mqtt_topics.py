"""
MQTT topics: what a configuration's text listens to, which topics that covers, and what nats-server calls them.

Source: MQTT 3.1.1 section 4.7; docs.nats.io, "Topics and Subjects" of its MQTT pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml


class Listening(NamedTuple):
    """
    What a configuration listens to.
    """

    topic: str
    qos: int = 0

    @classmethod
    def of(cls, text: str) -> Listening | None:
        """
        What a configuration with that *text* listens to; None where it says nothing of the kind.
        """
        try:
            options = _folded(yaml.safe_load(text))
        except yaml.YAMLError:
            return None
        # Some gateways read the topic from the top level.
        topic = _folded(options.get("attributes")).get("topic") or options.get("topic")
        qos = options.get("qos")
        return cls(str(topic), qos if qos in (1, 2) else 0) if topic else None


def _folded(value: Any) -> dict[str, Any]:
    return {str(key).lower(): inner for key, inner in value.items()} if isinstance(value, Mapping) else {}


def matches(pattern: str, topic: str) -> bool:
    """
    Whether *pattern* covers *topic*: `+` stands for one level, a last `#` for the level before it and all below.
    """
    wanted, given = pattern.split("/"), topic.split("/")
    if given[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    if wanted[-1] == "#":
        wanted.pop()
        if len(given) < len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(want in ("+", level) for want, level in zip(wanted, given, strict=True))


def concrete(pattern: str) -> str:
    """
    A topic that *pattern* covers.
    """
    return "/".join("fence" if level in ("+", "#") else level for level in pattern.split("/"))


def subject_of(pattern: str) -> str:
    """
    The NATS subject under which nats-server lists a subscription to *pattern*.
    """
    levels = [level.replace(".", "//") for level in pattern.split("/")]
    last = len(levels) - 1
    names = {"+": "*", "#": ">"}
    tokens = [names.get(level, level) or ("/" if 0 < number < last else "") for number, level in enumerate(levels)]
    subject = ".".join(tokens)
    subject = f"/{subject}" if subject.startswith(".") else subject
    return f"{subject}/" if subject.endswith(".") else subject
