"""
`gatesim parity`: plays every scenario on several providers and tells where they do not show the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from simulator.commands.cli import add_selection, choose, complain, declared_ids, options_of, paths_of, print_problems
from simulator.commands.options import OptionError, Options
from simulator.errors import SimulatorError
from simulator.parity import NO_SERVICE, Declared, Parity, Played, compare, differences_of, played
from simulator.parity_declared import declared_files, declared_in
from simulator.parity_page import as_json, as_markdown, as_text
from simulator.presence import is_present
from simulator.providers import EMBEDDED, PROVIDERS
from simulator.reports.report import ScenarioReport
from simulator.scenario_file.scenario import Scenario
from simulator.services.registry import BUILT_IN
from simulator.suite.discovery import lacks
from simulator.suite.identity import node_id
from simulator.suite.player import PlayerOptions
from simulator.suite.run_record import RunRecord
from simulator.suite.suite import Observer, Play, Suite, SuiteOptions
from simulator.verdict import EXIT_ENVIRONMENT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_NOTHING, EXIT_OK, EXIT_USAGE

_DEFAULT = f"{EMBEDDED},local"
_RETRIES = 2
"""Of what fails: a machine under load is no difference between providers."""
_AGAIN = 3
"""Plays on each of two providers that tell chance from a difference between them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's arguments.
    """
    add_selection(parser)
    group = parser.add_argument_group("how they are compared")
    group.add_argument(
        "--providers", metavar="P,P", default=_DEFAULT, help=f"the reference, then those beside it; {_DEFAULT}"
    )
    group.add_argument(
        "--declared", metavar="FILE", help="known divergences; the nearest parity.yaml above the scenarios"
    )
    group.add_argument("-n", "--workers", metavar="N|auto", help="so many scenarios side by side; default 1")
    group.add_argument("--seed", metavar="N", help="of ids and jitter; default: each scenario's own")
    group.add_argument("--timeout-scale", metavar="X", help="multiply limits that are in real time by X; default 1")
    group.add_argument("--real-limit", metavar="D", help="skip a scenario whose `advance` takes longer; default 60s")
    group.add_argument("--retries", metavar="N", help=f"play what fails up to N times more; default {_RETRIES}")
    group.add_argument("--json", metavar="FILE", help="write all of it as JSON; `-` is standard output")
    group.add_argument("--markdown", metavar="FILE", help="write all of it as a page; `-` is standard output")
    parser.epilog = (
        "Exit codes: 0 all agree or are declared, 1 an undeclared divergence or a declared one that is not true, "
        "2 interrupted, 4 a file or an option is wrong, 5 no scenario, 10 no provider but the reference is here."
    )


def main(arguments: argparse.Namespace) -> int:
    """
    Compare what the arguments choose.

    Returns:
        The exit code.
    """
    try:
        options = options_of(arguments)
        providers = _providers(arguments.providers)
        chosen = choose(options, declared_ids(options), RunRecord.read(), providers=frozenset(providers))
        if chosen.problems:
            print_problems(chosen.problems)
            return EXIT_USAGE
        found = chosen.scenarios
        declared = _declared(arguments.declared, found, options)
        for target in (arguments.json, arguments.markdown):
            _can_write(target)
        settings = _settings(options)
    except SimulatorError as error:
        complain("parity", error)
        return EXIT_USAGE
    if not found:
        sys.stderr.write("gatesim parity: no scenario was found\n")
        return EXIT_NOTHING
    absent = {provider: _why_absent(provider) for provider in providers[1:] if not is_present(provider)}
    plays = _play_on([provider for provider in providers if provider not in absent], found, settings)
    if plays is None:
        return EXIT_INTERRUPTED
    varying = _varying(found, plays, settings)
    if varying is None:
        return EXIT_INTERRUPTED
    parity = compare(found, plays, declared, absent, varying)
    _write(parity, arguments)
    if not parity.holds:
        return EXIT_FAILED
    return EXIT_ENVIRONMENT if len(parity.providers) == 1 else EXIT_OK


def _providers(text: str) -> tuple[str, ...]:
    providers = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for provider in providers:
        if provider not in PROVIDERS:
            raise OptionError(f"--providers: `{provider}` is no provider; there are {', '.join(PROVIDERS)}")
        if provider not in BUILT_IN:
            raise OptionError(f"--providers: `{provider}` is not supported yet; there are {', '.join(BUILT_IN)}")
    if len(providers) < 2:
        raise OptionError(f"--providers: `{text}` names nothing to compare; write two, such as {_DEFAULT}")
    return providers


def _why_absent(provider: str) -> str:
    return (
        "nothing of it is here; `gatesim env install` puts it here" if provider == "local" else "nothing of it is here"
    )


def _declared(given: str | None, scenarios: Sequence[Scenario], options: Options) -> list[Declared]:
    files = [Path(given)] if given is not None else declared_files(paths_of(options))
    ids = [node_id(scenario) for scenario in scenarios]
    known_files = frozenset() if _is_narrowed(options) else frozenset(id.partition("::")[0] for id in ids)
    return [each for file in files for each in declared_in(file, ids, known_files)]


def _is_narrowed(options: Options) -> bool:
    """
    Whether some scenarios of a file may have been left out, so that an unknown name in it may be right.
    """
    narrowed = any(options.get(name) for name in ("keywords", "tags", "shard", "last-failed"))
    return narrowed or any("::" in path or not Path(path).exists() for path in paths_of(options))


def _settings(options: Options) -> SuiteOptions:
    player = PlayerOptions(
        seed=options.get("seed"),
        timeout_scale=options.get("timeout-scale", 1.0),
        real_limit_s=options.get("real-limit", 60.0),
        retries=options.get("retries", _RETRIES),
    )
    return SuiteOptions(player=player, workers=options.get("workers", 1), declared=declared_ids(options))


class _Keeping(Observer):
    """
    Keeps of each play what is compared.
    """

    def __init__(self, provider: str, many: int) -> None:
        self.plays: dict[str, Played] = {}
        self._provider = provider
        self._many = many
        self._live = sys.stderr.isatty()
        self._done = 0

    def finished(self, play: Play, report: ScenarioReport) -> None:
        """See Observer."""
        self.plays[play.id] = played(report)
        self._done += 1
        if self._live:
            end = "\n" if self._done == self._many else ""
            sys.stderr.write(f"\r{self._provider}: {self._done} of {self._many}{end}")
            sys.stderr.flush()


def _play_on(
    providers: Sequence[str], scenarios: Sequence[Scenario], settings: SuiteOptions
) -> dict[str, Mapping[str, Played | str]] | None:
    """
    Play everything on each of *providers*; what needs no service on the first alone.

    Returns:
        By provider and scenario id; None where it was interrupted.
    """
    plays: dict[str, Mapping[str, Played | str]] = {}
    for provider in providers:
        reference = next(iter(plays.values()), None)
        left_out = {node_id(each): _left_out(each, provider, reference) for each in scenarios}
        shown = _played(provider, [each for each in scenarios if not left_out[node_id(each)]], settings)
        if shown is None:
            return None
        plays[provider] = {**left_out, **shown}
    return plays


def _played(provider: str, scenarios: Sequence[Scenario], settings: SuiteOptions) -> dict[str, Played] | None:
    """
    What *scenarios* show on *provider*; None where it was interrupted.
    """
    keeping = _Keeping(provider, len(scenarios))
    player = replace(settings.player, providers=(provider,))
    suite = Suite(scenarios, replace(settings, player=player, provider=provider), [keeping])
    suite.run()
    return None if suite.was_interrupted else keeping.plays


def _varying(
    scenarios: Sequence[Scenario], plays: Mapping[str, Mapping[str, Played | str]], settings: SuiteOptions
) -> set[str] | None:
    """
    Which of the scenarios whose events differ between providers show other events with each play on the same one, so
    that it is chance: those are played again on both. None where it was interrupted.
    """
    reference, *others = plays
    varying: set[str] = set()
    for provider in others:
        differing = [each for each in scenarios if _differ(each, plays[reference], plays[provider])]
        for again_on in (reference, provider) * _AGAIN:
            differing = [each for each in differing if node_id(each) not in varying]
            again = _played(again_on, differing, settings) if differing else {}
            if again is None:
                return None
            varying |= {node_id(each) for each in differing if _differ(each, plays[again_on], again)}
    return varying


def _differ(scenario: Scenario, first: Mapping[str, Played | str], second: Mapping[str, Played | str]) -> bool:
    """
    Whether *scenario* passed in both, with other events.
    """
    one, other = first[node_id(scenario)], second[node_id(scenario)]
    if isinstance(one, str) or isinstance(other, str) or one.verdict is not other.verdict:
        return False
    return bool(differences_of(scenario, one, other, ""))


def _left_out(scenario: Scenario, provider: str, reference: Mapping[str, Played | str] | None) -> str:
    """
    Why *scenario* is not played on *provider*; empty where it is.
    """
    first = reference[node_id(scenario)] if reference is not None else None
    if isinstance(first, Played) and not first.services:
        return NO_SERVICE
    return lacks(scenario, (provider,))


def _can_write(target: str | None) -> None:
    if target in (None, "-"):
        return
    folder = Path(str(target)).parent
    if Path(str(target)).is_dir() or not folder.is_dir():
        raise OptionError(f"{target} cannot be written: {'it is a folder' if folder.is_dir() else 'no such folder'}")


def _write(parity: Parity, arguments: argparse.Namespace) -> None:
    taken = "-" in (arguments.json, arguments.markdown)
    (sys.stderr if taken else sys.stdout).write(as_text(parity))
    for target, text_of in ((arguments.json, as_json), (arguments.markdown, as_markdown)):
        if target == "-":
            sys.stdout.write(text_of(parity))
        elif target is not None:
            Path(target).write_text(text_of(parity), encoding="utf-8")
