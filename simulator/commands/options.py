"""
Options: what the command was told: flag before `GATESIM_*` before `gatesim.toml` or `[tool.gatesim]` before default.

Every option can be written in each of these places, under one name, and is read and checked in one way.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from simulator.errors import SimulatorError
from simulator.providers import PROVIDERS
from simulator.scenario_file.durations import DurationError, parse_duration
from simulator.suite.discovery import Shard

CONFIG_FILES = ("gatesim.toml", "pyproject.toml")
_LATER_PROVIDERS = ("container", "external")
TARGETS_LATER = ("python", "grpc", "grpc+command", "http", "http+command", "command", "container", "remote", "cluster")
KEEP_ENV = ("on-failure", "always", "never")


class OptionError(SimulatorError):
    """
    An option says something that cannot be.
    """


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"`{text}` is no whole number")
    return int(text)


def _positive(text: str) -> int:
    number = _whole(text)
    if number < 1:
        raise ValueError("must be at least 1")
    return number


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale < 1e6:
        raise ValueError(f"`{text}` is no number above 0")
    return scale


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except DurationError as error:
        raise ValueError(str(error)) from None


def _workers(text: str) -> int:
    if text == "auto":
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    try:
        return _positive(text)
    except ValueError:
        raise ValueError(f"`{text}` is no number of workers; write a whole number from 1, or `auto`") from None


def _shard(text: str) -> Shard:
    number, slash, total = text.partition("/")
    if not (slash and number.isdigit() and total.isdigit() and 1 <= int(number) <= int(total)):
        raise ValueError(f"`{text}` is no shard; write `1/3`, `2/3` or `3/3` for one of three")
    return Shard(int(number), int(total))


def _provider(text: str) -> str:
    provider = text.rpartition("=")[2]
    if provider not in PROVIDERS:
        raise ValueError(f"`{provider}` is no provider; there are {', '.join(PROVIDERS)}")
    if provider in _LATER_PROVIDERS:
        raise ValueError(f"provider `{provider}` is not supported yet; there are embedded and local")
    return text


def _target(text: str) -> str:
    if text.partition(":")[0] in TARGETS_LATER or text.endswith(".target.yaml"):
        raise ValueError(f"target `{text}` is not supported yet; there is reference")
    if text != "reference":
        raise ValueError(f"`{text}` is no target; there is reference")
    return text


def _keep_env(text: str) -> str:
    if text not in KEEP_ENV:
        raise ValueError(f"must be {', '.join(KEEP_ENV[:-1])} or {KEEP_ENV[-1]}, not `{text}`")
    return text


def _later(text: str) -> str:
    raise ValueError("external services are not supported yet")


def _switch(text: str) -> bool:
    lower = text.lower()
    if lower in ("1", "true", "yes", "on"):
        return True
    if lower in ("0", "false", "no", "off"):
        return False
    raise ValueError(f"`{text}` is neither true nor false")


class Option(NamedTuple):
    """
    One option: how its text is read, and whether it may be given several times.
    """

    read: Callable[[str], Any]
    repeatable: bool = False


OPTIONS: Mapping[str, Option] = {
    "paths": Option(str, repeatable=True),
    "keywords": Option(str),
    "tags": Option(str),
    "requirement-file": Option(str, repeatable=True),
    "workers": Option(_workers),
    "shard": Option(_shard),
    "seed": Option(_whole),
    "provider": Option(_provider, repeatable=True),
    "service": Option(_later, repeatable=True),
    "allow-writes": Option(lambda text: _switch(text) and _later(text)),
    "target": Option(_target),
    "timeout-scale": Option(_scale),
    "real-limit": Option(_duration),
    "exit-first": Option(_switch),
    "max-failures": Option(_positive),
    "last-failed": Option(_switch),
    "repeat": Option(_positive),
    "until-fail": Option(_switch),
    "retries": Option(_whole),
    "fail-on-skip": Option(_switch),
    "report": Option(str, repeatable=True),
    "keep-env": Option(_keep_env),
    "verbose": Option(_switch),
    "quiet": Option(_switch),
    "no-color": Option(_switch),
}
"""By name, as `gatesim.toml` spells it; a flag is `--NAME`, a variable GATESIM_NAME."""


@dataclass(frozen=True, slots=True)
class Config:
    """
    The project's own options, and where they stand.
    """

    file: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def find_config(folder: Path | None = None) -> Config:
    """
    The options of the nearest `gatesim.toml`, or `[tool.gatesim]` of the nearest `pyproject.toml`, from *folder*
    upwards to the root of its repository.

    Raises:
        OptionError: The file is no TOML, or holds an option that there is not.
    """
    here = (folder or Path.cwd()).absolute()
    for place in (here, *here.parents):
        for name in CONFIG_FILES:
            config = _read_config(place / name)
            if config is not None:
                return config
        if (place / ".git").exists():
            break
    return Config()


def _read_config(path: Path) -> Config | None:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    own = path.name == CONFIG_FILES[0]
    if not own and "tool.gatesim" not in text:
        return None
    import tomllib  # noqa: PLC0415 - few projects have such a file

    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"{path}: {error}") from None
    values = found if own else found.get("tool", {}).get("gatesim")
    if values is None:
        return None
    for name in values:
        if name not in OPTIONS:
            raise OptionError(f"{path}: unknown option `{name}`{_meant(name)}")
    return Config(str(path), values)


def _meant(name: str) -> str:
    close = get_close_matches(name.replace("_", "-"), OPTIONS, 1)
    return f"; did you mean `{close[0]}`?" if close else f"; there are {', '.join(OPTIONS)}"


class Options:
    """
    Every option that any place gives.

    Args:
        arguments: What the command line gave, by name with `_` for `-`; None where it gave nothing.
        environment: For `GATESIM_*`.
        config: Of the project.
    """

    def __init__(self, arguments: argparse.Namespace, environment: Mapping[str, str], config: Config) -> None:
        self._arguments = arguments
        self._environment = environment
        self._config = config

    def get(self, name: str, default: Any = None) -> Any:
        """
        The option called *name*, read and checked; *default* where no place gives it.

        Raises:
            OptionError: What it says cannot be; the message names the place.
        """
        option = OPTIONS[name]
        for place, given in self._given(name, option):
            texts = [text for each in given for text in self._texts(each, place, option)]
            values = [self._read(text, place, option) for text in texts]
            return tuple(values) if option.repeatable else values[-1]
        return default

    def _given(self, name: str, option: Option) -> list[tuple[str, list[Any]]]:
        """
        The places that give *name*, the one that counts first.
        """
        found: list[tuple[str, list[Any]]] = []
        key = name.replace("-", "_")
        argument = getattr(self._arguments, key, None)
        if argument is not None and argument != []:
            found.append((f"--{name}", argument if isinstance(argument, list) else [argument]))
        variable = f"GATESIM_{key.upper()}"
        if self._environment.get(variable):
            text = self._environment[variable]
            found.append((variable, [each for each in text.split(",") if each] if option.repeatable else [text]))
        if name in self._config.values:
            value = self._config.values[name]
            found.append((f"{self._config.file}: `{name}`", value if isinstance(value, list) else [value]))
        return found

    def _texts(self, value: Any, place: str, option: Option) -> list[str]:
        if isinstance(value, bool):
            return ["true" if value else "false"]
        if isinstance(value, str | int | float):
            return [str(value)]
        raise OptionError(f"{place}: must be text{' or a list of texts' if option.repeatable else ''}")

    def _read(self, text: str, place: str, option: Option) -> Any:
        try:
            return option.read(text)
        except ValueError as error:
            raise OptionError(f"{place}: {error}") from None
