"""
`gatesim env up|down|status|reset`: servers that stay between runs, through the keeper that leases them to scenarios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simulator.errors import ServiceUnavailable, SimulatorError
from simulator.installing.binaries import WrongPlace, find
from simulator.keeping.kept_server import KINDS
from simulator.keeping.lease import ask_keeper, keeper_socket
from simulator.presence import PROGRAMS
from simulator.verdict import EXIT_ENVIRONMENT, EXIT_FAILED, EXIT_OK, EXIT_USAGE

Json = dict[str, Any]
NAMES = ("up", "down", "status", "reset")
_AT_ONCE = ("nats", "mosquitto")
"""Start with each scenario in a few milliseconds, and are not kept."""
_END_S = 20.0
"""Of real time, for all servers to end."""


def add_arguments(commands: Any) -> None:
    """
    Declare `up`, `down`, `status` and `reset` among *commands*.
    """
    text = "Start real servers and keep them until `gatesim env down`; runs find them warm."
    up = commands.add_parser("up", help="start real servers that stay", description=text)
    up.add_argument("services", nargs="*", metavar="SERVICE", help=f"{', '.join(KINDS)}; those that are here")
    text = "End every server that is kept, and remove its data."
    down = commands.add_parser("down", help="end them", description=text)
    down.add_argument("--force", action="store_true", help="even those that a run has")
    text = "Show the servers that are kept, and whether a run has them."
    status = commands.add_parser("status", help="show them", description=text)
    status.add_argument("--json", action="store_true", help="print it as JSON")
    text = "Forget the data of every server that no run has."
    commands.add_parser("reset", help="make them as new", description=text)


def main(arguments: argparse.Namespace) -> int:
    """
    Serve one of the four.

    Returns:
        The exit code: 10 where a server cannot be had, 1 where a run has one that is to go, 4 for a name that is none.
    """
    try:
        match arguments.env_command:
            case "up":
                return _up(arguments.services)
            case "down":
                return _down(force=arguments.force)
            case "reset":
                return asyncio.run(_reset())
            case _:
                return _status(as_json=arguments.json)
    except ServiceUnavailable as error:
        sys.stderr.write(f"gatesim env {arguments.env_command}: {error.reason}\n")
    except SimulatorError as error:
        sys.stderr.write(f"gatesim env {arguments.env_command}: {error}\n")
    return EXIT_ENVIRONMENT


def kept_kinds() -> list[str]:
    """
    Every kind that this version keeps.
    """
    return [kind for kind, place in KINDS.items() if find_spec(place.partition(":")[0]) is not None]


def _up(services: Sequence[str]) -> int:
    wanted = []
    for name in dict.fromkeys(PROGRAMS.get(name, name) for name in services):
        if name in _AT_ONCE:
            sys.stdout.write(f"{name}: starts with each scenario in a few milliseconds, and is not kept\n")
        elif name not in KINDS:
            close = get_close_matches(name, [*KINDS, *PROGRAMS], 1)
            hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(KINDS)}"
            sys.stderr.write(f"gatesim env up: there is no server `{name}`; {hint}\n")
            return EXIT_USAGE
        elif name not in kept_kinds():
            sys.stderr.write(f"gatesim env up: {name} is not supported yet by this version\n")
            return EXIT_ENVIRONMENT
        else:
            wanted.append(name)
    if not services:
        wanted = [kind for kind in kept_kinds() if _is_here(kind)]
        if not wanted:
            sys.stderr.write("gatesim env up: no server that is kept is here; see `gatesim env install`\n")
            return EXIT_ENVIRONMENT
    return asyncio.run(_start(wanted)) if wanted else EXIT_OK


def _is_here(kind: str) -> bool:
    try:
        return find(kind) is not None
    except WrongPlace:
        return True  # so that it is told when it is started


async def _start(kinds: Sequence[str]) -> int:
    """
    Start them side by side; one that cannot be had does not keep the others down.
    """
    started = await asyncio.gather(*(_start_one(kind) for kind in kinds))
    if not any(started) and not await _running():
        await ask_keeper("down")
    return EXIT_OK if all(started) else EXIT_ENVIRONMENT


async def _start_one(kind: str) -> bool:
    began = time.perf_counter()
    try:
        await ask_keeper("up", kinds=[kind])
    except ServiceUnavailable as error:
        sys.stdout.write(f"{kind}: {error.reason}{f'; {error.how}' if error.how else ''}\n")
        return False
    sys.stdout.write(f"{kind}: up in {time.perf_counter() - began:.1f} s\n")
    sys.stdout.flush()
    return True


async def _running() -> list[str]:
    return [each["kind"] for each in await ask_keeper("status", must_be_there=True) or () if each["running"]]


def _down(*, force: bool) -> int:
    found: list[Json] | None = asyncio.run(ask_keeper("status", must_be_there=True))
    if found is None:
        sys.stdout.write("nothing is up\n")
        return EXIT_OK
    leased = [each["kind"] for each in found if each["leased"]]
    if leased and not force:
        sys.stderr.write(f"gatesim env down: a run has {', '.join(leased)}; `--force` ends them all the same\n")
        return EXIT_FAILED
    keeper = _keeper_pid(keeper_socket())
    asyncio.run(ask_keeper("down", must_be_there=True))
    if keeper is not None and not _ended(keeper):
        sys.stderr.write(f"gatesim env down: process {keeper} still ends its servers\n")
        return EXIT_ENVIRONMENT
    running = [each["kind"] for each in found if each["running"]]
    sys.stdout.write(f"ended: {', '.join(running)}\n" if running else "ended; no server was running\n")
    return EXIT_OK


def _keeper_pid(path: Path) -> int | None:
    """
    The keeper's process; None where the system does not tell.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked, suppress(OSError):
        asked.connect(str(path))
        pid: int = struct.unpack("3i", asked.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))[0]
        return pid
    return None


def _ended(pid: int) -> bool:
    """
    Wait until a process is over.
    """
    try:
        watched = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return True  # it is over, or cannot be watched on this system
    try:
        return bool(select.select([watched], [], [], _END_S)[0])
    finally:
        os.close(watched)


async def _reset() -> int:
    before: list[Json] | None = await ask_keeper("status", must_be_there=True)
    if before is None:
        sys.stdout.write("nothing is up\n")
        return EXIT_OK
    await ask_keeper("reset", must_be_there=True)
    free = [each for each in before if not each["leased"]]
    kinds = [each["kind"] for each in free if each["running"] and not each["options"] and each["kind"] in KINDS]
    await asyncio.gather(*(ask_keeper("up", kinds=[kind]) for kind in kinds))
    sys.stdout.write(f"as new: {', '.join(map(_name, free)) or 'nothing'}\n")
    leased = [_name(each) for each in before if each["leased"]]
    if leased:
        sys.stdout.write(f"left alone, as a run has it: {', '.join(leased)}\n")
    return EXIT_OK


def _status(*, as_json: bool) -> int:
    found: list[Json] | None = asyncio.run(ask_keeper("status", must_be_there=True))
    if as_json:
        whole = {"up": found is not None, "servers": found or [], "folder": str(keeper_socket().parent)}
        sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    elif found is None:
        sys.stdout.write("nothing is up\n")
    else:
        sys.stdout.write(as_table(found))
    return EXIT_OK


def as_table(servers: Sequence[Json]) -> str:
    """
    *servers* as the keeper tells them, in lines of 80 characters.
    """
    lines = [f"{'server':<12}{'state':<10}where"]
    for each in servers:
        state = "stopped" if not each["running"] else "in use" if each["leased"] else "free"
        where = ", ".join(f"{key} {_short(value)}" for key, value in each["access"].items())
        options = json.dumps(each["options"], separators=(",", ":")) if each["options"] else ""
        lines.append(_cut(f"{each['kind']:<12}{state:<10}{where}"))
        if options:
            lines.append(_cut(f"{'':<12}{'':<10}with {options}"))
    return "\n".join([*lines, *(() if servers else ("none yet; a run starts what it needs",))]) + "\n"


def _name(server: Json) -> str:
    options = f" {json.dumps(server['options'], separators=(',', ':'))}" if server["options"] else ""
    return f"{server['kind']}{options}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return " ".join(text.split())


def _cut(line: str) -> str:
    return line if len(line) <= 80 else f"{line[:77]}..."
