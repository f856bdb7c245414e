"""
YAML with places. What a scalar means is tested in test_options.py, by what an option becomes.
"""

from __future__ import annotations

import pytest

from gateways.yaml_nodes import Place, YamlProblem, documents, kind_of, plain


def test_every_key_and_value_has_its_place() -> None:
    (document,) = documents("a: 1\nb:\n  - x\n  - {c: yes}\n")
    assert document.keys == {"a": Place(1, 1), "b": Place(2, 1)}
    inner = document.value["b"].value[1]
    assert (inner.place, inner.keys) == (Place(4, 5), {"c": Place(4, 6)})
    assert (str(inner.value["c"].place), inner.value["c"].place.in_file) == ("line 4, column 9", "4:9")


def test_documents_before_a_broken_one_are_given_out() -> None:
    found = documents("a: 1\n---\n- b\n---\nc: [\n")
    assert [plain(next(found)), plain(next(found))] == [{"a": 1}, ["b"]]
    with pytest.raises(YamlProblem, match="line 5, column 5: a value is missing"):
        next(found)


def test_an_anchor_ends_with_its_document() -> None:
    with pytest.raises(YamlProblem, match="nothing is called `&a`"):
        list(documents("&a b\n---\n*a\n"))


def test_an_alias_stands_where_it_is_written() -> None:
    (document,) = documents("a: &x {b: c}\nd: *x\n")
    assert document.value["d"].place == Place(2, 4)
    assert plain(document) == {"a": {"b": "c"}, "d": {"b": "c"}}


def test_of_a_list_of_merged_mappings_the_first_counts_most() -> None:
    (document,) = documents("- &a {p: 1, q: 1}\n- &b {p: 2, r: 2}\n- {<<: [*a, *b]}\n")
    assert plain(document)[2] == {"p": 1, "q": 1, "r": 2}
    with pytest.raises(YamlProblem, match="`<<` takes a mapping or a list of mappings, not text"):
        list(documents("<<: a"))


def test_merging_cannot_blow_a_text_up() -> None:
    wide = ", ".join(f"k{number}: 1" for number in range(1000))
    with pytest.raises(YamlProblem, match="aliases add more than 100,000 values"):
        list(documents(f"- &a {{{wide}}}\n" + "- {<<: *a}\n" * 200))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("~", "nothing"),
        ("yes", "the boolean `yes`"),
        ("1", "a number"),
        ("a", "text"),
        ("[]", "a list"),
        ("{}", "a mapping"),
    ],
)
def test_what_a_value_is_can_be_said(text: str, kind: str) -> None:
    (document,) = documents(text)
    assert kind_of(document) == kind


def test_a_problem_beyond_the_end_is_placed_at_the_end() -> None:
    with pytest.raises(YamlProblem) as caught:
        list(documents("a: [b\n\n\n"))
    assert caught.value.place.line <= 3
    assert caught.value.advice == f"{caught.value.problem}; {caught.value.hint}"
