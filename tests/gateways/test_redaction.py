"""
Redaction: what must not be seen is not, and the rest stays.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.redaction import Redactor, redact_url


def test_what_is_learnt_later_is_masked_from_then_on() -> None:
    redacted = Redactor(["hunter2"])
    assert redacted("hunter2 hunter3") == "*** hunter3"
    redacted.learn("hunter3", "no")
    assert redacted("hunter2 hunter3 no") == "*** *** no"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://user:pass@host:4222", "nats://user:***@host:4222"),
        ("nats://token@host:4222", "nats://***@host:4222"),
        ("nats://:pass@host", "nats://:***@host"),
        ("nats://a:b@one:1,nats://c:d@two:2", "nats://a:***@one:1,nats://c:***@two:2"),
        ("nats://a:p@ss@host", "nats://a:***@host"),
        ("amqp://a:p/ss@host/vhost", "amqp://a:***@host/vhost"),
        ("nats://a:p#s?s@host", "nats://a:***@host"),
        ("tls+nats://user:pass@[::1]:4222/x", "tls+nats://user:***@[::1]:4222/x"),
        ("cannot connect to nats://u:p@h: refused", "cannot connect to nats://u:***@h: refused"),
        ('{"url": "http://u:p@h/", "a": "b@c"}', '{"url": "http://u:***@h/", "a": "b@c"}'),
        ("http://h/p?token=abc&x=1", "http://h/p?token=***&x=1"),
        ("http://h/p?x=1&access_token=abc#f", "http://h/p?x=1&access_token=***#f"),
        ("http://h/?X-Amz-Signature=abc", "http://h/?X-Amz-Signature=***"),
        ("nats://nats.argo-events:4222", "nats://nats.argo-events:4222"),
        ("http://host:80/path?mail=a@b", "http://host:80/path?mail=a@b"),
        ("http://host/@scope/package", "http://host/@scope/package"),
        ("http://[::1]:80/@x", "http://[::1]:80/@x"),
        ("http://h/?to=nats://u:p@h2/x", "http://h/?to=nats://u:***@h2/x"),
        ("nats://u:pa://ss@h", "nats://u:***@h"),
        ("mail a@b.c about it", "mail a@b.c about it"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_credentials(url: str, shown: str) -> None:
    assert redact_url(url) == shown
    assert redact_url(shown) == shown


@given(st.text(alphabet="ab@:/?#&=%[] ,.-", min_size=4, max_size=12))
def test_no_password_is_seen_in_a_url_whatever_it_holds(password: str) -> None:
    secret = password.replace(" ", "+")
    shown = redact_url(f"failed at nats://me:x{secret}x@host:4222: refused")
    assert shown == "failed at nats://me:***@host:4222: refused"


def test_a_long_text_takes_no_long_time() -> None:
    for text in ("a." * 100_000, "a://" * 50_000, ",a://b@" * 30_000, "?a" * 100_000 + "://"):
        assert len(redact_url(text)) <= len(text) * 2


@given(st.text(max_size=80))
def test_no_text_makes_it_crash(text: str) -> None:
    assert isinstance(Redactor([text])(f"{text} http://{text}@{text}"), str)


def test_configured_secrets_are_masked_in_every_form() -> None:
    redact = Redactor(['p&s"w/ö', "p&s", "longer p&s"])
    assert redact('p&s"w/ö, longer p&s and p&s') == "***, *** and ***"
    assert redact("http://h/?x=p%26s%22w%2F%C3%B6") == "http://h/?x=***"
    assert redact(r'{"a": "p&s\"w/\u00f6"}') == '{"a": "***"}'


def test_secrets_too_short_to_tell_apart_are_left() -> None:
    assert Redactor(["", "a", "ab"])("abba") == "abba"


def test_a_redactor_masks_urls_too() -> None:
    assert Redactor()("nats://u:p@h") == "nats://u:***@h"
