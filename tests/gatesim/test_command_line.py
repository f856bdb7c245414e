"""
Arguments: read strictly, in any order, and a slip of the hand is answered with what was meant.
"""

from __future__ import annotations

import pytest

from gatesim.command_line import Parser, did_you_mean


def parser() -> Parser:
    made = Parser(prog="gatesim run")
    made.add_argument("paths", nargs="*")
    made.add_argument("--retries")
    made.add_argument("-q", "--quiet", action="store_true")
    made.add_argument("--kind", choices=("scenario", "report"))
    return made


def with_commands() -> Parser:
    made = Parser(prog="gatesim gateway")
    made.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser("run").add_argument("--file")
    return made


def test_options_and_operands_stand_in_any_order() -> None:
    found = parser().parse(["one", "--retries", "2", "two", "-q", "three"])
    assert (found.paths, found.retries, found.quiet) == (["one", "two", "three"], "2", True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--retrys", "1"], "gatesim run: there is no option `--retrys`; did you mean `--retries`?"),
        (["--retrys=1"], "gatesim run: there is no option `--retrys`; did you mean `--retries`?"),
        (["--retr", "1"], "gatesim run: there is no option `--retr`; did you mean `--retries`?"),
        (["--zzz"], "gatesim run: there is no option `--zzz`; --help shows what there is"),
        (["--retries"], "gatesim run: argument --retries: expected one argument"),
        (["--kind", "reprot"], "gatesim run: there is no --kind `reprot`; did you mean `report`?"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        parser().parse(arguments)
    assert (exit.value.code, capsys.readouterr().err) == (4, f"{message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "gatesim gateway: there is no COMMAND `rnu`; did you mean `run`?"),
        (["run", "--flie", "x"], "gatesim gateway: there is no option `--flie`; did you mean `--file`?"),
        ([], "gatesim gateway: the following arguments are required: COMMAND"),
    ],
)
def test_commands_of_a_command_are_read_as_strictly(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        with_commands().parse(arguments)
    assert (exit.value.code, capsys.readouterr().err) == (4, f"{message}\n")


def test_nothing_close_points_to_the_help() -> None:
    assert did_you_mean("zzz", ["run"]) == "; --help shows what there is"
