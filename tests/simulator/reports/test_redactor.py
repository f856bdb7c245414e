"""
The redactor: no form of a secret gets through, and nothing else is lost.
"""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.reports.redactor import MASK, Redactor

SECRET = 'hunter2/"quoted" & ö'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        json.dumps({"password": SECRET}),
        json.dumps({"password": SECRET}, ensure_ascii=False),
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.b64encode(f"users:{SECRET}".encode()).decode(),
        base64.urlsafe_b64encode(f"a user:{SECRET}!".encode()).decode(),
    ],
)
def test_a_secret_is_masked_in_every_form(text: str) -> None:
    masked = Redactor([SECRET]).text(f"before {text} after")
    assert MASK in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    for form in (SECRET, "hunter2", base64.b64encode(b"hunter2").decode()[:8]):
        assert form not in masked


@given(st.text(min_size=3, max_size=20), st.binary(max_size=5), st.binary(max_size=5))
def test_base64_around_a_secret_never_holds_it(secret: str, before: bytes, after: bytes) -> None:
    raw = secret.encode("utf-8", "surrogatepass") * 3
    text = base64.b64encode(before + raw + after).decode()
    assert MASK in Redactor([raw.decode("utf-8", "surrogatepass")]).text(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("nats://me:pw@host:4222", "nats://me:***@host:4222"),
        ("dial amqp://guest:p@ss@mq/vhost failed", "dial amqp://guest:***@mq/vhost failed"),
        ("nats://token@host", "nats://***@host"),
        ("nats://a:b@one:1,nats://c:d@two:2", "nats://a:***@one:1,nats://c:***@two:2"),
        ("http://user@host/", "http://user@host/"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("see http://host:80 or me@example.org", "see http://host:80 or me@example.org"),
        ('{"url": "http://h:80", "to": "a@b"}', '{"url": "http://h:80", "to": "a@b"}'),
    ],
)
def test_passwords_in_urls_are_masked_and_nothing_else(text: str, masked: str) -> None:
    assert Redactor().text(text) == masked


def test_the_longest_secret_is_masked_whole() -> None:
    assert Redactor(["pass", "password1"]).text("password1 pass") == "*** ***"


def test_bytes_that_are_no_text_are_masked() -> None:
    assert Redactor(["söcret"]).data(b"\xff\x00" + "söcret".encode() + b"\xfe") == b"\xff\x00***\xfe"


def test_without_secrets_text_stays() -> None:
    assert Redactor([""]).text("nothing to hide") == "nothing to hide"
