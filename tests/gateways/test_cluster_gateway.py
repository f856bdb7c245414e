"""
A Gateway object as it is read from its cluster.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateways.cluster_gateway import read_spec_of
from gateways.errors import ManifestError
from tests.gateways.clusters import a_cluster, play, server_of

SPEC: dict[str, Any] = {"type": "calendar", "version": "1.0", "configMap": "settings", "watchers": {"sensors": []}}


def test_a_gateway_is_read_by_its_name_or_as_the_only_one() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, server_of(cluster) as server:
            cluster.gateway("shop", **SPEC)
            only = await read_spec_of(server, "", "default")
            assert only == await read_spec_of(server, "shop", "default")
            assert (only.name, only.type, only.config_map, only.namespace) == (
                "shop", "calendar", "settings", "default",
            )  # fmt: skip

    play(story)


@pytest.mark.parametrize(
    ("gateways", "name", "said"),
    [
        (("shop", "desk"), "", "namespace default has several Gateways; choose one by --name: desk, shop"),
        (
            ("shop",),
            "shpo",
            "--name shpo: no Gateway in namespace default is called so, did you mean `shop`?; there are shop",
        ),
        ((), "", "namespace default has no Gateway; --namespace says another one"),
        ((), "shop", "--name shop: no Gateway in namespace default is called so; there are none"),
    ],
)
def test_a_gateway_that_is_not_there_is_told_with_those_that_are(gateways: Any, name: str, said: str) -> None:
    async def story() -> None:
        async with a_cluster() as cluster, server_of(cluster) as server:
            cluster.gateway("gone")
            cluster.delete("Gateway", "gone", "argoproj.io/v1alpha1")
            for each in gateways:
                cluster.gateway(each, **SPEC)
            with pytest.raises(ManifestError) as error:
                await read_spec_of(server, name, "default")
            assert str(error.value) == said

    play(story)


def test_a_cluster_that_knows_no_gateways_is_told_what_it_lacks() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, server_of(cluster) as server:
            with pytest.raises(ManifestError, match="knows no Gateways: apply their CustomResourceDefinition"):
                await read_spec_of(server, "shop", "default")

    play(story)


def test_what_is_wrong_in_it_names_the_gateway() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, server_of(cluster) as server:
            cluster.gateway("shop", **{**SPEC, "tpye": "x"})
            with pytest.raises(ManifestError, match="Gateway shop in namespace default: unknown key `tpye` in spec"):
                await read_spec_of(server, "shop", "default")

    play(story)
