"""
AddressBook: where to connect and where to bind for an address that a text names.

Texts are never rewritten, because a configuration's identity is a hash of its text. In production the book is the
identity; a simulator maps both directions to loopback ports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

Endpoint = tuple[str, int]


class Cluster(NamedTuple):
    """
    How the API server of the cluster around a gateway is reached. Nothing set: as the machine is set up for it.
    """

    url: str = ""
    """Where it is, without a word about who we are."""
    kubeconfig: str = ""
    """The file that says where it is and who we are."""
    peer: str = ""
    """What the API server at *url* is called, `host:port`."""
    in_cluster: bool = False
    """This is a pod of it, and nothing else counts."""


class AddressBook(Protocol):
    """
    The way from addresses in texts to sockets.
    """

    def dial(self, host: str, port: int) -> Endpoint:
        """
        Where to connect for *host*:*port*. TLS still verifies the name in the text.

        Raises:
            AddressRefused: Nothing is known there.
        """

    def listen(self, port: int) -> Endpoint:
        """
        Where to bind for the *port* that a text names.
        """

    def cluster(self) -> Cluster:
        """
        The cluster around, which no text names.

        Raises:
            AddressRefused: There is none.
        """


class DirectAddresses:
    """
    Addresses are what they say, except those that *overrides* name.

    Args:
        bind: The interface to listen on.
        overrides: `host:port` to the endpoint that stands for it, for gateways that run outside a cluster.
        cluster: How the API server is reached.
    """

    def __init__(
        self,
        *,
        bind: str = "0.0.0.0",
        overrides: Mapping[str, Endpoint] | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        self._bind = bind
        self._cluster = cluster or Cluster()
        self._overrides = dict(overrides or {})

    def dial(self, host: str, port: int) -> Endpoint:
        """See AddressBook."""
        return self._overrides.get(f"{host}:{port}", (host, port))

    def listen(self, port: int) -> Endpoint:
        """See AddressBook."""
        return self._bind, port

    def cluster(self) -> Cluster:
        """See AddressBook."""
        return self._cluster
