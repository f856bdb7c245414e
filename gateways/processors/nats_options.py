"""
NatsOptions: the text of a NATS configuration, read and checked.

Extension keys (`queue`, `jetstream`, `auth`, `tls`) stand at the top level, beside `url` and `attributes`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import SplitResult, unquote

from gateways.errors import ConfigurationError
from gateways.options import OptionReader
from gateways.processors.credential_files import Tls, is_given, text_if_given
from gateways.processors.servers import Server, each_url, ends_after_the_port, split_url

DEFAULT_PORT = 4222
DELIVER_POLICIES = {"all": "all", "new": "new", "last": "last", "lastPerSubject": "last_per_subject"}
"""
Where a durable begins when it is made; from then on it goes on where it was. The default is `all`: the only one that
loses nothing when messages were published before the durable was there.
"""
_SUBJECT_LENGTH_MAX = 1_000
"""A server refuses longer lines by closing the connection, some of them at 1,024 bytes."""
_NAME = re.compile(r"[^\s.*>/\\]{1,255}")


@dataclass(frozen=True, slots=True)
class NatsAuth:
    """
    How a gateway proves who it is; nothing set: it does not. A `…_file` is read at each connect.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    username_file: str = ""
    password_file: str = ""
    token_file: str = ""
    credentials_file: str = ""
    nkey_seed_file: str = ""


class JetStream(NamedTuple):
    """
    Which durable consumer of which stream.
    """

    stream: str
    durable: str
    deliver_policy: str
    """As the server spells it."""


@dataclass(frozen=True, slots=True)
class NatsOptions:
    """
    What one configuration asks for.
    """

    servers: tuple[Server, ...]
    """Tried in this order."""
    subject: str
    queue: str = ""
    auth: NatsAuth = NatsAuth()
    tls: Tls = field(default_factory=Tls)
    jetstream: JetStream | None = None

    @classmethod
    def parse(cls, text: str) -> NatsOptions:
        """
        Read *text*.

        Raises:
            ConfigurationError: What is wrong with it and what would be right; never shows a secret.

        Source: R-NATS-4, R-CFG-12.
        """
        reader = OptionReader.from_text(text)
        urls = _urls(reader.text("url"))
        subject = _subject(reader)
        queue, jetstream = _queue(reader), _jetstream(reader)
        if queue and jetstream is not None:
            raise ConfigurationError("`queue` and `jetstream` exclude each other: gateways share work by one durable")
        servers = _servers(urls, encrypted=reader.has("tls"))
        return cls(servers, subject, queue, _auth(reader, urls), Tls.of(reader), jetstream)

    @classmethod
    def to_publish(cls, text: str) -> NatsOptions:
        """
        For whoever publishes alone: `url`, `auth` and `tls` as a configuration has them.

        Raises:
            ConfigurationError: As `parse`.
        """
        reader = OptionReader.from_text(text)
        urls = _urls(reader.text("url"))
        servers = _servers(urls, encrypted=reader.has("tls"))
        return cls(servers, subject="", auth=_auth(reader, urls), tls=Tls.of(reader))


def _urls(text: str) -> list[SplitResult]:
    return [_url(each) for each in each_url(text)]


def _servers(urls: list[SplitResult], *, encrypted: bool) -> tuple[Server, ...]:
    """
    The servers of *urls*; TLS with one of them is TLS with all.
    """
    tls = encrypted or any(url.scheme == "tls" for url in urls)
    return tuple(Server(url.hostname or "", url.port or DEFAULT_PORT, tls) for url in urls)


def _url(text: str) -> SplitResult:
    wanted = "such as nats://nats.argo-events:4222; several are separated by commas"
    url = split_url(text, ("nats", "tls"), wanted)
    ends_after_the_port(url, wanted)
    return url


def _subject(reader: OptionReader) -> str:
    attributes = reader.mapping("attributes")
    subject = attributes.text("subject") if attributes is not None else ""
    if subject:
        return _checked_subject(subject)
    if reader.has("subject"):
        raise ConfigurationError("subject must be specified under `attributes:`; here it stands at the top level")
    raise ConfigurationError("subject must be specified")


def _checked_subject(subject: str) -> str:
    """
    *subject*, where a server would take it.
    """
    if len(subject.encode()) > _SUBJECT_LENGTH_MAX:
        raise ConfigurationError(f"subject must have at most {_SUBJECT_LENGTH_MAX} bytes")
    shown = f"subject {subject[:80]!r}"
    if not subject.isprintable() or any(mark.isspace() for mark in subject):
        raise ConfigurationError(f"{shown} must not contain spaces or control characters")
    tokens = subject.split(".")
    for number, token in enumerate(tokens, 1):
        if not token:
            raise ConfigurationError(f"{shown} has an empty token; a dot stands between two tokens")
        if ("*" in token and token != "*") or (">" in token and token != ">"):
            raise ConfigurationError(f"{shown} has a wildcard inside a token; `*` and `>` stand alone between dots")
        if token == ">" and number != len(tokens):
            raise ConfigurationError(f"{shown} has `>` before its end; only the last token may be `>`")
    return subject


def _queue(reader: OptionReader) -> str:
    queue = reader.text("queue")
    if len(queue) > _SUBJECT_LENGTH_MAX or not queue.isprintable() or any(mark.isspace() for mark in queue):
        raise ConfigurationError("queue must be the name of a queue group, without spaces")
    return queue


def _jetstream(reader: OptionReader) -> JetStream | None:
    options = reader.mapping("jetstream")
    if options is None:
        return None
    stream, durable = options.text("stream"), options.text("durable")
    for name, value in (("stream", stream), ("durable", durable)):
        if not value:
            raise ConfigurationError(f"jetstream.{name} must be specified")
        if not _NAME.fullmatch(value) or not value.isprintable():
            raise ConfigurationError(f"jetstream.{name} must be a name without spaces, dots, slashes and wildcards")
    policy = options.text("deliverPolicy", "all")
    if policy not in DELIVER_POLICIES:
        known = ", ".join(DELIVER_POLICIES)
        raise ConfigurationError(f"jetstream.deliverPolicy must be one of {known}, not {policy[:40]!r}")
    return JetStream(stream, durable, DELIVER_POLICIES[policy])


def _auth(reader: OptionReader, urls: list[SplitResult]) -> NatsAuth:
    """
    The one way that the text gives.
    """
    auth, options = _auth_of_urls(urls), reader.mapping("auth")
    if options is None:
        return auth
    if auth != NatsAuth():
        raise ConfigurationError("credentials stand in `url` and in `auth`; leave one of them out")
    username, password = is_given(options, "username"), is_given(options, "password")
    ways = {
        "username and password": username or password,
        "token": is_given(options, "token"),
        "credentialsFile": options.text("credentialsFile"),
        "nkeySeedFile": options.text("nkeySeedFile"),
    }
    given = [way for way, is_there in ways.items() if is_there]
    if len(given) != 1:
        raise ConfigurationError(f"auth must have one of {', '.join(ways)}; it has {' and '.join(given) or 'none'}")
    if username != password:
        missing = "password" if username else "username"
        raise ConfigurationError(f"auth.{missing} must be specified, or auth.{missing}File")
    return NatsAuth(
        username=text_if_given(options, "username"),
        password=text_if_given(options, "password"),
        token=text_if_given(options, "token"),
        username_file=options.text("usernameFile"),
        password_file=options.text("passwordFile"),
        token_file=options.text("tokenFile"),
        credentials_file=options.text("credentialsFile"),
        nkey_seed_file=options.text("nkeySeedFile"),
    )


def _auth_of_urls(urls: list[SplitResult]) -> NatsAuth:
    """
    `user:password@` or `token@`, the same in all urls that have one.
    """
    found = {_auth_of_url(url) for url in urls if url.username}
    if len(found) > 1:
        raise ConfigurationError("url must have the same credentials for every server")
    return next(iter(found), NatsAuth())


def _auth_of_url(url: SplitResult) -> NatsAuth:
    name = unquote(url.username or "")
    return NatsAuth(token=name) if url.password is None else NatsAuth(username=name, password=unquote(url.password))
