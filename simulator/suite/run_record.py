"""
Run record: what earlier runs of a project showed: each scenario's last verdict and duration. Without one, all works.

It lies in `.gatesim/` beside where the command runs, or in the folder that GATESIM_CACHE names.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from simulator.verdict import Verdict

_FILE = "runs.json"
_GOOD = frozenset({Verdict.PASSED.value, Verdict.SKIPPED.value})


class Last(NamedTuple):
    """
    What a scenario showed when it was last played.
    """

    verdict: str
    duration_s: float
    """0 where it was only ever played as part of a shard."""


def cache_folder() -> Path:
    """
    Where the record lies; the folder may not exist.
    """
    named = os.environ.get("GATESIM_CACHE", "")
    return Path(named) if named else Path(".gatesim")


class RunRecord:
    """
    The record of one project, by node id.
    """

    def __init__(self, last: Mapping[str, Last] | None = None) -> None:
        self.last: dict[str, Last] = dict(last or {})

    @classmethod
    def read(cls, folder: Path | None = None) -> RunRecord:
        """
        The record in *folder*; an empty one where there is none, or none that can be read.
        """
        try:
            entries = json.loads(((folder or cache_folder()) / _FILE).read_bytes())["scenarios"]
            return cls({str(id): Last(str(v["verdict"]), float(v["duration_s"])) for id, v in entries.items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def durations(self) -> dict[str, float]:
        """
        Seconds that each scenario took, where it is known.
        """
        return {id: last.duration_s for id, last in self.last.items() if last.duration_s}

    def news_of_shard(self, news: Mapping[str, Last]) -> dict[str, Last]:
        """
        *news* with the durations that are on record, since the other shards of the same run share the work by them.
        """
        unknown = Last("", 0.0)
        return {id: Last(last.verdict, self.last.get(id, unknown).duration_s) for id, last in news.items()}

    def failed(self) -> frozenset[str]:
        """
        Ids of scenarios that neither passed nor were skipped.
        """
        return frozenset(id for id, last in self.last.items() if last.verdict not in _GOOD)

    def write(self, news: Mapping[str, Last], folder: Path | None = None) -> None:
        """
        Add *news* to what is recorded. A folder that cannot be written to is no problem: then nothing is recorded.

        What other runs recorded meanwhile is kept; entries of files that are gone are dropped.
        """
        folder = folder or cache_folder()
        with suppress(OSError):
            _prepare(folder)
            merged = {**RunRecord.read(folder).last, **news}
            kept = {id: last for id, last in merged.items() if id in news or Path(id.partition("::")[0]).exists()}
            entries = {id: last._asdict() for id, last in sorted(kept.items())}
            _replace(folder / _FILE, json.dumps({"record": 1, "scenarios": entries}, ensure_ascii=False, indent=1))


def _prepare(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")


def _replace(path: Path, text: str) -> None:
    """
    Write *text* so that a reader sees the old file or the new one, never a part.
    """
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=path.name, suffix=".new", encoding="utf-8", delete=False
    ) as file:
        file.write(text)
    try:
        os.replace(file.name, path)
    except OSError:
        os.unlink(file.name)
        raise
