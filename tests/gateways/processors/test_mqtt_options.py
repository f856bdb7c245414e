from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.errors import ConfigurationError
from gateways.processors.credential_files import Login, Tls
from gateways.processors.mqtt import MqttProcessor
from gateways.processors.mqtt_options import MqttOptions, covers
from gateways.processors.servers import Server

PLAIN = "url: tcp://mqtt.argo-events:1883\nattributes:\n  topic: foo\n"


def parse(text: str) -> MqttOptions:
    return MqttProcessor.parse("mqtt.fooConfig", text)


def why_not(text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        parse(text)
    return str(refused.value)


@pytest.mark.parametrize("topic", ["foo", "bar"])
def test_the_guides_configurations_are_taken_as_they_stand(topic: str) -> None:
    options = parse(f"url: tcp://mqtt.argo-events:1883\nattributes:\n  topic: {topic}\n")
    assert options == MqttOptions(Server("mqtt.argo-events", 1883, False), topic)


def test_what_must_be_there_is_named() -> None:
    assert why_not("attributes: {topic: foo}") == "url must be specified"
    assert why_not("url: tcp://mqtt:1883") == "topic must be specified"
    assert why_not("url: tcp://mqtt:1883\ntopic: foo").endswith("here it stands at the top level")
    assert why_not("") == "configuration must be non empty"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("mqtt", Server("mqtt", 1883, False)),
        ("mqtt:1884", Server("mqtt", 1884, False)),
        ("mqtt://mqtt", Server("mqtt", 1883, False)),
        ("ssl://mqtt:8883", Server("mqtt", 8883, True)),
        ("mqtts://mqtt:8883/", Server("mqtt", 8883, True)),
        ("tls://[::1]:1", Server("::1", 1, True)),
    ],
)
def test_urls_are_taken_as_people_write_them(url: str, server: Server) -> None:
    assert parse(f'url: "{url}"\nattributes: {{topic: foo}}').server == server


@pytest.mark.parametrize(
    "url",
    [
        "nats://mqtt:1",
        "tcp://:1",
        "tcp://a b:1",
        "tcp://mqtt:0",
        "tcp://mqtt:x",
        "tcp://mqtt/x",
        "a:1,b:2",
        "ssl://mqtt",
    ],
)
def test_a_wrong_url_is_refused_without_being_repeated(url: str) -> None:
    text = why_not(f'url: "{url.replace("//", "//u:hidden@")}"\nattributes: {{topic: foo}}')
    assert text.startswith("url must ")
    assert "hidden" not in text


@pytest.mark.parametrize("topic", ["a/#/b", "a#", "+a", "a/b+", "#/", "a\\0b"])
def test_a_topic_that_no_server_takes_is_refused(topic: str) -> None:
    assert why_not(f'url: mqtt\nattributes: {{topic: "{topic}"}}').startswith("topic ")


def test_a_topic_may_be_long_but_not_too_long() -> None:
    assert len(parse(f"url: mqtt\nattributes: {{topic: {'a' * 65_535}}}").topic) == 65_535
    assert "65535 bytes" in why_not(f"url: mqtt\nattributes: {{topic: {'ä' * 32_768}}}")


def test_a_client_id_is_text_wherever_it_stands() -> None:
    assert parse(PLAIN + "clientId: 1").client_id == "1"
    assert parse("url: mqtt\nattributes: {topic: foo, clientID: 7}").client_id == "7"
    assert why_not(PLAIN + 'clientId: "a\\tb"').startswith("clientId must be printable")


def test_a_session_that_is_kept_has_a_name() -> None:
    assert "needs a clientId" in why_not(PLAIN + "cleanSession: false")
    assert parse(PLAIN + "cleanSession: false\nclientId: shop").clean_session is False


@pytest.mark.parametrize("qos", [-1, 3])
def test_there_are_three_qualities(qos: int) -> None:
    assert why_not(PLAIN + f"qos: {qos}") == f"qos must be 0, 1 or 2, not {qos}"
    assert [parse(PLAIN + f"qos: {each}").qos for each in (0, 1, 2)] == [0, 1, 2]


def test_other_versions_of_the_protocol_are_refused() -> None:
    assert parse(PLAIN + "protocolVersion: 3.1.1") == parse(PLAIN + "protocolVersion: 4") == parse(PLAIN)
    assert why_not(PLAIN + "protocolVersion: 6") == "protocolVersion must be 3.1.1 or 5, not 6"


def test_a_session_of_mqtt_5_is_kept_for_as_long_as_it_says() -> None:
    five = PLAIN + "clientId: shop\nprotocolVersion: 5\n"
    assert (parse(five).version, parse(five).clean_session, parse(five).session_expiry_s) == (5, True, 0)
    kept = parse(five + "sessionExpiry: 1h")
    assert (kept.clean_session, kept.session_expiry_s) == (False, 3600)
    assert parse(five + "sessionExpiry: never").session_expiry_s == 0xFFFFFFFF
    for wrong in ("soon", "-1s", "5000000000s", "5"):
        assert why_not(five + f"sessionExpiry: {wrong}") == "sessionExpiry must be a duration such as 1h, or never"
    assert "cleanSession belongs to MQTT 3.1.1" in why_not(five + "cleanSession: true")
    assert "sessionExpiry belongs to MQTT 5" in why_not(PLAIN + "sessionExpiry: 1h")
    assert "needs a clientId" in why_not(PLAIN + "protocolVersion: 5\nsessionExpiry: 1h")


def test_credentials_stand_in_one_place() -> None:
    user = Login("me", "se/cret")
    assert parse(PLAIN + "auth: {username: me, password: se/cret}").auth == user
    assert parse("url: tcp://me:se%2Fcret@mqtt:1883\nattributes: {topic: foo}").auth == user
    assert parse(PLAIN + "auth: {usernameFile: /u, passwordFile: /p}").auth == Login(None, None, "/u", "/p")
    assert "leave one of them out" in why_not("url: a:b@mqtt\nattributes: {topic: foo}\nauth: {username: me}")
    assert "exclude each other" in why_not(PLAIN + "auth: {username: a, password: b, passwordFile: /p}")
    assert "auth.username must" in why_not(PLAIN + "auth: {password: b}")
    assert "se/cret" not in repr(parse(PLAIN + "auth: {username: me, password: se/cret}"))


def test_tls_is_asked_for_by_url_or_by_key() -> None:
    options = parse(PLAIN + "tls: {caFile: /ca.pem}")
    assert (options.server.tls, options.tls) == (True, Tls("/ca.pem"))
    assert "belong together" in why_not(PLAIN + "tls: {certFile: /c.pem}")


@pytest.mark.parametrize(
    ("pattern", "topic", "taken"),
    [
        ("foo", "foo", True),
        ("foo", "foo/", False),
        ("foo/#", "foo", True),
        ("foo/#", "foo/a/b", True),
        ("foo/#", "food", False),
        ("+/b", "a/b", True),
        ("+/b", "/b", True),
        ("+", "a/b", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
    ],
)
def test_a_filter_takes_what_the_standard_says(pattern: str, topic: str, taken: bool) -> None:
    from simulator.services.mqtt_topics import matches

    assert covers(pattern, topic) is taken
    assert matches(pattern, topic) is taken


@given(st.text(max_size=200))
def test_whatever_the_text_it_is_taken_or_refused_with_a_reason(text: str) -> None:
    for whole in (text, f"url: tcp://mqtt:1883\nattributes:\n  topic: {text}", f"url: {text}\ntopic: x"):
        with suppress(ConfigurationError):
            assert parse(whole).topic
