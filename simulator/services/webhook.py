"""
Webhook as a service: an outside sender; nothing to start. Which ports a gateway's configuration texts name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


def ports_of(texts: Mapping[str, str], options: Mapping[str, Any] | None) -> tuple[int, ...]:
    """
    The ports that a webhook gateway listens on, by its configuration texts and its transformer option; in key order.

    Args:
        texts: The ConfigMap's data. A key `port` with a bare number is the gateway-wide port.
        options: The gateway's own options (`gatesim`), for `transformer: {port}`.
    """
    found: dict[int, None] = {}
    for key, text in sorted(texts.items()):
        value = _port_in(key, text)
        if value is not None:
            found[value] = None
    transformer = (options or {}).get("transformer")
    if isinstance(transformer, Mapping) and (port := _number(transformer.get("port"))) is not None:
        found[port] = None
    return tuple(found)


def _port_in(key: str, text: str) -> int | None:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    if isinstance(value, Mapping):
        return next((_number(port) for name, port in value.items() if str(name).lower() == "port"), None)
    return _number(value) if key == "port" else None


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def hears(text: str, request: str) -> bool:
    """
    Whether a configuration with that *text* is meant by a request, written `METHOD /path?query`.
    """
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    if not isinstance(value, Mapping):
        return False
    options = {str(name).lower(): option for name, option in value.items()}
    method, _, target = request.partition(" ")
    path, endpoint = target.partition("?")[0], str(options.get("endpoint", ""))
    same_path = path.startswith(endpoint) if endpoint.endswith("/") else path == endpoint
    return bool(endpoint) and same_path and method == str(options.get("method", ""))
