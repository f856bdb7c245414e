"""
Watcher addresses for a gateway outside a cluster: by flag, by file, or host by host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from gateways.addresses import Endpoint
from gateways.errors import ManifestError
from gateways.watcher import Watcher
from gateways.yaml_nodes import YamlProblem, documents, kind_of

_PORTS = {"http": 80, "https": 443}


def parse_watcher(text: str) -> tuple[str, str]:
    """
    The name and the URL of `NAME=URL`.

    Raises:
        ManifestError: It is something else.
    """
    name, equals, url = text.partition("=")
    if not equals or not name or not url:
        raise ManifestError([f"--watcher {text!r}: write NAME=URL, such as audit=http://localhost:9300/"])
    return name, url


def watchers_in(file: Path) -> dict[str, str]:
    """
    The watchers of a YAML file, a mapping of names to URLs.

    Raises:
        ManifestError: It cannot be read, or is something else; every problem is in it.
    """
    try:
        document = next(documents(file.read_text(encoding="utf-8-sig")), None)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError([f"cannot be read: {getattr(error, 'strerror', None) or error}"], file=file) from None
    except YamlProblem as error:
        raise ManifestError([f"{error}"], file=file) from None
    if document is None or document.value is None:
        return {}
    if not isinstance(document.value, dict):
        raise ManifestError([f"must be a mapping of watchers to URLs, not {kind_of(document)}"], file=file)
    problems = [
        f"{node.place.line}:{node.place.column}: `{name}` must be a URL, not {kind_of(node)}"
        for name, node in document.value.items()
        if not isinstance(node.value, str)
    ]
    if problems:
        raise ManifestError(problems, file=file)
    return {name: node.value for name, node in document.value.items()}


def parse_address(text: str) -> tuple[str, Endpoint]:
    """
    The `HOST:PORT` that texts name, and the endpoint that stands for it, of `HOST:PORT=HOST:PORT`.

    Raises:
        ManifestError: It is something else.
    """
    named, _, real = text.partition("=")
    host, _, port = real.rpartition(":")
    named_host, _, named_port = named.rpartition(":")
    if not (named_host and named_port.isdigit() and host and port.isdigit() and 0 < int(port) <= 65535):
        example = "nats.argo-events:4222=localhost:4222"
        raise ManifestError([f"--address {text!r}: write HOST:PORT=HOST:PORT, such as {example}"])
    return f"{named_host}:{int(named_port)}", (host.strip("[]"), int(port))


def reached_at(watchers: Sequence[Watcher], urls: Mapping[str, str]) -> tuple[Watcher, ...]:
    """
    *watchers*, those that *urls* name at their URL.

    Raises:
        ManifestError: A URL cannot be used, or names nobody; every problem is in it.
    """
    known = [watcher.name for watcher in watchers]
    problems = list(_unknown(urls, known))
    reached: list[Watcher] = []
    for watcher in watchers:
        try:
            reached.append(_at(watcher, urls[watcher.name]) if watcher.name in urls else watcher)
        except ValueError as error:
            problems.append(f"watcher `{watcher.name}`: {error}; write http://HOST:PORT/PATH")
    if problems:
        raise ManifestError(problems)
    return tuple(reached)


def _unknown(urls: Iterable[str], known: list[str]) -> Iterable[str]:
    for name in urls:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            there_are = f"there are {', '.join(known)}" if known else "the Gateway has none"
            yield f"no watcher is called `{name}`; {f'did you mean `{close[0]}`?' if close else there_are}"


def _at(watcher: Watcher, url: str) -> Watcher:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("the URL is neither http nor https")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL with a user name or a password is not supported")
    if not parts.hostname:
        raise ValueError("the URL has no host")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or _PORTS[parts.scheme]
    return replace(watcher, host=parts.hostname, port=port, path=path, tls=parts.scheme == "https")
