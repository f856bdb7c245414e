"""
Trial: whether a service that was found can be started here, shown by having its program tell its version.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from simulator.installing.binaries import Installed
from simulator.installing.java import ARCHIVE

_LIMIT_S = 20.0
"""Of real time, for what answers at once where it works."""
_ASKED: Mapping[str, tuple[str, ...]] = {
    "nats": ("nats-server", "--version"),
    "mosquitto": ("mosquitto", "-h"),
    "rabbitmq": ("erl", "-noshell", "-eval", 'io:format("OTP ~s~n",[erlang:system_info(otp_release)]),halt().'),
    "kafka": ("java", "-version"),
    "toxiproxy": ("toxiproxy-server", "-version"),
    "minio": ("minio", "--version"),
    "kubernetes": ("kube-apiserver", "--version"),
}
"""Program and arguments. RabbitMQ's own scripts take a second and more, and fail by Erlang if at all."""
_ITS_OWN = frozenset(_ASKED) - {"rabbitmq", "kafka"}
"""Those that tell their own version and not that of what runs them."""
_FINE = {"mosquitto": 3}
"""Codes other than 0 by which a program answers well."""
_VERSION = re.compile(r"\bv?(\d+\.\d+(?:\.\d+)*\S*)")


class Trial(NamedTuple):
    """
    What came of it.
    """

    version: str
    """Empty where it cannot be told."""
    problem: str = ""
    """Why the service cannot be started; empty where it can."""
    note: str = ""
    """What could be better; empty where nothing is known."""


def try_out(installed: Installed) -> Trial:
    """
    Run a program of the service for a moment.
    """
    name, *arguments = _ASKED[installed.service]
    program = installed.programs[name]
    try:
        done = subprocess.run(
            [str(program), *arguments],
            env={**os.environ, **installed.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Trial("", f"{program} cannot be run: {error}")
    if done.returncode not in (0, _FINE.get(installed.service, 0)):
        said = done.stdout.strip().splitlines()[-1:] or [f"code {done.returncode}"]
        return Trial("", f"{program} does not run: {said[0]}")
    match = _VERSION.search(done.stdout) if installed.service in _ITS_OWN else None
    version = installed.version or (match[1] if match is not None else "")
    return Trial(version, note=_note(installed))


def _note(installed: Installed) -> str:
    if installed.service == "kafka" and ARCHIVE not in installed.files:
        return "without a class-data archive for this Java, so it starts in twice the time: gatesim env install kafka"
    if installed.service == "kubernetes" and "kube-controller-manager" not in installed.programs:
        return "without kube-controller-manager: nothing is garbage-collected, and namespaces are never gone"
    return ""
