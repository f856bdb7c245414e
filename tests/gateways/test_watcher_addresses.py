"""
Addresses of watchers outside a cluster: what each form means, and how a wrong one is told.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateways.errors import ManifestError
from gateways.watcher import gateway, sensor
from gateways.watcher_addresses import parse_address, parse_watcher, reached_at, watchers_in

WATCHERS = (sensor("audit"), gateway("far", 12000, "/in"))


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "tls"),
    [
        ("http://localhost:9300/", "localhost", 9300, "/", False),
        ("http://sink", "sink", 80, "/", False),
        ("https://sink/events?a=1", "sink", 443, "/events?a=1", True),
        ("http://[::1]:8080/x", "::1", 8080, "/x", False),
    ],
)
def test_a_url_says_where_a_watcher_is_reached(url: str, host: str, port: int, path: str, tls: bool) -> None:
    reached, _ = reached_at(WATCHERS, {"audit": url})
    assert (reached.host, reached.port, reached.path, reached.tls) == (host, port, path, tls)


def test_a_watcher_that_is_a_gateway_stays_one() -> None:
    _, reached = reached_at(WATCHERS, {"far": "http://localhost:1/in"})
    assert reached.is_gateway


def test_watchers_that_nobody_names_stay_at_their_service() -> None:
    assert reached_at(WATCHERS, {}) == WATCHERS


def test_every_wrong_url_and_name_is_told_at_once() -> None:
    with pytest.raises(ManifestError) as caught:
        reached_at(WATCHERS, {"audti": "http://x", "far": "http://user:hunter2@x", "audit": "x:1"})
    assert caught.value.problems == (
        "no watcher is called `audti`; did you mean `audit`?",
        "watcher `audit`: the URL is neither http nor https; write http://HOST:PORT/PATH",
        "watcher `far`: a URL with a user name or a password is not supported; write http://HOST:PORT/PATH",
    )


@pytest.mark.parametrize("url", ["http://x:99999/", "http://x:no/", "http://", "http://[::1/"])
def test_a_url_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ManifestError, match="watcher `audit`: "):
        reached_at(WATCHERS, {"audit": url})


def test_a_flag_names_a_watcher_and_its_url() -> None:
    assert parse_watcher("audit=http://x/?a=b") == ("audit", "http://x/?a=b")


@pytest.mark.parametrize("text", ["audit", "=http://x", "audit="])
def test_a_flag_without_both_is_told(text: str) -> None:
    with pytest.raises(ManifestError, match="write NAME=URL"):
        parse_watcher(text)


def test_a_file_is_a_mapping_of_names_to_urls(tmp_path: Path) -> None:
    file = tmp_path / "watchers.yaml"
    file.write_text("audit: http://localhost:1/\nfar: 'http://localhost:2/in'\n")
    assert watchers_in(file) == {"audit": "http://localhost:1/", "far": "http://localhost:2/in"}
    file.write_text("")
    assert watchers_in(file) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "must be a mapping of watchers to URLs, not a list"),
        ("a: 1\nb: [x]", "1:4: `a` must be a URL, not a number\n{file}: 2:4: `b` must be a URL, not a list"),
        ("a: [", ""),
    ],
)
def test_a_file_that_is_something_else_is_told(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "watchers.yaml"
    file.write_text(text)
    with pytest.raises(ManifestError) as caught:
        watchers_in(file)
    assert str(caught.value).startswith(f"{file}: {said.format(file=file)}")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read: No such file or directory"):
        watchers_in(tmp_path / "none.yaml")


def test_an_address_of_a_text_means_an_endpoint() -> None:
    assert parse_address("nats.argo-events:4222=[::1]:14222") == ("nats.argo-events:4222", ("::1", 14222))


@pytest.mark.parametrize("text", ["a=b", "a:1", "a:1=b", "a:1=b:0", "a:1=b:70000", ":1=b:1"])
def test_an_address_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ManifestError, match="write HOST:PORT=HOST:PORT"):
        parse_address(text)
