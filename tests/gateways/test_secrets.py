"""
Secrets: from values at hand and from manifest files, of the gateway's own namespace.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateways.errors import SourceUnavailable
from gateways.options import OptionReader
from gateways.secrets import ClusterSecrets, FileSecrets, KnownSecrets, SecretMissing, Secrets, SecretSelector
from tests.gateways.clusters import a_cluster, play, server_of

MANIFESTS = """\
apiVersion: v1
kind: Secret
metadata: {name: minio}
data: {accesskey: bWU=, both: b2xk, broken: "%%%", binary: "//79"}
stringData: {secretkey: "a b\\n", both: new}
---
apiVersion: v1
kind: Secret
metadata: {name: minio, namespace: elsewhere}
stringData: {accesskey: of-others}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: minio2}
data: {accesskey: no-secret}
"""


def read(secrets: Secrets, name: str, key: str) -> str:
    return asyncio.run(secrets.read(SecretSelector(name, key)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.yaml"
    path.write_text(MANIFESTS, encoding="utf-8")
    return path


def test_values_are_given_byte_for_byte(file: Path) -> None:
    secrets = FileSecrets([file], "default")
    assert read(secrets, "minio", "accesskey") == "me"
    assert read(secrets, "minio", "secretkey") == "a b\n"
    assert read(secrets, "minio", "both") == "new"


def test_only_the_gateway_s_namespace_counts(file: Path) -> None:
    assert read(FileSecrets([file], "elsewhere"), "minio", "accesskey") == "of-others"
    with pytest.raises(SecretMissing, match="there is no secret 'minio'"):
        read(FileSecrets([file], "third"), "minio", "accesskey")


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("nowhere", "k", "there is no secret 'nowhere'"),
        ("minio2", "accesskey", "there is no secret 'minio2'"),
        ("minio", "k", "secret 'minio' does not have the key 'k'"),
        ("minio", "broken", "secret 'minio' does not have the key 'broken'"),
        ("minio", "binary", "secret 'minio' does not have the key 'binary'"),
    ],
)
def test_what_is_missing_is_named(file: Path, name: str, key: str, said: str) -> None:
    with pytest.raises(SecretMissing) as missing:
        read(FileSecrets([file], "default"), name, key)
    assert str(missing.value) == said


def test_files_are_read_anew_each_time(file: Path) -> None:
    secrets = FileSecrets([file], "default")
    assert read(secrets, "minio", "accesskey") == "me"
    file.write_text(MANIFESTS.replace("bWU=", "eW91"), encoding="utf-8")
    assert read(secrets, "minio", "accesskey") == "you"


def test_files_that_cannot_be_read_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    assert FileSecrets([tmp_path / "broken.yaml", tmp_path / "none.yaml"], "default").values() == {}


def test_without_any_nothing_is_there() -> None:
    with pytest.raises(SecretMissing):
        read(KnownSecrets(), "minio", "accesskey")


@pytest.mark.parametrize("text", ["a: 1", "k: {name: n}", "k: {key: k}", "k: {name: '', key: k}"])
def test_a_selector_names_both_or_is_none(text: str) -> None:
    assert SecretSelector.read(OptionReader.from_text(text), "k") is None


def test_a_selector_is_read_from_options() -> None:
    assert SecretSelector.read(OptionReader.from_text("k: {name: minio, Key: 5}"), "k") == SecretSelector("minio", "5")


def test_in_a_cluster_they_are_read_anew_each_time_and_told_to_who_masks_them() -> None:
    async def story() -> None:
        learned: list[str] = []
        async with a_cluster() as cluster, server_of(cluster) as server:
            secrets = ClusterSecrets(server, "default", learned=learned.append)
            with pytest.raises(SecretMissing, match="there is no secret 'minio'"):
                await secrets.read(SecretSelector("minio", "a"))
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "minio"}}
            cluster.apply({**secret, "stringData": {"a": "hunter2"}})
            assert await secrets.read(SecretSelector("minio", "a")) == "hunter2"
            with pytest.raises(SecretMissing, match="secret 'minio' does not have the key 'b'"):
                await secrets.read(SecretSelector("minio", "b"))
            assert learned == ["hunter2"]

    play(story)


def test_in_a_cluster_one_that_may_not_be_read_is_not_taken_for_missing() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, server_of(cluster) as server:
            cluster.refuse("GET", "secrets", 403)
            with pytest.raises(
                SourceUnavailable, match=r"secret 'minio' cannot be read: .* answered 403: no way"
            ) as error:
                await ClusterSecrets(server, "default").read(SecretSelector("minio", "a"))
            assert not isinstance(error.value, SecretMissing)

    play(story)
