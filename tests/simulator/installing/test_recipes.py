"""
The table: what can be installed can be found, and what stands in the way is told.
"""

from __future__ import annotations

import pytest

from simulator.installing.binaries import KNOWN
from simulator.installing.recipes import RECIPES
from simulator.installing.trial import _ASKED
from tests.simulator.installing.fake_tools import FakeTools


def test_whatever_can_be_installed_can_be_found_and_tried_out() -> None:
    assert set(RECIPES) == set(KNOWN) == set(_ASKED)


def test_identities_are_those_of_what_would_be_made() -> None:
    identities = {recipe.identity for recipe in RECIPES.values()}
    assert len(identities) == len(RECIPES)
    assert all("\n" not in identity for identity in identities)


@pytest.mark.parametrize("service", ["mosquitto", "rabbitmq"])
def test_on_macos_there_are_no_debian_packages_and_path_is_pointed_to(service: str) -> None:
    (obstacle,) = RECIPES[service].obstacles("darwin")
    assert obstacle.startswith("it unpacks Debian packages, and this system has none: ")
    assert "on PATH is used (brew install " in obstacle


@pytest.mark.usefixtures("fakes")
def test_a_linux_without_apt_is_told_so() -> None:
    obstacles = RECIPES["mosquitto"].obstacles("linux")
    assert obstacles[0].startswith("`apt-get` is not on PATH")
    assert obstacles[-1].startswith("on other systems: ")


def test_where_the_tools_are_nothing_stands_in_the_way(fakes: FakeTools) -> None:
    fakes.add("go", "")
    assert RECIPES["minio"].obstacles() == []
    assert RECIPES["nats"].obstacles() == []
