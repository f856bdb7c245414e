"""
What the text of an artifact configuration listens to, and by what its events are known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import yaml

from simulator.services.embedded.s3.notifications import Listening

PUT, REMOVED = "s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"


def listening_of(text: str) -> Listening | None:
    """
    What a configuration with that *text* listens to; None where it says nothing of the kind.
    """
    try:
        section = _lowered(_lowered(yaml.safe_load(text)).get("s3eventconfig"))
    except yaml.YAMLError:
        return None
    bucket, event = section.get("bucket"), section.get("event")
    if not bucket or not event:
        return None
    wanted = _lowered(section.get("filter"))
    return Listening(str(bucket), str(wanted.get("prefix") or ""), str(wanted.get("suffix") or ""), (str(event),))


def example_of(listening: Listening) -> tuple[str, str]:
    """
    An event and a key that *listening* covers.
    """
    event = listening.events[0]
    return (PUT if event.endswith("*") and PUT.startswith(event[:-1]) else event.replace("*", "Get")), (
        f"{listening.prefix}gatesim-fence{listening.suffix}"
    )


def mark(bucket: str, key: str, etag: str) -> bytes:
    """
    By what the event of an object in one state (its etag; empty: it is gone) is known.
    """
    return json.dumps([bucket, key, etag]).encode()


def mark_in(payload: bytes) -> bytes:
    """
    The same, of the record that *payload* is; *payload* itself where it is none.
    """
    try:
        stored = _lowered(_lowered(json.loads(payload)).get("s3"))
    except ValueError:
        return payload
    bucket, about = _lowered(stored.get("bucket")), _lowered(stored.get("object"))
    if "key" not in about:
        return payload
    return mark(str(bucket.get("name")), _key_in(str(about["key"])), str(about.get("etag", "")))


def _key_in(text: str) -> str:
    """
    A key as it is: today's MinIO tells it so, that of 2018 told it as in a URL's query, where nothing else occurs.
    """
    plain = all(each.isascii() and (each.isalnum() or each in "-_.~%+") for each in text)
    return unquote_plus(text) if plain else text


def _lowered(value: Any) -> dict[str, Any]:
    return {str(key).lower(): inner for key, inner in value.items()} if isinstance(value, Mapping) else {}
