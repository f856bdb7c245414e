"""
Redaction: keeps passwords and tokens out of logs, status and errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 3
"""A shorter secret would mask half of every text."""

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,31}://"
_URL = re.compile(rf"(?P<scheme>{_SCHEME})(?P<rest>(?:(?!,{_SCHEME})[^\s\"'`<>])*)")
_URL_INSIDE_A_URL = re.compile(rf"(?P<scheme>{_SCHEME})(?P<rest>[^\s/?#@]*@)")
_PLAIN_HOST = re.compile(r"(?:[^:/?#@]*|\[[0-9A-Fa-f:.]*\])(?::[0-9]*)?(?=[/?#,]|\Z)")
_SECRET_PARAMETER = re.compile(
    r"(?P<name>[?&;](?:[a-z0-9_-]{0,64}(?:token|secret|password|passwd|signature|api_?-?key)|key|sig|auth|jwt)=)[^&;#\s]*",
    re.IGNORECASE,
)


def redact_url(url: str) -> str:
    """
    *url*, or any text with URLs in it, without what a URL gives away: `nats://user:pass@host` becomes
    `nats://user:***@host`, a bare `token@host` becomes `***@host`, and the value of `?token=` and its like `***`.

    Where a URL is so broken that its password cannot be told from the rest (it holds `/` or `@`), more is masked.
    """
    if "://" not in url:
        return url
    masked = _URL_INSIDE_A_URL.sub(_without_credentials, _URL.sub(_without_credentials, url))
    return _SECRET_PARAMETER.sub(rf"\g<name>{MASK}", masked)


def _without_credentials(match: re.Match[str]) -> str:
    rest = match["rest"]
    if "@" not in rest or _PLAIN_HOST.match(rest):
        return match[0]
    credentials, _, place = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return match["scheme"] + (f"{user}:{MASK}@{place}" if colon else f"{MASK}@{place}")


class Redactor:
    """
    Masks known secret values, and what URLs give away, in any text.

    Args:
        secrets: The values. Those of fewer than three characters are passed over.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._secrets: re.Pattern[str] | None = None
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """
        Mask these too, from now on.
        """
        new = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms_of(secret)} - self._forms
        if new:
            self._forms |= new
            longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
            self._secrets = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        """
        *text* with every secret masked.
        """
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        return redact_url(text)


def _forms_of(secret: str) -> Iterable[str]:
    """
    *secret* as it may stand in a log: plain, in a URL, in JSON.
    """
    return (
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    )
