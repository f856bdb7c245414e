"""
KafkaOptions: the text of a Kafka configuration, read and checked.

Extension keys (`group`, `offsetReset`, `auth`, `tls`) stand at the top level, beside `url` and `attributes`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from gateways.errors import ConfigurationError
from gateways.options import OptionReader
from gateways.processors.credential_files import Login, Tls, is_given
from gateways.processors.kafka_sasl import MECHANISMS

DEFAULT_PORT = 9092
LATEST, EARLIEST = "latest", "earliest"
_PARTITION_MAX = (1 << 31) - 1
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_GROUP_LENGTH_MAX = 249


class KafkaBroker(NamedTuple):
    """
    One broker that the url names, or that another broker tells of.
    """

    host: str
    port: int

    @property
    def peer(self) -> str:
        """
        `host:port`, as it is named.
        """
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """
    How brokers are spoken to, all of them alike.
    """

    tls: Tls | None = None
    """None: in plain text."""
    mechanism: str = ""
    """By which SASL mechanism we log in; empty: we do not."""
    login: Login = field(default_factory=Login)

    @classmethod
    def of(cls, reader: OptionReader) -> KafkaAccess:
        """
        What the options `tls` and `auth` say.

        Raises:
            ConfigurationError: What is wrong with them and what would be right.
        """
        tls = Tls.of(reader) if reader.has("tls") else None
        if reader.has("sasl"):
            raise ConfigurationError("a login is written as `auth: {mechanism, username, password}`, not as `sasl`")
        options = reader.mapping("auth")
        if options is None:
            return cls(tls)
        mechanism = options.text("mechanism", MECHANISMS[0])
        if mechanism not in MECHANISMS:
            raise ConfigurationError(f"auth.mechanism must be one of {', '.join(MECHANISMS)}, not {mechanism[:40]!r}")
        for name in ("username", "password"):
            if not is_given(options, name):
                raise ConfigurationError(f"auth.{name} must be specified, or auth.{name}File")
        return cls(tls, mechanism, Login.of(options))


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """
    What one configuration asks for.
    """

    brokers: tuple[KafkaBroker, ...]
    """Asked in this order who leads what."""
    topic: str
    partition: int | None
    """None: those that the group gives us."""
    group: str = ""
    offset_reset: str = LATEST
    """Where a group begins that has committed nothing."""
    access: KafkaAccess = field(default_factory=KafkaAccess)

    @classmethod
    def parse(cls, text: str) -> KafkaOptions:
        """
        Read *text*.

        Raises:
            ConfigurationError: What is wrong with it and what would be right.

        Source: R-KAF-1, R-NATS-4, R-CFG-12.
        """
        reader = OptionReader.from_text(text)
        brokers = _brokers(reader.text("url"))
        attributes = reader.mapping("attributes")
        topic = _topic(reader, attributes)
        group = _group(reader)
        partition = _partition(reader, attributes, group)
        return cls(brokers, topic, partition, group, _offset_reset(reader, group), KafkaAccess.of(reader))

    @classmethod
    def to_topic(cls, text: str, topic: str) -> KafkaOptions:
        """
        For whoever writes alone: `url`, `auth` and `tls` as a configuration has them, and a topic.

        Raises:
            ConfigurationError: As `parse`.
        """
        reader = OptionReader.from_text(text)
        brokers = _brokers(reader.text("url"))
        return cls(brokers, _checked_topic(topic), partition=0, access=KafkaAccess.of(reader))


def _brokers(text: str) -> tuple[KafkaBroker, ...]:
    if not text.strip():
        raise ConfigurationError("url must be specified")
    return tuple(_broker(each.strip()) for each in text.split(","))


def _broker(text: str) -> KafkaBroker:
    wanted = "such as kafka.argo-events:9092; several are separated by commas"
    if "://" in text:
        raise ConfigurationError(
            f"url must name a host and a port without a scheme, {wanted}; `tls` asks for TLS, `tls: {{}}` too"
        )
    try:
        url = urlsplit(f"kafka://{text}")
        port, host = url.port, url.hostname
    except ValueError:
        raise ConfigurationError(f"url must name a host and a port, {wanted}") from None
    if url.username is not None or url.password is not None:
        raise ConfigurationError("url must not hold credentials: they belong under `auth`")
    if not host or port == 0 or not host.isprintable() or " " in host or url.path or url.query or url.fragment:
        raise ConfigurationError(f"url must name a host and a port, {wanted}")
    return KafkaBroker(host, port or DEFAULT_PORT)


def _topic(reader: OptionReader, attributes: OptionReader | None) -> str:
    topic = attributes.text("topic") if attributes is not None else ""
    if not topic:
        elsewhere = " under `attributes:`; here it stands at the top level" if reader.has("topic") else ""
        raise ConfigurationError(f"topic must be specified{elsewhere}")
    return _checked_topic(topic)


def _checked_topic(topic: str) -> str:
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        raise ConfigurationError(
            f"topic {topic[:80]!r} must have up to 249 letters, digits, dots, dashes and underscores"
        )
    return topic


def _partition(reader: OptionReader, attributes: OptionReader | None, group: str) -> int | None:
    text = attributes.text("partition") if attributes is not None else ""
    if not text:
        if reader.has("partition"):
            raise ConfigurationError("partition must be specified under `attributes:`; here it stands at the top level")
        if group:
            return None
        raise ConfigurationError("partition must be specified, or a `group` that shares the topic's partitions")
    if not text.isascii() or not text.isdigit() or int(text[:20]) > _PARTITION_MAX:
        raise ConfigurationError(f'partition must be the number of one partition such as "0", not {text[:40]!r}')
    return int(text)


def _group(reader: OptionReader) -> str:
    group = reader.text("group")
    if len(group) > _GROUP_LENGTH_MAX or not group.isprintable() or any(mark.isspace() for mark in group):
        raise ConfigurationError("group must be the name of a consumer group, without spaces")
    return group


def _offset_reset(reader: OptionReader, group: str) -> str:
    reset = reader.text("offsetReset")
    if not reset:
        return LATEST
    if reset not in (LATEST, EARLIEST):
        raise ConfigurationError(f"offsetReset must be one of {LATEST}, {EARLIEST}, not {reset[:40]!r}")
    if not group:
        raise ConfigurationError("offsetReset needs a `group`: without one it begins at the newest offset")
    return reset
