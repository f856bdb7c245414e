"""
SourceText: bytes that are a scenario's text, and those that are not, each with its place.
"""

import pytest

from simulator.errors import ScenarioError
from simulator.scenario_file.source_text import SIZE_MAX, decode, read_bytes


def refused(content: bytes):
    with pytest.raises(ScenarioError) as caught:
        decode("f.yaml", content)
    (problem,) = caught.value.problems
    return problem.line, problem.column, problem.problem


def test_lines_end_as_yaml_ends_them():
    assert decode("f", b"a\r\nb\rc\nd").lines == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: 1\nbc: \xff\n", (2, 5, "the file is not UTF-8: byte 0xff")),
        (b"\x80", (1, 1, "the file is not UTF-8: byte 0x80")),
        (b"a: \xc3", (1, 4, "the file is not UTF-8: byte 0xc3")),
        ("a: ä\nb: x\0".encode(), (2, 5, "a NUL byte stands here")),
        (b"\xef\xbb\xbfa: 1\n", (1, 1, "a byte-order mark stands here")),
        ("a: 1\n".encode("utf-16"), (1, 1, "the file is UTF-16")),
        (b"a: \x1b[31m", (1, 4, "the control character U+001B stands here")),
        ("a: \u2028".encode(), (1, 4, "the line separator U+2028 stands here")),
        ("a: \u0085".encode(), (1, 4, "the line separator U+0085 stands here")),
        (b"\x7fELF\x02\x01", (1, 1, "the control character U+007F stands here")),
        (b"\x89PNG\r\n\x1a\n", (1, 1, "the file is not UTF-8: byte 0x89")),
    ],
)
def test_what_is_no_text_is_refused_where_it_stands(content, problem):
    assert refused(content) == problem


def test_half_a_character_is_refused():
    from simulator.scenario_file.source_text import SourceText, readable

    with pytest.raises(ScenarioError, match="surrogates"):
        readable(SourceText("f", "a: \ud800"))


def test_a_file_of_ten_megabytes_is_refused_without_being_read_whole(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a: 1\n" * 2_000_000)
    content = read_bytes(path)
    assert len(content) == SIZE_MAX + 1
    assert refused(content) == (1, 1, "the file is larger than 4 MiB")


def test_a_file_of_just_the_limit_is_taken():
    assert len(decode("f", b"#" * SIZE_MAX).text) == SIZE_MAX


@pytest.mark.parametrize("name", ["missing.yaml", "", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(ScenarioError, match="the file cannot be read"):
        read_bytes(tmp_path / name if name else tmp_path)
