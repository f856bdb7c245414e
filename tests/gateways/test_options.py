"""
Options: what the historic decoder made of a text. The tables were observed of that decoder, not derived.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateways.errors import ConfigurationError
from gateways.options import OptionReader, go_duration


def options(text: str) -> OptionReader:
    return OptionReader.from_text(text)


def failure(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        options(text).text("text")
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("12000", "12000"),
        ("1.5", "1.5"),
        ("1.50", "1.5"),
        ("1.0", "1"),
        ("0x1F", "31"),
        ("017", "15"),
        ("08", "8"),
        ("0o17", "0o17"),
        ("0b11", "3"),
        ("1_000", "1000"),
        ("+1", "1"),
        ("-0", "0"),
        ("1e3", "1e3"),
        ("1e+3", "1000"),
        ("1.", "1."),
        ("+.5", "0.5"),
        (".inf", "+Inf"),
        (".nan", "NaN"),
        ("12345678901234567890", "12345678901234567890"),
        ("18446744073709551616", "1.8446744e+19"),
        ("123456789.0", "1.2345679e+08"),
        ("0.00001", "1e-05"),
        ("2018-10-07", "2018-10-07"),
        ("12:30:45", "12:30:45"),
        ("!!str 12", "12"),
        ("!!binary aGVsbG8=", "hello"),
        ("!foo 017", "017"),
        ("'y'", "y"),
        ('"1"', "1"),
        ("|\n  12\n", "12\n"),
        ("tRUE", "tRUE"),
        ("<<", "<<"),
        ("10s", "10s"),
    ],
)
def test_a_scalar_becomes_the_text_that_the_historic_decoder_made_of_it(written: str, read: str) -> None:
    assert options(f"text: {written}").text("text") == read


@pytest.mark.parametrize("word", ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"])
def test_every_spelling_of_yes_becomes_true(word: str) -> None:
    assert options(f"text: {word}").text("text") == "true"
    assert options(f"text: {word}").flag("text") is True


@pytest.mark.parametrize("word", ["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"])
def test_every_spelling_of_no_becomes_false(word: str) -> None:
    assert options(f"text: {word}").text("text") == "false"
    assert options(f"text: {word}").flag("text", True) is False


@pytest.mark.parametrize("text", ["", "# only a comment\n", "null", "~", "---\n", "\n \n", "--- ~\n..."])
def test_a_text_without_content_is_refused_as_empty(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^configuration must be non empty$"):
        options(text)


@pytest.mark.parametrize("text", ["12000", "hello", "- a\n- b", "[a]", "true"])
def test_a_document_that_is_no_mapping_is_refused(text: str) -> None:
    assert failure(text).startswith("failed to parse configuration: line 1, column 1: must be a mapping")


def test_unknown_keys_are_passed_over() -> None:
    assert options("extra: [1]\ntext: a").text("text") == "a"


def test_a_key_matches_whatever_its_case_and_an_exact_one_wins() -> None:
    assert options("TEXT: a").text("text") == "a"
    assert options("clientid: a\nclientId: b\nCLIENTID: c").text("clientId") == "b"
    assert options("clientid: a\nCLIENTID: c").text("clientId") == "c"


def test_the_last_of_two_equal_keys_wins() -> None:
    assert options("text: a\ntext: b").text("text") == "b"


def test_a_boolean_key_is_its_word() -> None:
    assert options("map: {on: a, 1: b, 1.5: c}").text_map("map") == {"true": "a", "1": "b", "1.5": "c"}


def test_merge_keys_add_what_they_hold() -> None:
    read = options("base: &b {text: a, more: c}\n<<: *b\ntext: d")
    assert (read.text("text"), read.text("more")) == ("d", "c")


def test_only_the_first_document_is_read() -> None:
    assert options("text: a\n---\ntext: b").text("text") == "a"


def test_an_option_without_a_value_is_as_if_absent_and_an_empty_mapping_is_not() -> None:
    read = options("filter:\nother: {}\ntext: ~")
    assert (read.has("filter"), read.mapping("filter"), read.text("text", "default")) == (False, None, "default")
    assert read.has("other")
    assert read.mapping("other") is not None


def test_a_list_of_texts_is_coerced_entry_by_entry() -> None:
    assert options("list: [1, yes, ~, a]").texts("list") == ["1", "true", "", "a"]
    assert options("a: b").texts("list") == []


def test_a_nested_option_is_named_by_its_whole_path() -> None:
    inner = options("attributes:\n  subject: [a]").mapping("attributes")
    assert inner is not None
    with pytest.raises(ConfigurationError) as caught:
        inner.text("subject")
    assert str(caught.value) == (
        "failed to parse configuration: line 2, column 12: `attributes.subject` must be text, not a list"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text: [a]", "line 1, column 7: `text` must be text, not a list"),
        ("a: b\ntext:\n  c: d", "line 3, column 3: `text` must be text, not a mapping"),
        ("text: */1 * * * *", "line 1, column 7: a value that begins with `*`"),
        ("text: *undefined", "line 1, column 7: nothing is called `&undefined`"),
        ("url: x\n  subject: foo", "line 2, column 10: a `:` stands where no key can be"),
        ("a: &a [*a]", "line 1, column 8: `*a` stands inside `&a`"),
        ("text: 'open", "line 1, column 7: a quote is never closed"),
        ("a:\n\t- b", "line 2, column 1: a value cannot start with this character"),
        ("text: @x", "line 1, column 7: a value cannot start with this character"),
        ("{[a]: b}", "line 1, column 2: a key must be text"),
        ("text: !!int x", "line 1, column 7: this is no `!!int`"),
        ("text: \x01", "line 1, column 7: a control character"),
        ("text: \ud800", "line 1, column 7: half of a surrogate pair"),
    ],
)
def test_a_problem_names_its_place_and_what_would_be_right(text: str, expected: str) -> None:
    assert failure(text).startswith(f"failed to parse configuration: {expected}")


def test_a_broken_text_is_not_repeated_because_it_may_hold_a_secret() -> None:
    assert "hunter2" not in failure("password: *hunter2*")
    assert "hunter2" not in failure("password: @hunter2")


def test_an_integer_is_a_whole_number() -> None:
    assert options("limit: 10").integer("limit", 1) == 10
    assert options("limit: 3.0").integer("limit", 1) == 3
    assert options("other: 3").integer("limit", 1) == 1


@pytest.mark.parametrize("written", ["10s", "1.5", "true", "'10'", "[1]", "9223372036854775808", ".inf"])
def test_anything_else_is_no_integer(written: str) -> None:
    with pytest.raises(ConfigurationError, match="`limit` must be a whole number such as 10"):
        options(f"limit: {written}").integer("limit", 1)


@pytest.mark.parametrize("written", ["'true'", "1", "maybe", "[]"])
def test_only_a_boolean_is_a_flag(written: str) -> None:
    with pytest.raises(ConfigurationError, match="`tls` must be true or false"):
        options(f"tls: {written}").flag("tls")


@pytest.mark.parametrize("read", ["mapping", "text_map"])
def test_a_text_is_no_mapping_and_a_mapping_no_list(read: str) -> None:
    with pytest.raises(ConfigurationError, match="`a` must be a mapping, not text"):
        getattr(options("a: b"), read)("a")
    with pytest.raises(ConfigurationError, match="`a` must be a list of texts, not a mapping"):
        options("a: {}").texts("a")


def test_deep_nesting_and_alias_bombs_are_refused_at_once() -> None:
    assert "nested deeper than 100 levels" in failure("a: " + "[" * 5000)
    bomb = "a: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    assert "aliases add more than 100,000 values" in failure(bomb)


def read_everything(text: str) -> str:
    """
    The problem with *text*; empty where every option of it can be read.
    """
    try:
        read = options(text)
        read.text("text")
        read.texts("list")
        read.text_map("map")
        read.integer("int", 0)
    except ConfigurationError as error:
        return str(error)
    return ""


@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))))
@example("? : x")
@example("&a a: *a")
@example("!!binary '\xff': a")
@example("%YAML 9.9\n--- a")
@example('text: "\\ud800"')
def test_no_text_makes_the_reader_crash(text: str) -> None:
    problem = read_everything(text)
    assert not problem or problem.startswith(("failed to parse configuration: line ", "configuration must be"))


_WORDS = (
    "text|list: |map: |int: |: |\n|\n  |- |[|]|{|}|, |&a |*a|<<: |'|\"|#|!!int |---\n|\t|? |1.5|0x|1e+9|.inf|~|é|\\"
)


@given(st.lists(st.sampled_from(_WORDS.split("|")), max_size=12).map("".join))
def test_no_text_close_to_yaml_makes_the_reader_crash(text: str) -> None:
    problem = read_everything(text)
    assert not problem or problem.startswith(("failed to parse configuration: line ", "configuration must be"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("1m30s", 90),
        ("2h45m", 9900),
        ("-5s", -5),
        ("+5s", 5),
        ("1.5h", 5400),
        ("100ms", 0.1),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1μs", 1e-6),
        ("3ns", 3e-9),
        (".5s", 0.5),
        ("1.s", 1),
        ("1h1h", 7200),
        ("0", 0),
        ("-0", 0),
        ("2562047h47m16.854775807s", 9223372036.854776),
    ],
)
def test_a_go_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert go_duration(text) == pytest.approx(seconds, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10", "missing unit in duration `10`: write `10s`"),
        ("1h30", "missing unit in duration `1h30`: write `30s`"),
        ("1d", "unknown unit `d` in duration `1d`"),
        ("1e3s", "unknown unit `e` in duration"),
        ("1 s", "unknown unit ` s` in duration"),
        ("", "invalid duration ``"),
        ("-", "invalid duration `-`"),
        (".s", "invalid duration `.s`"),
        ("s", "invalid duration `s`"),
        ("--5s", "invalid duration `--5s`"),
        ("3000000h", "it is longer than 292 years"),
        ("9" * 5000 + "s", "it is longer than 292 years"),
    ],
)
def test_what_is_no_go_duration_says_why(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        go_duration(text)
    assert problem in str(caught.value)


@given(st.text(alphabet="0123456789.+-hmsuµn d", max_size=20))
def test_a_text_is_a_go_duration_or_says_why_not(text: str) -> None:
    try:
        problem, seconds = "", go_duration(text)
    except ConfigurationError as error:
        problem, seconds = str(error), 0.0
    assert abs(seconds) < 1e10
    assert not problem or "duration" in problem
