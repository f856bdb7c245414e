"""
On which port each webhook is served, and which one a request belongs to.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.processors.webhook_options import METHODS, WebhookOptions
from gateways.processors.webhook_routes import Place, Routes, places_of


def hook(endpoint: str = "/foo", method: str = "POST", port: int | None = None) -> WebhookOptions:
    return WebhookOptions(port, endpoint, method)


GATEWAY_WIDE = WebhookOptions(12000, "", "", gateway_wide=True)
PORT_ALONE = WebhookOptions(12000, "", "")


@pytest.mark.parametrize("naming", [{"port": GATEWAY_WIDE}, {"p": PORT_ALONE}, {"z": hook("/z", port=12000)}])
def test_without_a_port_of_its_own_a_configuration_is_served_on_the_common_one(
    naming: dict[str, WebhookOptions],
) -> None:
    assert places_of({"foo": hook(), **naming})["foo"] == Place(12000, "/foo", "POST")


def test_the_gateway_wide_port_comes_before_other_ports() -> None:
    places = places_of({"a": hook(port=1), "b": hook(port=2), "c": hook(), "port": GATEWAY_WIDE})
    assert [places["a"], places["b"], places["c"]] == [Place(n, "/foo", "POST") for n in (1, 2, 12000)]


def test_with_several_ports_and_none_for_all_it_is_an_error_that_names_them() -> None:
    problem = places_of({"a": hook(port=1), "b": hook(port=3), "d": hook(port=2), "c": hook()})["c"]
    assert isinstance(problem, str)
    assert "1, 2 and 3" in problem


def test_without_any_port_it_is_an_error_that_asks_for_one() -> None:
    assert "port" in str(places_of({"a": hook()})["a"])


def test_the_second_in_key_order_of_two_equal_ones_is_an_error_that_names_the_first() -> None:
    places = places_of({"b": hook(port=1), "a": hook(port=1), "c": hook(method="PUT", port=1), "d": hook(port=2)})
    assert places["a"] == Place(1, "/foo", "POST")
    assert places["b"] == "POST /foo on port 1 is served by a already; change one of them"
    assert isinstance(places["c"], Place)
    assert isinstance(places["d"], Place)


@given(
    st.dictionaries(st.text(max_size=3), st.builds(hook, st.sampled_from(["/", "/a"]), st.sampled_from(METHODS[:2])))
)
def test_no_two_configurations_share_a_place(wanted: dict[str, WebhookOptions]) -> None:
    places = [place for place in places_of({"p": PORT_ALONE, **wanted}).values() if isinstance(place, Place)]
    assert len(places) == len(set(places))


def test_the_longest_subtree_wins_and_a_path_of_its_own_before_it() -> None:
    routes: Routes[str] = Routes()
    for endpoint in ("/", "/sub/", "/sub/deep/", "/sub/leaf"):
        routes.add(endpoint, "POST", endpoint)

    def served(path: str) -> str | None:
        match = routes.find(path)
        return match.methods["POST"] if match is not None else None

    assert served("/sub/deep/x") == "/sub/deep/"
    assert served("/sub/leaf") == "/sub/leaf"
    assert served("/sub/leaf/x") == "/sub/"
    assert served("/other") == "/"
    assert routes.lacks_only_a_slash("/sub/deep")
    routes.remove("/", "POST")
    assert served("/other") is None
