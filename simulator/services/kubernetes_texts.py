"""
What an `apply` brings, and by what a state of an object is told apart; the same for every API server.
"""

from __future__ import annotations

import json
from typing import Any

from simulator.services.kubernetes_watched import Watched
from simulator.services.service import Stimulus

Object = dict[str, Any]


def manifests_of(stimulus: Stimulus) -> list[Object]:
    """
    The objects that an `apply` brings.
    """
    try:
        value = json.loads(stimulus.payload or b"[]")
    except ValueError:
        return []
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def covers(text: str, stimulus: Stimulus) -> bool:
    """
    Whether a configuration with that *text* watches what *stimulus* brings. Filters are the gateway's business; a
    deletion is announced by no payload of its own.
    """
    watched = Watched.of(text)
    return watched is not None and stimulus.verb != "delete" and any(map(watched.covers, manifests_of(stimulus)))


def mark_of(stimulus: Stimulus) -> bytes:
    """
    See Service.
    """
    manifests = manifests_of(stimulus)
    return _mark(manifests[0]) if len(manifests) == 1 else stimulus.payload


def mark_in(payload: bytes) -> bytes:
    """
    See Service.
    """
    try:
        value = json.loads(payload)
    except ValueError:
        return payload
    return _mark(value) if isinstance(value, dict) else payload


def _mark(an_object: Object) -> bytes:
    """
    By what a state of an object is told apart: all that whoever applies it says, and nothing that the server adds.
    """
    metadata = an_object.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    said = {key: value for key, value in an_object.items() if key not in ("metadata", "status")}
    named = [metadata.get("namespace") or "default", metadata.get("name"), metadata.get("labels") or {}]
    return json.dumps([said, named], sort_keys=True).encode()
