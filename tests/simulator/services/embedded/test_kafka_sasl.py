"""
Logins at the embedded Kafka cluster, and TLS, judged by three clients that bring their own.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.services.certificate import Certificate
from tests.simulator.services.embedded.kafka_clients import running

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
USERS = {"gateway": "a,b=c"}
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """
    kafka-python 3.0 leaves sockets to the garbage collector, which would warn in somebody else's test.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    made = Certificate(Path(tmp_path_factory.mktemp("tls")), ["localhost", "127.0.0.1"])
    asyncio.run(made.make())
    return made


def confluent(servers: str, mechanism: str, password: str, ca: Path | None) -> dict[str, Any]:
    options = {
        "bootstrap.servers": servers,
        "security.protocol": "SASL_SSL" if ca is not None else "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": "gateway",
        "sasl.password": password,
        "log_level": 0,
    }
    return {**options, "ssl.ca.location": str(ca)} if ca is not None else options


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_librdkafka_logs_in_over_tls_and_reads_back_what_it_wrote(mechanism: str, certificate: Certificate) -> None:
    from confluent_kafka import Consumer, Producer

    with running({"foo": 2}, brokers=2, users=USERS, encryption=certificate.serving()) as (servers, cluster):
        options = confluent(servers, mechanism, "a,b=c", certificate.file)
        producer = Producer(options)
        producer.produce("foo", b"work", partition=1)
        assert producer.flush(10) == 0
        assert cluster.partition("foo", 1).end == 1
        consumer = Consumer({**options, "group.id": "g", "auto.offset.reset": "earliest"})
        consumer.subscribe(["foo"])
        found = next(message for _ in range(100) if (message := consumer.poll(0.2)) is not None)
        assert found.value() == b"work"
        consumer.close()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_aiokafka_logs_in(mechanism: str) -> None:
    from aiokafka import AIOKafkaProducer

    async def story(servers: str) -> int:
        producer = AIOKafkaProducer(
            bootstrap_servers=servers,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism=mechanism,
            sasl_plain_username="gateway",
            sasl_plain_password="a,b=c",
        )
        await producer.start()
        try:
            return int((await producer.send_and_wait("foo", b"work")).offset)
        finally:
            await producer.stop()

    with running({"foo": 1}, users={"gateway": "a,b=c"}) as (servers, _):
        assert asyncio.run(story(servers)) == 0


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_kafka_python_logs_in_over_tls(mechanism: str, certificate: Certificate) -> None:
    from kafka import KafkaProducer

    context = ssl.create_default_context(cafile=str(certificate.file))
    with running({"foo": 1}, users=USERS, encryption=certificate.serving()) as (servers, _):
        producer = KafkaProducer(
            bootstrap_servers=servers,
            security_protocol="SASL_SSL",
            ssl_context=context,
            sasl_mechanism=mechanism,
            sasl_plain_username="gateway",
            sasl_plain_password="a,b=c",
        )
        assert producer.send("foo", b"work").get(10).offset == 0
        producer.close()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_librdkafka_is_told_that_its_password_is_wrong(mechanism: str) -> None:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    errors: list[str] = []
    with running({"foo": 1}, users=USERS) as (servers, _):
        options = confluent(servers, mechanism, "wrong", None)
        admin = AdminClient({**options, "error_cb": lambda error: errors.append(str(error))})
        with pytest.raises(KafkaException):
            admin.list_topics(timeout=2)
        admin.poll(0.5)
    assert any("Invalid username or password" in error for error in errors), errors


def test_librdkafka_is_told_which_mechanisms_there_are() -> None:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    errors: list[str] = []
    with running({"foo": 1}, users=USERS, mechanisms=["PLAIN"]) as (servers, _):
        options = confluent(servers, "SCRAM-SHA-512", "a,b=c", None)
        admin = AdminClient({**options, "error_cb": lambda error: errors.append(str(error))})
        with pytest.raises(KafkaException):
            admin.list_topics(timeout=2)
        admin.poll(0.5)
    assert any("PLAIN" in error for error in errors), errors


def test_who_does_not_log_in_is_shown_the_door() -> None:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    with running({"foo": 1}, users=USERS) as (servers, _), pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=1)
