"""
MqttOptions: the text of an MQTT configuration, read and checked.

Extension keys (`qos`, `clientId`, `cleanSession`, `protocolVersion`, `sessionExpiry`, `auth`, `tls`) stand at the top
level, beside `url` and `attributes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote

from gateways.errors import ConfigurationError
from gateways.options import OptionReader, go_duration
from gateways.processors.credential_files import Login, Tls, is_given
from gateways.processors.servers import Server, ends_after_the_port, split_url

DEFAULT_PORT = 1883
_PLAIN, _ENCRYPTED = ("tcp", "mqtt"), ("ssl", "tls", "mqtts")
_TOPIC_BYTES_MAX = 65_535
_PROTOCOLS = {"": 4, "4": 4, "3.1.1": 4, "5": 5, "5.0": 5}
"""How people write a version, and its number in the protocol."""
NEVER = 0xFFFFFFFF
"""The session expiry interval of a session that does not expire (MQTT 5 section 3.1.2.11.2)."""


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """
    What one configuration asks for.
    """

    server: Server
    topic: str
    qos: int = 0
    client_id: str = ""
    """Empty: the gateway makes one."""
    clean_session: bool = True
    """False: the server keeps the session, and messages for it, while nobody is connected."""
    version: int = 4
    """4 is MQTT 3.1.1, 5 is MQTT 5."""
    session_expiry_s: int = 0
    """MQTT 5: for how long the server keeps the session then."""
    auth: Login = field(default_factory=Login)
    tls: Tls = field(default_factory=Tls)

    @classmethod
    def parse(cls, text: str) -> MqttOptions:
        """
        Read *text*.

        Raises:
            ConfigurationError: What is wrong with it and what would be right; never shows a secret.

        Source: R-MQTT-3, G-MQTT-1, G-MQTT-13, R-CFG-12; MQTT 3.1.1 sections 3.1.3 and 4.7; MQTT 5 section 3.1.2.11.
        """
        reader = OptionReader.from_text(text)
        url = _url(reader.text("url"))
        topic = _topic(reader)
        client_id, version = _client_id(reader), _version(reader)
        clean, expiry_s = _session(reader, version, client_id)
        encrypted = url.scheme in _ENCRYPTED or reader.has("tls")
        server = Server(url.hostname or "", url.port or DEFAULT_PORT, encrypted)
        auth, tls = _auth(reader, url), Tls.of(reader)
        return cls(server, topic, _qos(reader), client_id, clean, version, expiry_s, auth, tls)


def _url(text: str) -> SplitResult:
    wanted, whom = "such as tcp://mqtt.argo-events:1883", "one host and its port"
    if not text.strip():
        raise ConfigurationError("url must be specified")
    url = split_url(text.strip(), _PLAIN + _ENCRYPTED, wanted, whom=whom)
    if "," in url.netloc:
        raise ConfigurationError(f"url must name {whom}, {wanted}")
    ends_after_the_port(url, wanted)
    if url.scheme in _ENCRYPTED and url.port is None:
        raise ConfigurationError(
            f"url must name the port where it asks for TLS, such as {url.scheme}://{url.hostname}:8883"
        )
    return url


def _topic(reader: OptionReader) -> str:
    attributes = reader.mapping("attributes")
    topic = attributes.text("topic") if attributes is not None else ""
    if topic:
        return _checked_topic(topic)
    if reader.has("topic"):
        raise ConfigurationError("topic must be specified under `attributes:`; here it stands at the top level")
    raise ConfigurationError("topic must be specified")


def _checked_topic(topic: str) -> str:
    """
    *topic*, where a server would take it as a filter.
    """
    try:
        size = len(topic.encode())
    except UnicodeEncodeError:
        size = _TOPIC_BYTES_MAX + 1
    if size > _TOPIC_BYTES_MAX or "\0" in topic:
        raise ConfigurationError(f"topic must be text of at most {_TOPIC_BYTES_MAX} bytes, without null characters")
    shown = f"topic {topic[:80]!r}"
    levels = topic.split("/")
    for number, level in enumerate(levels, 1):
        if ("+" in level and level != "+") or ("#" in level and level != "#"):
            raise ConfigurationError(f"{shown} has a wildcard inside a level; `+` and `#` stand alone between slashes")
        if level == "#" and number != len(levels):
            raise ConfigurationError(f"{shown} has `#` before its end; only the last level may be `#`")
    return topic


def _client_id(reader: OptionReader) -> str:
    """
    The client id, at the top level or, as in the guide's time, under `attributes`.
    """
    attributes = reader.mapping("attributes")
    client_id = reader.text("clientId") or (attributes.text("clientId") if attributes is not None else "")
    if len(client_id.encode(errors="replace")) > _TOPIC_BYTES_MAX or not (client_id.isprintable()):
        raise ConfigurationError(f"clientId must be printable text of at most {_TOPIC_BYTES_MAX} bytes")
    return client_id


def _version(reader: OptionReader) -> int:
    written = reader.text("protocolVersion")
    if written not in _PROTOCOLS:
        raise ConfigurationError(f"protocolVersion must be 3.1.1 or 5, not {written[:20]}")
    return _PROTOCOLS[written]


def _session(reader: OptionReader, version: int, client_id: str) -> tuple[bool, int]:
    """
    Whether the session begins anew with each connection, and for how many seconds it is kept otherwise.
    """
    if version == 5:
        if reader.has("cleanSession"):
            raise ConfigurationError(
                "cleanSession belongs to MQTT 3.1.1; with protocolVersion: 5 a session is kept for as long as "
                "`sessionExpiry` says, such as `sessionExpiry: 1h`"
            )
        expiry_s = _expiry(reader)
        if expiry_s and not client_id:
            raise ConfigurationError("sessionExpiry needs a clientId: it is the name of the session")
        return expiry_s == 0, expiry_s
    if reader.has("sessionExpiry"):
        raise ConfigurationError(
            "sessionExpiry belongs to MQTT 5: write `protocolVersion: 5`, or `cleanSession: false`"
        )
    clean = reader.flag("cleanSession", True)
    if not clean and not client_id:
        raise ConfigurationError("cleanSession: false needs a clientId: it is the name of the session")
    return clean, 0


def _expiry(reader: OptionReader) -> int:
    """
    The session expiry interval, in whole seconds.
    """
    written = reader.text("sessionExpiry")
    if not written or written == "never":
        return NEVER if written else 0
    try:
        seconds = go_duration(written)
    except ConfigurationError:
        seconds = -1.0
    if not 0 <= seconds < NEVER:
        raise ConfigurationError("sessionExpiry must be a duration such as 1h, or never")
    return math.ceil(seconds)


def _qos(reader: OptionReader) -> int:
    qos = reader.integer("qos", 0)
    if qos not in (0, 1, 2):
        raise ConfigurationError(f"qos must be 0, 1 or 2, not {qos}")
    return qos


def _auth(reader: OptionReader, url: SplitResult) -> Login:
    """
    The one way that the text gives. A user may come without a password, a password not without a user.
    """
    options = reader.mapping("auth")
    in_url = url.username is not None
    if options is None:
        if not in_url:
            return Login()
        if not url.username:
            raise ConfigurationError("url has a password and no user name")
        return Login(unquote(url.username), unquote(url.password) if url.password is not None else None)
    if in_url:
        raise ConfigurationError("credentials stand in `url` and in `auth`; leave one of them out")
    is_given(options, "password")
    if not is_given(options, "username"):
        raise ConfigurationError("auth.username must be specified, or auth.usernameFile")
    return Login.of(options)


def covers(pattern: str, topic: str) -> bool:
    """
    Whether the filter *pattern* takes messages of *topic*.

    Source: MQTT 3.1.1 section 4.7.
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
