from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.errors import ConfigurationError
from gateways.processors.nats import NatsProcessor
from gateways.processors.nats_options import JetStream, NatsAuth, NatsOptions
from gateways.processors.servers import Server

PLAIN = "url: nats://nats.argo-events:4222\nattributes:\n  subject: foo\n"


def parse(text: str) -> NatsOptions:
    return NatsProcessor.parse("nats.fooConfig", text)


def why_not(text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        parse(text)
    return str(refused.value)


def said_of(text: str) -> str:
    """
    The refusal, or all that is known of what was taken.
    """
    try:
        return repr(parse(text))
    except ConfigurationError as error:
        return str(error)


@pytest.mark.parametrize("subject", ["foo", "bar"])
def test_the_guides_configurations_are_taken_as_they_stand(subject: str) -> None:
    options = parse(f"url: nats://nats.argo-events:4222\nattributes:\n  subject: {subject}\n")
    assert options == NatsOptions((Server("nats.argo-events", 4222, False),), subject)


def test_what_must_be_there_is_named() -> None:
    assert why_not("attributes: {subject: foo}") == "url must be specified"
    assert why_not("url: nats://nats:4222") == "subject must be specified"
    assert why_not("url: nats://nats:4222\nattributes: {}") == "subject must be specified"
    assert why_not("") == "configuration must be non empty"


def test_a_subject_at_the_top_level_is_told_where_it_belongs() -> None:
    said = why_not("url: nats://nats:4222\nsubject: foo")
    assert said == "subject must be specified under `attributes:`; here it stands at the top level"


@pytest.mark.parametrize(
    ("subject", "what"),
    [
        ("a b", "spaces"),
        ("a\tb", "spaces or control"),
        ("a\\0b", "control"),
        (".a", "empty token"),
        ("a.", "empty token"),
        ("a..b", "empty token"),
        ("a.b*", "wildcard inside a token"),
        ("a.>b", "wildcard inside a token"),
        ("a.>.b", "`>` before its end"),
        ("x" * 1001, "at most 1000 bytes"),
    ],
)
def test_a_subject_that_a_server_would_refuse_is_refused_here(subject: str, what: str) -> None:
    assert what in why_not(f'url: nats://nats:4222\nattributes: {{subject: "{subject}"}}')


TOKENS = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters=".*>"), min_size=1, max_size=8)


@given(st.lists(st.one_of(TOKENS, st.just("*")), min_size=1, max_size=6), st.booleans())
def test_every_well_formed_subject_is_taken(tokens: list[str], rest: bool) -> None:
    subject = ".".join([*tokens, *([">"] if rest else [])])
    quoted = subject.replace("'", "''")
    assert parse(f"url: nats://nats:4222\nattributes: {{subject: '{quoted}'}}").subject == subject


def test_several_servers_are_kept_in_order() -> None:
    options = parse("url: 'nats://one:1, two:2,nats://[::1]'\nattributes: {subject: foo}")
    assert [server.peer for server in options.servers] == ["one:1", "two:2", "::1:4222"]


@pytest.mark.parametrize(
    "url", ["http://nats:4222", "nats://", "nats://:4222", "nats://nats:0", "nats://nats:99999", "tls"]
)
def test_a_url_that_names_no_server_is_refused(url: str) -> None:
    if url != "tls":
        assert "url must" in why_not(f"url: '{url}'\nattributes: {{subject: foo}}")
    else:
        assert parse(f"url: '{url}'\nattributes: {{subject: foo}}").servers[0].peer == "tls:4222"


@given(st.text(st.characters(codec="ascii", exclude_characters="'\n"), min_size=4, max_size=12).map(lambda s: f"Zq{s}"))
def test_what_is_said_of_a_url_never_shows_its_password(password: str) -> None:
    for url in (f"nats://me:{password}@nats:x", f"nats://me:{password}/@nats:4222", f"ftp://me:{password}@nats"):
        assert "Zq" not in said_of(f"url: '{url}'\nattributes: {{subject: foo}}")


def test_options_do_not_show_secrets() -> None:
    shown = repr(parse("url: nats://me:hunter2@nats\nattributes: {subject: foo}"))
    assert "hunter2" not in shown


def test_credentials_in_the_url_are_unquoted() -> None:
    assert parse("url: nats://me:a%2Fb@nats\nattributes: {subject: foo}").auth == NatsAuth(
        username="me", password="a/b"
    )
    assert parse("url: nats://t0ken@nats\nattributes: {subject: foo}").auth == NatsAuth(token="t0ken")


@pytest.mark.parametrize(
    ("auth", "what"),
    [
        ("{}", "it has none"),
        ("{username: me}", "auth.password must be specified"),
        ("{passwordFile: /p}", "auth.username must be specified"),
        ("{token: t, tokenFile: /t}", "exclude each other"),
        ("{token: t, credentialsFile: /c}", "it has token and credentialsFile"),
    ],
)
def test_half_or_double_credentials_are_refused(auth: str, what: str) -> None:
    assert what in why_not(PLAIN + f"auth: {auth}")


def test_credentials_stand_in_one_place() -> None:
    assert "leave one of them out" in why_not("url: nats://t@nats\nattributes: {subject: foo}\nauth: {token: t}")


def test_tls_is_asked_for_by_scheme_or_by_settings() -> None:
    assert parse("url: tls://nats\nattributes: {subject: foo}").servers[0].tls
    assert parse(PLAIN + "tls: {}").servers[0].tls
    assert "belong together" in why_not(PLAIN + "tls: {certFile: /c}")


def test_a_durable_keeps_everything_unless_the_text_says_otherwise() -> None:
    text = PLAIN + "jetstream: {stream: ORDERS, durable: gateway%s}"
    assert parse(text % "").jetstream == JetStream("ORDERS", "gateway", "all")
    assert parse(text % ", deliverPolicy: lastPerSubject").jetstream == JetStream(
        "ORDERS", "gateway", "last_per_subject"
    )
    assert "one of all, new, last, lastPerSubject" in why_not(text % ", deliverPolicy: first")


@pytest.mark.parametrize(
    ("jetstream", "what"),
    [
        ("{durable: d}", "jetstream.stream must be specified"),
        ("{stream: S}", "jetstream.durable must be specified"),
        ("{stream: a.b, durable: d}", "jetstream.stream must be a name"),
        ("{stream: S, durable: 'a b'}", "jetstream.durable must be a name"),
        ("yes", "must be a mapping"),
    ],
)
def test_a_durable_needs_usable_names(jetstream: str, what: str) -> None:
    assert what in why_not(PLAIN + f"jetstream: {jetstream}")


def test_a_queue_group_is_a_name_and_excludes_a_durable() -> None:
    assert parse(PLAIN + "queue: workers").queue == "workers"
    assert "without spaces" in why_not(PLAIN + "queue: 'my workers'")
    assert "exclude each other" in why_not(PLAIN + "queue: w\njetstream: {stream: S, durable: d}")
