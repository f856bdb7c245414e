"""
NATS subjects: what a configuration's text listens to, and which subjects that covers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml


class Listening(NamedTuple):
    """
    What a configuration listens to.
    """

    subject: str
    queue: str = ""
    stream: str = ""
    durable: str = ""
    """Of a JetStream consumer; empty for a plain subscription."""

    @classmethod
    def of(cls, text: str) -> Listening | None:
        """
        What a configuration with that *text* listens to; None where it says nothing of the kind.
        """
        try:
            options = _folded(yaml.safe_load(text))
        except yaml.YAMLError:
            return None
        # Some gateways read the subject from the top level.
        subject = _folded(options.get("attributes")).get("subject") or options.get("subject")
        if not subject:
            return None
        jetstream = _folded(options.get("jetstream"))
        stream, durable = jetstream.get("stream", ""), jetstream.get("durable", "")
        return cls(str(subject), str(options.get("queue") or ""), str(stream), str(durable))


def _folded(value: Any) -> dict[str, Any]:
    return {str(key).lower(): inner for key, inner in value.items()} if isinstance(value, Mapping) else {}


def matches(pattern: str, subject: str) -> bool:
    """
    Whether *pattern*, in which `*` stands for one token and a last `>` for one or more, covers *subject*.
    """
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(want in ("*", token) for want, token in zip(wanted, given, strict=True))


def concrete(pattern: str) -> str:
    """
    A subject that *pattern* covers.
    """
    return ".".join("fence" if token in ("*", ">") else token for token in pattern.split("."))


def possible(subject: str) -> bool:
    """
    Whether anything can be published to *subject*, and be heard by a subscription to just that.
    """
    return all(subject.split(".")) and not {"*", ">"} & set(subject.split("."))
