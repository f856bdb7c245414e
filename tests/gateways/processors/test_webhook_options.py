"""
What the text of a webhook configuration means.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.errors import ConfigurationError
from gateways.processors.webhook_options import METHODS, WebhookOptions, parse_webhook


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('endpoint: "/foo"\nmethod: "POST"', WebhookOptions(None, "/foo", "POST")),
        ("Endpoint: /foo\nMETHOD: PUT\nport: 12000\nother: [1]", WebhookOptions(12000, "/foo", "PUT")),
        ('port: "12000"', WebhookOptions(12000, "", "")),
        ("{endpoint: /a%20b/, method: GET}", WebhookOptions(None, "/a b/", "GET")),
    ],
)
def test_a_text_is_read(text: str, options: WebhookOptions) -> None:
    assert parse_webhook("foo", text) == options


@pytest.mark.parametrize("text", ["12000", '"12000"', " '12000' # can't be reconfigured", "012000"])
def test_a_bare_number_under_the_key_port_is_the_gateway_wide_port(text: str) -> None:
    assert parse_webhook("port", text) == WebhookOptions(12000, "", "", gateway_wide=True)


def test_a_port_alone_under_the_key_port_is_a_port_like_any() -> None:
    assert parse_webhook("port", 'port: "12000"') == WebhookOptions(12000, "", "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "configuration must be non empty"),
        ("12000", "must be a mapping"),
        ("{}", "endpoint can't be empty"),
        ("method: POST", "endpoint can't be empty"),
        ("endpoint: /foo", "method can't be empty; it is one of HEAD, PUT"),
        (
            "endpoint: /foo\nmethod: post",
            f"unknown HTTP method post; it is one of {', '.join(METHODS)}, did you mean `POST`?",
        ),
        ("endpoint: /foo\nmethod: FETCH", "unknown HTTP method FETCH"),
        ("endpoint: foo\nmethod: POST", "endpoint must start with '/': write /foo"),
        ("endpoint: /foo?a=1\nmethod: POST", "without query and fragment"),
        ("port: 0", "failed to parse server port 0: it is a number from 1 to 65535"),
        ("port: 65536", "failed to parse server port 65536"),
        ("port: http", "failed to parse server port http"),
        ("port: -1", "failed to parse server port -1"),
        ("port: '٣'", "failed to parse server port"),
        (f"port: '{'9' * 9999}'", "failed to parse server port 999"),
        ("endpoint: [1]\nmethod: POST", "`endpoint` must be text"),
    ],
)
def test_what_cannot_be_served_is_refused_with_what_is_right(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_webhook("foo", text)
    assert problem in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("text", ["0", "70000", "9" * 5000])
def test_a_gateway_wide_port_is_checked_too(text: str) -> None:
    with pytest.raises(ConfigurationError, match="number from 1 to 65535"):
        parse_webhook("port", text)


@given(st.text(max_size=60), st.text(max_size=20))
def test_whatever_a_text_is_it_is_read_or_refused(text: str, method: str) -> None:
    for tried in (text, f"endpoint: {text!r}\nmethod: {method!r}", f"port: {text!r}"):
        with suppress(ConfigurationError):
            options = parse_webhook("port", tried)
            assert options.method in ("", *METHODS)
            assert options.port is None or 0 < options.port < 65536
