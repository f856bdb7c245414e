"""
What a client says in a login, by the examples of the standards and against a server that shares no code with it.
"""

from __future__ import annotations

import pytest

from gateways.processors.kafka_sasl import MECHANISMS, NotFollowed, exchange
from simulator.services.embedded.kafka.sasl import Denied
from simulator.services.embedded.kafka.sasl import exchange as server

_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
_CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
_PROOF = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
_SIGNATURE = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_scram_says_what_rfc_7677_prints() -> None:
    login = exchange("SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO")
    assert (login.first(), login.answer(_CHALLENGE), login.answer(_SIGNATURE)) == (_FIRST, _PROOF, None)


@pytest.mark.parametrize(
    ("challenge", "signature", "said"),
    [
        (_CHALLENGE.replace(b"r=rOpr", b"r=xOpr"), b"", "somebody else"),
        (b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", b"", "somebody else"),
        (_CHALLENGE.replace(b"i=4096", b"i=1"), b"", "1 iterations"),
        (_CHALLENGE.replace(b"i=4096", b"i=999999999"), b"", "999999999 iterations"),
        (b"\xff", b"", "cannot be read"),
        (_CHALLENGE, b"v=AAAA", "does not prove"),
        (_CHALLENGE, b"e=other-error", "cannot be read"),
    ],
)
def test_a_broker_that_does_not_do_its_part_is_not_believed(challenge: bytes, signature: bytes, said: str) -> None:
    login = exchange("SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO")
    login.first()

    def go_on() -> None:
        login.answer(challenge)
        login.answer(signature)

    with pytest.raises(NotFollowed, match=said):
        go_on()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(("user", "password"), [("a=b,c", "p,=ü"), ("a=b,c", "wrong"), ("nobody", "p,=ü")])
def test_the_server_lets_in_whoever_has_the_password(mechanism: str, user: str, password: str) -> None:
    def log_in() -> str:
        here, there = exchange(mechanism, user, password, "nonce"), server(mechanism, {"a=b,c": "p,=ü"})
        saying: bytes | None = here.first()
        said = None
        while saying is not None:
            said = there.hear(saying)
            saying = here.answer(said.answer)
        assert said is not None
        return said.user

    if (user, password) == ("a=b,c", "p,=ü"):
        assert log_in() == user
    else:
        with pytest.raises(Denied):
            log_in()
