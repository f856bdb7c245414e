"""
A kept server that is a small child process, for the keeper's tests.
"""

from __future__ import annotations

import json
import sys
from typing import Any, ClassVar

from simulator.keeping.keeper import Keeper, keep
from simulator.keeping.kept_server import KeptProcess, Unstartable
from simulator.services.process import LocalProcess, StartFailed

PROGRAM = "import sys, time; print('up', flush=True); time.sleep(600)"


class FakeServer(KeptProcess):
    """
    Sleeps. Its data is one file, which a command writes.
    """

    kind: ClassVar[str] = "fake"

    def __init__(self, options: Any, died: Any) -> None:
        super().__init__(options, died, LocalProcess("fake", died=lambda end: died(str(end))), stop_limit_s=5)

    @property
    def access(self) -> dict[str, Any]:
        return {"pid": self._process.pid, "folder": str(self._process.folder)}

    async def start(self) -> None:
        if self.options.get("broken"):
            raise Unstartable("it is broken", "mend it")
        try:
            await self._process.start([sys.executable, "-c", PROGRAM], {}, 10)
        except StartFailed as error:
            raise Unstartable(str(error)) from error

    async def wipe(self) -> None:
        await self.kill()
        (self._process.folder / "data").unlink(missing_ok=True)

    async def command(self, name: str, argument: Any) -> Any:
        file = self._process.folder / "data"
        if name == "write":
            file.write_text(json.dumps(argument))
            return None
        if name == "read":
            return json.loads(file.read_text()) if file.exists() else None
        return await super().command(name, argument)


def main() -> None:
    """
    Keep fake servers at the socket that the first argument names.
    """
    keep(lambda: Keeper(lambda kind: FakeServer))
