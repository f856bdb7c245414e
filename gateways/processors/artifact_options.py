"""
ArtifactOptions: the text of an artifact configuration, read and checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateways.errors import ConfigurationError
from gateways.options import OptionReader
from gateways.secrets import SecretSelector
from gateways.suggestion import did_you_mean

EVENTS = (
    *("s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy"),
    *("s3:ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:PutTagging", "s3:ObjectCreated:DeleteTagging"),
    *("s3:ObjectAccessed:*", "s3:ObjectAccessed:Get", "s3:ObjectAccessed:Head"),
    *("s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated"),
    "s3:ReducedRedundancyLostObject",
)
"""What MinIO tells of."""
_LISTED = ("s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload")
"""What a list of a bucket can show."""
_HTTP_PORT, _HTTPS_PORT = 80, 443
_ENDPOINT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?)(?::([0-9]{1,5}))?")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{1,61}[A-Za-z0-9]")
_WITHOUT_LISTENING = re.compile(r"(^|\.)(amazonaws\.com(\.cn)?|storage\.googleapis\.com)$", re.IGNORECASE)
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class ArtifactOptions:
    """
    What one configuration asks for.
    """

    endpoint: str
    """As the text has it."""
    host: str
    port: int
    bucket: str
    event: str
    prefix: str
    suffix: str
    region: str
    """Empty: the store is asked for it."""
    insecure: bool
    access_key: SecretSelector
    secret_key: SecretSelector
    reconcile: bool = False
    """Whether the bucket is listed after a lost stream."""

    @property
    def peer(self) -> str:
        """
        `host:port`, as the text means it.
        """
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> ArtifactOptions:
        """
        Read *text*.

        Raises:
            ConfigurationError: What is wrong with it and what would be right.

        Source: R-ART-3, R-ART-5, G-ART-2, G-ART-3, BUG-21.
        """
        options = OptionReader.from_text(text)
        section = options.mapping("s3EventConfig")
        if section is None:
            raise ConfigurationError("it has no `s3EventConfig`, which says what to listen to: endpoint, bucket, event")
        access_key = SecretSelector.read(options, "accessKey")
        secret_key = SecretSelector.read(options, "secretKey")
        if access_key is None or secret_key is None:
            which = "access key" if access_key is None else "secret key"
            key = "accessKey" if access_key is None else "secretKey"
            raise ConfigurationError(f"{which} can't be empty; write `{key}: {{name: SECRET, key: KEY}}`")
        insecure = options.flag("insecure")
        endpoint = section.text("endpoint")
        host, port = _endpoint(endpoint, _HTTP_PORT if insecure else _HTTPS_PORT)
        wanted = section.mapping("filter")
        event = _event(section.text("event"))
        return cls(
            endpoint=endpoint,
            host=host,
            port=port,
            bucket=_bucket(section.text("bucket")),
            event=event,
            prefix=wanted.text("prefix") if wanted is not None else "",
            suffix=wanted.text("suffix") if wanted is not None else "",
            region=section.text("region"),
            insecure=insecure,
            access_key=access_key,
            secret_key=secret_key,
            reconcile=_reconcile(options, event),
        )


def _endpoint(text: str, default_port: int) -> tuple[str, int]:
    shown = text[:_SHOWN]
    if not text:
        raise ConfigurationError("endpoint url can't be empty; it is host and port, such as minio.argo-events:9000")
    if "://" in text:
        raise ConfigurationError(
            f"endpoint must be host and port without a scheme, not {shown}; `insecure: true` chooses http"
        )
    match = _ENDPOINT.fullmatch(text)
    if match is None or not 0 < int(match[3] or default_port) <= 65535:
        raise ConfigurationError(f"endpoint must be host and port such as minio.argo-events:9000, not {shown}")
    host = match[1].strip("[]")
    if _WITHOUT_LISTENING.search(host):
        raise ConfigurationError(
            f"listening for bucket notifications is an extension of MinIO, which {host} does not know"
        )
    return host, int(match[3] or default_port)


def _bucket(name: str) -> str:
    if not name:
        raise ConfigurationError("bucket name can't be empty")
    if not _BUCKET.fullmatch(name) or ".." in name:
        raise ConfigurationError(f"bucket must be a name of 3 to 63 letters, digits, `.` and `-`, not {name[:_SHOWN]}")
    return name


def _event(name: str) -> str:
    if not name:
        raise ConfigurationError("event can't be empty; it is a name such as s3:ObjectCreated:Put")
    if name not in EVENTS:
        known = ", ".join(EVENTS)
        shown = name[:_SHOWN]
        raise ConfigurationError(f"unknown event {shown}{did_you_mean(shown, EVENTS)}; it is one of {known}")
    return name


def _reconcile(options: OptionReader, event: str) -> bool:
    wanted = options.flag("reconcile")
    if wanted and event not in _LISTED:
        known = ", ".join(_LISTED)
        raise ConfigurationError(
            f"reconcile: true lists objects that came, which {event} is not about; it goes with {known}"
        )
    return wanted
