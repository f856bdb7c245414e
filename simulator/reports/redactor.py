"""
Redactor: takes secrets out of whatever leaves the simulator: the scenario's own, and passwords in URLs.

A secret is also found in the forms that texts give it: escaped in JSON, percent-encoded, and inside base64.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"

_URL_PASSWORD = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s/:@\"'<>]*:)([^\s/\"'<>]+)(@)")
"""Up to the last `@` of the authority, since people write passwords that hold one."""
_URL_TOKEN = re.compile(r"((?:nats|tls|wss?)://)([^\s/:@\"'<>]+)(@)")
"""A user name without a password is a token to NATS, so it is masked where such a URL has one."""
_BASE64_MIN = 8
"""A shorter stretch of base64 stands in ordinary text by chance."""


class Redactor:
    """
    Masks secrets.

    Args:
        secrets: Texts that must appear nowhere.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        pattern = "|".join(map(re.escape, longest_first))
        self._secrets = re.compile(pattern) if forms else None
        self._secret_bytes = re.compile(pattern.encode("utf-8", "surrogatepass")) if forms else None

    def text(self, text: str) -> str:
        """
        *text* with every secret masked.
        """
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        if "://" not in text:
            return text
        return _URL_TOKEN.sub(rf"\1{MASK}\3", _URL_PASSWORD.sub(rf"\1{MASK}\3", text))

    def texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        """
        Each of *texts* with every secret masked.
        """
        return tuple(map(self.text, texts))

    def data(self, data: bytes) -> bytes:
        """
        *data*, which is no text, with every secret masked.
        """
        return data if self._secret_bytes is None else self._secret_bytes.sub(MASK.encode(), data)


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    raw = secret.encode("utf-8", "surrogatepass")
    yield quote(raw, safe="")
    yield quote_plus(raw)
    for offset in range(3):
        stretch = _in_base64(raw, offset)
        if len(stretch) >= _BASE64_MIN:
            yield stretch
            yield stretch.replace("+", "-").replace("/", "_")


def _in_base64(raw: bytes, offset: int) -> str:
    """
    The characters that every base64 text has which holds *raw* at *offset* bytes behind a multiple of three.
    """
    encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
    tail = (offset + len(raw)) % 3
    return encoded[(0, 2, 3)[offset] : len(encoded) - (1 if tail else 0)]
