"""
The terminal: when there are colours, and a last line that never stays behind.
"""

from __future__ import annotations

import io

import pytest

from simulator.reports.terminal import Terminal, wants_colour


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "no_color", "coloured"),
    [
        (Tty(), {}, False, True),
        (Tty(), {}, True, False),
        (Tty(), {"NO_COLOR": "1"}, False, False),
        (Tty(), {"NO_COLOR": ""}, False, True),
        (Tty(), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        (Tty(), {"TERM": "dumb"}, False, False),
        (io.StringIO(), {}, False, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, False, True),
        (io.StringIO(), {"FORCE_COLOR": "0"}, False, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colours_follow_flag_then_variables_then_the_stream(
    stream: io.StringIO, environment: dict[str, str], no_color: bool, coloured: bool
) -> None:
    assert wants_colour(stream, environment, no_color=no_color) is coloured


@pytest.fixture
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")


@pytest.mark.usefixtures("_terminal")
def test_the_last_line_is_drawn_and_erased_before_others() -> None:
    stream = Tty()
    terminal = Terminal(stream, colour=False, status=lambda: "x" * 100)
    terminal._draw()
    terminal.line("a line")
    assert stream.getvalue() == f"\r\x1b[K{'x' * 59}\r\x1b[Ka line\n"


@pytest.mark.usefixtures("_terminal")
def test_it_is_gone_at_the_end() -> None:
    stream = Tty()
    terminal = Terminal(stream, colour=False, status=lambda: "busy")
    terminal.start()
    terminal._draw()
    terminal.stop()
    assert stream.getvalue().endswith("busy\r\x1b[K")


def test_a_log_has_no_such_line_and_a_width_that_never_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    terminal = Terminal(io.StringIO(), colour=False, status=lambda: "busy")
    assert (terminal.is_live, terminal.width) == (False, 80)


def test_what_the_stream_cannot_encode_is_escaped() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Terminal(stream, colour=False).line("ö ✓")
    stream.flush()
    assert raw.getvalue() == b"\\xf6 \\u2713\n"
