"""
The options of the pytest plugin: flag before environment before ini file before the project's own `gatesim.toml`.

They are read and checked as those of `gatesim run`; what means nothing is a usage error.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from simulator.commands.cli import declared_ids
from simulator.commands.options import Config, OptionError, Options, find_config
from simulator.errors import ScenarioError
from simulator.providers import Providers

if TYPE_CHECKING:
    from simulator.environment import PlayOptions
    from simulator.suite.player import PlayerOptions

NAMES = (
    "seed",
    "timeout-scale",
    "real-limit",
    "retries",
    "provider",
    "target",
    "requirement-file",
    "fail-on-skip",
)
"""Those of the command's options that pytest takes as well: flags `--gatesim-NAME`, ini options `gatesim_name`."""

_SEPARATED = ("provider", "requirement-file")
"""Those that may be several, after commas."""


@dataclass(frozen=True, slots=True)
class PytestOptions:
    """
    What a pytest run says of its scenarios.
    """

    seed: int | None
    """None: each scenario has a stable one of its own."""
    timeout_scale: float
    real_limit_s: float
    retries: int
    providers: Providers
    declared: tuple[str, ...]
    """Ids of the requirements that the project declares."""
    fail_on_skip: bool

    @property
    def player_options(self) -> PlayerOptions:
        """
        How scenario files are played.
        """
        from simulator.suite.player import PlayerOptions  # noqa: PLC0415 - collection plays nothing

        return PlayerOptions(self.seed, self.timeout_scale, self.real_limit_s, self.retries, self.providers.told)

    @property
    def play_options(self) -> PlayOptions:
        """
        How hand-written tests drive their environments.
        """
        from simulator.environment import PlayOptions  # noqa: PLC0415 - as above

        return PlayOptions(
            seed=self.seed or 0,
            timeout_scale=self.timeout_scale,
            real_limit_s=self.real_limit_s,
            providers=self.providers,
        )


_KEY = pytest.StashKey[PytestOptions]()


def options_of(config: pytest.Config) -> PytestOptions:
    """
    The options of this run.

    Raises:
        pytest.UsageError: One means nothing, or a file that is named cannot be read; the message says what would be
            right.
    """
    if _KEY not in config.stash:
        try:
            config.stash[_KEY] = _read(config)
        except OptionError as error:
            said = str(error)
            raise pytest.UsageError(f"--gatesim-{said[2:]}" if said.startswith("--") else said) from None
        except ScenarioError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_KEY]


def _read(config: pytest.Config) -> PytestOptions:
    given = Options(_flags(config), os.environ, Config("ini file", _ini(config)))
    project = Options(argparse.Namespace(), {}, find_config(config.rootpath))

    def get(name: str, default: Any = None) -> Any:
        found = given.get(name)
        return found if found is not None else project.get(name, default)

    get("target")
    return PytestOptions(
        seed=get("seed"),
        timeout_scale=get("timeout-scale", 1.0),
        real_limit_s=get("real-limit", 60.0),
        retries=get("retries", 0),
        providers=Providers(tuple(get("provider", ()))),
        declared=declared_ids(given) or declared_ids(project),
        fail_on_skip=get("fail-on-skip", False),
    )


def _flags(config: pytest.Config) -> argparse.Namespace:
    return argparse.Namespace(**{_key(name): _texts(name, config.getoption(_dest(name))) for name in NAMES})


def _ini(config: pytest.Config) -> dict[str, Any]:
    found = {name: _texts(name, config.getini(_dest(name))) for name in NAMES}
    return {name: value for name, value in found.items() if value is not None}


def _key(name: str) -> str:
    return name.replace("-", "_")


def _dest(name: str) -> str:
    return f"gatesim_{_key(name)}"


def _texts(name: str, value: Any) -> Any:
    """
    *value*, None for nothing, a list for what may be several.
    """
    if value in (None, "", False):
        return None
    return [each.strip() for each in value.split(",")] if name in _SEPARATED else value
