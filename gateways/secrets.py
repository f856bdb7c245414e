"""
Secrets: values that a configuration names and does not hold, by the name of a Secret and a key in it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import quote

from gateways.errors import SourceUnavailable
from gateways.gateway_spec import DEFAULT_NAMESPACE
from gateways.manifest import ManifestObject, objects_in
from gateways.options import OptionReader
from gateways.yaml_nodes import YamlProblem

if TYPE_CHECKING:
    from gateways.cluster import ApiServer


class SecretSelector(NamedTuple):
    """
    What a configuration says of a secret value: where it is.
    """

    name: str
    key: str

    @classmethod
    def read(cls, options: OptionReader, name: str) -> SecretSelector | None:
        """
        The selector *name* of *options*; None where it is absent or names nothing.

        Raises:
            ConfigurationError: It is no mapping of texts.
        """
        inner = options.mapping(name)
        if inner is None:
            return None
        found = cls(inner.text("name"), inner.text("key"))
        return found if found.name and found.key else None


class Secrets(Protocol):
    """
    Where a gateway finds the Secrets of its namespace.
    """

    async def read(self, selector: SecretSelector) -> str:
        """
        The value, byte for byte.

        Raises:
            SecretMissing: It is not there now; it may come.
        """


class SecretMissing(SourceUnavailable):
    """
    A Secret, or a key in it, is not there.
    """


class KnownSecrets:
    """
    Secrets whose values are at hand.

    Args:
        values: Each Secret's data by its name.
    """

    def __init__(self, values: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._values = values or {}

    async def read(self, selector: SecretSelector) -> str:
        """See Secrets."""
        return _picked(self._values, selector)


class FileSecrets:
    """
    Secrets of manifest files, which are read anew each time.

    Args:
        files: Those that may hold Secrets; the namespaces that they name count.
        namespace: The gateway's.
    """

    def __init__(self, files: Sequence[Path], namespace: str) -> None:
        self._files = tuple(files)
        self._namespace = namespace

    async def read(self, selector: SecretSelector) -> str:
        """See Secrets."""
        return _picked(self.values(), selector)

    def values(self) -> dict[str, dict[str, str]]:
        """
        Each Secret's data by its name, as far as the files can be read.
        """
        return {
            secret.name: data_of(secret)
            for path in self._files
            for secret in _secrets_in(path)
            if (secret.namespace or DEFAULT_NAMESPACE) == self._namespace
        }


class ClusterSecrets:
    """
    Secrets of a Kubernetes cluster, which are read anew each time.

    Args:
        server: Where they are.
        namespace: The gateway's.
        learned: Told each value that is given out, so that logs can be kept free of it.
    """

    def __init__(self, server: ApiServer, namespace: str, *, learned: Callable[[str], None] | None = None) -> None:
        self._server = server
        self._path = f"/api/v1/namespaces/{quote(namespace)}/secrets"
        self._learned = learned

    async def read(self, selector: SecretSelector) -> str:
        """See Secrets. A SourceUnavailable that is no SecretMissing: it cannot be known now."""
        try:
            found = await self._server.get(f"{self._path}/{quote(selector.name, safe='')}")
        except SourceUnavailable as error:
            raise SourceUnavailable(f"secret '{selector.name}' cannot be read: {error}") from error
        there = {} if found is None else {selector.name: dict(_plain(found.get("data") or {}))}
        value = _picked(there, selector)
        if self._learned is not None:
            self._learned(value)
        return value


def data_of(secret: ManifestObject) -> dict[str, str]:
    """
    What a Secret holds: its `data`, which is base64, and over it its `stringData`. What is neither is passed over.
    """
    return {**dict(_decoded(secret)), **dict(_texts(secret, "stringData"))}


def _picked(values: Mapping[str, Mapping[str, str]], selector: SecretSelector) -> str:
    data = values.get(selector.name)
    if data is None:
        raise SecretMissing(f"there is no secret '{selector.name}'")
    if selector.key not in data:
        raise SecretMissing(f"secret '{selector.name}' does not have the key '{selector.key}'")
    return data[selector.key]


def _secrets_in(path: Path) -> list[ManifestObject]:
    try:
        return [found for found in objects_in(path.read_text(encoding="utf-8-sig")) if found.kind == "Secret"]
    except (OSError, UnicodeDecodeError, YamlProblem):
        return []  # that is told where Gateways are read from the same files


def _texts(secret: ManifestObject, key: str) -> Iterator[tuple[str, str]]:
    node = secret.node.value.get(key)
    if node is not None and isinstance(node.value, dict):
        for name, inner in node.value.items():
            if isinstance(inner.value, str):
                yield name, inner.value


def _decoded(secret: ManifestObject) -> Iterator[tuple[str, str]]:
    yield from _plain(dict(_texts(secret, "data")))


def _plain(data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in data.items():
        try:
            yield name, base64.b64decode("".join(text.split()), validate=True).decode()
        except (binascii.Error, ValueError):
            continue
