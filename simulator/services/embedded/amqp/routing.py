"""
Routing: which bindings of an exchange a message matches; pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple


class Binding(NamedTuple):
    """
    What an exchange hands on, and to whom.
    """

    destination: str
    to_exchange: bool
    """Whether the destination is an exchange; else a queue."""
    routing_key: str
    arguments: Mapping[str, Any]


Matches = Callable[[Binding, str, Mapping[str, Any]], bool]


@lru_cache(maxsize=4096)
def topic_matches(pattern: str, key: str) -> bool:
    """
    Whether *pattern*, in which `*` stands for one word and `#` for any number of words, covers *key*.

    Source: AMQP 0-9-1, 3.1.3.3.
    """
    return _covers(pattern.split("."), key.split(".") if key else [])


def _covers(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """
    Word by word; after a `#` it goes back to it with one word more, and never to an earlier one.
    """
    at_pattern = at_word = 0
    many_at, many_from = -1, 0
    while at_word < len(words):
        if at_pattern < len(pattern) and pattern[at_pattern] == "#":
            many_at, many_from = at_pattern, at_word
            at_pattern += 1
        elif at_pattern < len(pattern) and pattern[at_pattern] in ("*", words[at_word]):
            at_pattern += 1
            at_word += 1
        elif many_at >= 0:
            many_from += 1
            at_pattern, at_word = many_at + 1, many_from
        else:
            return False
    return all(word == "#" for word in pattern[at_pattern:])


def headers_match(arguments: Mapping[str, Any], headers: Mapping[str, Any]) -> bool:
    """
    Whether *headers* have what a binding's *arguments* ask for: all of it, or any with `x-match: any`.

    Arguments that begin with `x-` are not asked for, unless `x-match` is `all-with-x` or `any-with-x`. An argument
    without a value asks for the header alone.

    Source: AMQP 0-9-1, 3.1.3.4; RabbitMQ's `-with-x`.
    """
    mode = str(arguments.get("x-match", "all"))
    asked = {
        name: value
        for name, value in arguments.items()
        if name != "x-match" and (mode.endswith("-with-x") or not name.startswith("x-"))
    }
    found = [name in headers and (value is None or headers[name] == value) for name, value in asked.items()]
    return any(found) if mode.startswith("any") else all(found)


MATCHES: dict[str, Matches] = {
    "direct": lambda binding, key, headers: binding.routing_key == key,
    "fanout": lambda binding, key, headers: True,
    "topic": lambda binding, key, headers: topic_matches(binding.routing_key, key),
    "headers": lambda binding, key, headers: headers_match(binding.arguments, headers),
}
"""By type of exchange."""
