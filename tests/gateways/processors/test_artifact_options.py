"""
ArtifactOptions: what the text of a configuration says, and what is refused.
"""

from __future__ import annotations

import pytest

from gateways.errors import ConfigurationError
from gateways.processors.artifact_options import ArtifactOptions
from gateways.secrets import SecretSelector

KEYS = "accessKey: {name: minio, key: accesskey}\nsecretKey: {name: minio, key: secretkey}\n"


def text(section: str = "bucket: foo, endpoint: 'minio:9000', event: 's3:ObjectCreated:Put'", rest: str = "") -> str:
    return f"s3EventConfig: {{{section}}}\n{rest}{KEYS}"


def test_the_guide_s_example_is_read() -> None:
    options = ArtifactOptions.parse(
        "s3EventConfig:\n  bucket: foo\n  endpoint: minio.argo-events:9000\n  event: s3:ObjectCreated:Put\n"
        '  filter:\n    prefix: "xyz"\n    suffix: ""\ninsecure: true\n' + KEYS
    )
    assert (options.peer, options.bucket, options.event) == ("minio.argo-events:9000", "foo", "s3:ObjectCreated:Put")
    assert (options.prefix, options.suffix, options.region, options.insecure) == ("xyz", "", "", True)
    assert options.access_key == SecretSelector("minio", "accesskey")
    assert options.secret_key == SecretSelector("minio", "secretkey")


@pytest.mark.parametrize(
    ("endpoint", "insecure", "peer"),
    [
        ("minio", True, "minio:80"),
        ("minio", False, "minio:443"),
        ("10.0.0.1:9000", False, "10.0.0.1:9000"),
        ("[::1]:9000", True, "::1:9000"),
    ],
)
def test_an_endpoint_without_a_port_means_that_of_its_scheme(endpoint: str, insecure: bool, peer: str) -> None:
    section = f"bucket: foo, endpoint: '{endpoint}', event: 's3:ObjectCreated:*'"
    assert ArtifactOptions.parse(text(section, f"insecure: {str(insecure).lower()}\n")).peer == peer


@pytest.mark.parametrize(
    ("section", "rest", "said"),
    [
        ("endpoint: m, event: 's3:ObjectCreated:*'", "", "bucket name can't be empty"),
        ("bucket: a, endpoint: m, event: 's3:ObjectCreated:*'", "", "bucket must be a name of 3 to 63"),
        ("bucket: f..o, endpoint: m, event: 's3:ObjectCreated:*'", "", "bucket must be a name of 3 to 63"),
        ("bucket: foo, event: 's3:ObjectCreated:*'", "", "endpoint url can't be empty"),
        (
            "bucket: foo, endpoint: 'https://m', event: 's3:ObjectCreated:*'",
            "",
            "endpoint must be host and port without a scheme, not https://m",
        ),
        ("bucket: foo, endpoint: 'm:0', event: 's3:ObjectCreated:*'", "", "endpoint must be host and port such as"),
        ("bucket: foo, endpoint: 'm:99999', event: 's3:ObjectCreated:*'", "", "endpoint must be host and port such as"),
        ("bucket: foo, endpoint: 'm/x', event: 's3:ObjectCreated:*'", "", "endpoint must be host and port such as"),
        (
            "bucket: foo, endpoint: s3.eu-west-1.amazonaws.com, event: 's3:ObjectCreated:*'",
            "",
            "an extension of MinIO, which s3.eu-west-1.amazonaws.com",
        ),
        (
            "bucket: foo, endpoint: storage.googleapis.com, event: 's3:ObjectCreated:*'",
            "",
            "an extension of MinIO, which storage.googleapis.com",
        ),
        ("bucket: foo, endpoint: m", "", "event can't be empty"),
        (
            "bucket: foo, endpoint: m, event: 's3:ObjectCreated:Get'",
            "",
            "unknown event s3:ObjectCreated:Get, did you mean",
        ),
        (
            "bucket: foo, endpoint: m, event: 's3:ObjectCreated:*', filter: x",
            "",
            "`s3EventConfig.filter` must be a mapping",
        ),
        (
            "bucket: foo, endpoint: m, event: 's3:ObjectCreated:*'",
            "insecure: 'true'\n",
            "`insecure` must be true or false",
        ),
        (
            "bucket: foo, endpoint: m, event: 's3:ObjectCreated:*'",
            "reconcile: yes please\n",
            "`reconcile` must be true",
        ),
        (
            "bucket: foo, endpoint: m, event: 's3:ObjectRemoved:Delete'",
            "reconcile: true\n",
            "which s3:ObjectRemoved:Delete is not about; it goes with s3:ObjectCreated:*",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_right(section: str, rest: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        ArtifactOptions.parse(text(section, rest))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("missing", "said"), [("accessKey", "access key can't be empty"), ("secretKey", "secret key can't be empty")]
)
def test_both_keys_are_needed(missing: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ArtifactOptions.parse(text().replace(missing, "other"))


def test_without_a_section_nothing_is_said() -> None:
    with pytest.raises(ConfigurationError, match="s3EventConfig"):
        ArtifactOptions.parse(KEYS)


@pytest.mark.parametrize(
    "event", ["s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload"]
)
def test_reconcile_goes_with_the_events_that_a_list_shows(event: str) -> None:
    section = f"bucket: foo, endpoint: m, event: '{event}'"
    assert ArtifactOptions.parse(text(section, "reconcile: true\n")).reconcile
    assert not ArtifactOptions.parse(text(section)).reconcile
