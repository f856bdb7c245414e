"""
Texts of Kafka configurations.
"""

from __future__ import annotations

import pytest

from gateways.errors import ConfigurationError
from gateways.processors.credential_files import Login, Tls
from gateways.processors.kafka_options import KafkaAccess, KafkaBroker, KafkaOptions


def test_the_guide_s_text_is_read() -> None:
    options = KafkaOptions.parse('url: kafka.argo-events:9092\nattributes:\n  topic: foo\n  partition: "0"\n')
    assert options == KafkaOptions((KafkaBroker("kafka.argo-events", 9092),), "foo", 0)


def test_several_brokers_a_group_and_a_number_are_read() -> None:
    options = KafkaOptions.parse(
        "url: a, b:1\nattributes: {topic: foo, partition: 3}\ngroup: g\noffsetReset: earliest\n"
    )
    assert options == KafkaOptions((KafkaBroker("a", 9092), KafkaBroker("b", 1)), "foo", 3, "g", "earliest")


def test_a_group_without_a_partition_a_login_and_tls_are_read() -> None:
    options = KafkaOptions.parse(
        "url: a\nattributes: {topic: foo}\ngroup: g\ntls: {caFile: ca.pem}\n"
        "auth: {mechanism: SCRAM-SHA-512, username: u, passwordFile: /p}\n"
    )
    assert (options.partition, options.group) == (None, "g")
    login = Login("u", None, "", "/p")
    assert options.access == KafkaAccess(Tls("ca.pem"), "SCRAM-SHA-512", login)
    plain = KafkaOptions.parse(
        "url: a\nattributes: {topic: foo}\ngroup: g\ntls: {}\nauth: {username: u, password: p}\n"
    )
    assert plain.access == KafkaAccess(Tls(), "PLAIN", Login("u", "p"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("attributes: {topic: a, partition: 0}", "url must be specified"),
        ("url: a\nattributes: {partition: 0}", "topic must be specified"),
        ("url: a\nattributes: {topic: a}", "partition must be specified"),
        ("url: a\nattributes: {topic: a}\npartition: 0", "under `attributes:`"),
        ("url: a\nattributes: {topic: a}\npartition: 0\ngroup: g", "under `attributes:`"),
        ("url: a\nattributes: {topic: a, partition: -1}", "number of one partition"),
        ("url: a\nattributes: {topic: a, partition: '2147483648'}", "number of one partition"),
        ("url: a\nattributes: {topic: a/b, partition: 0}", "letters, digits"),
        ("url: kafka://a\nattributes: {topic: a, partition: 0}", "without a scheme"),
        ("url: a:x\nattributes: {topic: a, partition: 0}", "a host and a port"),
        ("url: a/b\nattributes: {topic: a, partition: 0}", "a host and a port"),
        ("url: u:secret@a\nattributes: {topic: a, partition: 0}", "must not hold credentials"),
        ("url: a\nattributes: {topic: a, partition: 0}\ntls: {certFile: x}", "belong together"),
        ("url: a\nattributes: {topic: a, partition: 0}\nsasl: {username: x}", "`auth: {mechanism"),
        ("url: a\nattributes: {topic: a, partition: 0}\nauth: {username: x}", "auth.password must be specified"),
        (
            "url: a\nattributes: {topic: a, partition: 0}\nauth: {mechanism: GSSAPI, username: x, password: secret}",
            "one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
        ),
        (
            "url: a\nattributes: {topic: a, partition: 0}\nauth: {username: x, password: secret, passwordFile: y}",
            "exclude each other",
        ),
        ("url: a\nattributes: {topic: a, partition: 0}\noffsetReset: earliest", "needs a `group`"),
        ("url: a\nattributes: {topic: a, partition: 0}\ngroup: g\noffsetReset: first", "one of latest, earliest"),
        ("url: a\nattributes: {topic: a, partition: 0}\ngroup: g h", "without spaces"),
    ],
)
def test_what_is_wrong_is_said_without_showing_a_secret(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        KafkaOptions.parse(text)
    assert said in str(wrong.value)
    assert "secret" not in str(wrong.value)
