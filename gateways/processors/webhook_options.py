"""
The options of a webhook configuration, read and checked.

Keys: `endpoint`, `method`, `port`. A configuration may consist of a port alone.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from gateways.errors import ConfigurationError
from gateways.options import OptionReader
from gateways.suggestion import did_you_mean

METHODS = ("HEAD", "PUT", "CONNECT", "DELETE", "GET", "OPTIONS", "PATCH", "POST", "TRACE")
PORT_KEY = "port"
"""A configuration of this name whose text is a bare number names the gateway-wide port."""

_BARE_NUMBER = re.compile(r"""\s*(["']?)([0-9]+)\1\s*(?:#.*)?""")
_PORT_DIGITS = re.compile(r"0*[0-9]{1,5}")
_SHOWN = 60


class WebhookOptions(NamedTuple):
    """
    One webhook.
    """

    port: int | None
    """Its own; None leaves it to the gateway-wide one."""
    endpoint: str
    """The path with its escapes decoded; empty where the configuration only names a port."""
    method: str
    gateway_wide: bool = False
    """Whether its port is meant for all."""


def parse_webhook(key: str, text: str) -> WebhookOptions:
    """
    Read the *text* of the configuration named *key*.

    Raises:
        ConfigurationError: What is wrong and what would be right.

    Source: G-WEB-1, G-WEB-13, R-CFG-12.
    """
    bare = _BARE_NUMBER.fullmatch(text) if key == PORT_KEY else None
    if bare is not None:
        return WebhookOptions(_port(bare[2]), "", "", gateway_wide=True)
    options = OptionReader.from_text(text)
    endpoint, method, port = options.text("endpoint"), options.text("method"), options.text("port")
    if port and not endpoint and not method:
        return WebhookOptions(_port(port), "", "")
    if method or endpoint:
        _check_method(method)
    _check_endpoint(endpoint)
    return WebhookOptions(_port(port) if port else None, unquote(endpoint), method)


def _check_method(method: str) -> None:
    if not method:
        raise ConfigurationError(f"method can't be empty; it is one of {', '.join(METHODS)}")
    if method not in METHODS:
        shown = method[:_SHOWN]
        known = ", ".join(METHODS)
        raise ConfigurationError(f"unknown HTTP method {shown}; it is one of {known}{did_you_mean(shown, METHODS)}")


def _check_endpoint(endpoint: str) -> None:
    if not endpoint:
        raise ConfigurationError("endpoint can't be empty; it is a path such as /foo")
    if not endpoint.startswith("/"):
        raise ConfigurationError(f"endpoint must start with '/': write /{endpoint[:_SHOWN]}")
    if "?" in endpoint or "#" in endpoint:
        raise ConfigurationError(f"endpoint must be a path without query and fragment, not {endpoint[:_SHOWN]}")


def _port(text: str) -> int:
    if _PORT_DIGITS.fullmatch(text) and 0 < int(text) <= 65535:
        return int(text)
    raise ConfigurationError(f"failed to parse server port {text[:_SHOWN]}: it is a number from 1 to 65535")
