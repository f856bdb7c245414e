"""
Who is connected and subscribed, as Mosquitto's log tells it.
"""

from __future__ import annotations

from simulator.services.local.mosquitto_log import MosquittoClients

CONNECTED = "17: New client connected from 127.0.0.1:53779 as %s (p2, c%d, k60)."


def subscribers(*lines: str, topic: str = "x y/+") -> int:
    clients = MosquittoClients()
    clients.read(lines)
    return clients.subscribers(topic, except_for="gatesim-simulator")


def test_a_client_counts_from_its_subscription_to_its_unsubscription() -> None:
    lines = [CONNECTED % ("a b", 1), "17: a b 1 x y/+", "17: a b x y/+"]
    assert [subscribers(*lines[:count]) for count in (1, 2, 3)] == [0, 1, 0]


def test_a_client_that_left_does_not_count_however_it_left() -> None:
    for left in (
        "Client a b disconnected.",
        "Client a b closed its connection.",
        "Client a b has exceeded timeout, disconnecting.",
        "Socket error on client a b, disconnecting.",
    ):
        assert subscribers(CONNECTED % ("a b", 1), "17: a b 1 x y/+", f"18: {left}") == 0


def test_a_session_that_is_kept_counts_again_once_its_client_is_back() -> None:
    lines = [CONNECTED % ("a", 0), "17: a 2 x y/+", "18: Client a disconnected."]
    assert subscribers(*lines, CONNECTED % ("a", 0)) == 1
    assert subscribers(*lines, CONNECTED % ("a", 1)) == 0


def test_a_client_that_another_one_of_its_name_drives_out_counts_once() -> None:
    taken_over = "18: Client a already connected, closing old connection."
    assert subscribers(CONNECTED % ("a", 0), "17: a 0 x y/+", taken_over, CONNECTED % ("a", 0)) == 1


def test_of_two_names_the_longer_one_is_meant_where_both_fit() -> None:
    assert (
        subscribers(CONNECTED % ("a", 1), CONNECTED % ("a b", 1), "17: a b 1 x y/+", "18: Client a disconnected.") == 1
    )


def test_a_user_name_is_no_part_of_the_client() -> None:
    assert subscribers("17: New client connected from 127.0.0.1:1 as a (p5, c1, k60, u'me').", "17: a 1 x y/+") == 1


def test_we_ourselves_do_not_count_and_nobody_outlives_the_server() -> None:
    assert subscribers(CONNECTED % ("gatesim-simulator", 1), "17: gatesim-simulator 1 x y/+") == 0
    assert subscribers(CONNECTED % ("a", 0), "17: a 1 x y/+", "18: mosquitto version 2.0.11 running") == 0
