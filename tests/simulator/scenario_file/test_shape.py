"""
Shape: the scalars of scenario files, and what an author is told about others.
"""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from simulator.scenario_file.shape import Bytes, Duration, Instant, Json, Port, Shape, Texts, json_bytes, kind_of


class Scalars(Shape):
    duration: Duration = 0.0
    instant: Instant = datetime(2018, 1, 1, tzinfo=UTC)
    port: Port = 1
    raw: Bytes = b""
    plain: Json = None
    texts: Texts = ()
    whole_number: int = 0


def refused(key: str, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Scalars.model_validate({key: value})
    context = caught.value.errors()[0].get("ctx", {})
    return f"{context.get('problem', '')}; {context.get('hint', '')}"


def test_instants_are_aware_and_keep_their_zone():
    instant = Scalars.model_validate({"instant": "2018-10-07T12:00:00.123456789+02:00"}).instant
    assert instant == datetime(2018, 10, 7, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("value", ["2018-10-07", "2018-10-07T12:00:00", "2018-13-07T12:00:00Z", "now", 5, None])
def test_what_is_no_instant_is_told_how_one_is_written(value):
    assert "`2018-10-07T12:00:00Z`" in refused("instant", value)


@pytest.mark.parametrize(("value", "port"), [(12000, 12000), ("9300", 9300), (65535, 65535)])
def test_a_port_is_a_number_or_its_digits(value, port):
    assert Scalars.model_validate({"port": value}).port == port


@pytest.mark.parametrize("value", [0, 65536, "x", -1, True, 1.0, None, "12 "])
def test_what_is_no_port_is_told_the_range(value):
    assert "from 1 to 65535" in refused("port", value)


def test_base64_may_be_folded_over_lines():
    assert Scalars.model_validate({"raw": "aGVs\n  bG8="}).raw == b"hello"


@pytest.mark.parametrize("value", ["a", "%%", "aGVsbG8", 5])
def test_what_is_no_base64_is_refused(value):
    assert "base64" in refused("raw", value)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_what_has_no_json_form_is_refused(value):
    assert "no JSON form" in refused("plain", value)


def test_nothing_is_coerced_and_lists_become_tuples():
    assert Scalars.model_validate({"texts": ["a"]}).texts == ("a",)
    for key, value in (("wholeNumber", "1"), ("wholeNumber", True), ("wholeNumber", 1.0), ("texts", [1])):
        with pytest.raises(ValidationError):
            Scalars.model_validate({key: value})


def test_a_shape_cannot_be_changed():
    with pytest.raises(ValidationError):
        Scalars().port = 2


def test_json_goes_out_without_spaces_and_in_order():
    assert json_bytes({"b": 1, "a": ["ä", None]}) == '{"b":1,"a":["ä",null]}'.encode()


@pytest.mark.parametrize(
    ("value", "words"),
    [("x", "text"), (True, "`true`"), (1, "a number"), ({}, "a mapping"), ([], "a list"), (None, "empty")],
)
def test_kinds_are_called_as_yaml_writers_call_them(value, words):
    assert kind_of(value) == words
