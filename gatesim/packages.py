"""
Whether the packages behind the door are ours: `simulator` and `gateways` are names that others use as well.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent


@cache
def foreign_package(name: str) -> str | None:
    """
    What to tell the user where `import <name>` does not give the package of this distribution; None where it does.
    """
    try:
        spec = find_spec(name)
    except ValueError:  # a module that somebody made by hand has no spec
        spec = None
    found = Path(spec.origin).resolve().parent if spec is not None and spec.origin else None
    if found == _HOME / name:
        return None
    where = f"is imported from {found}" if found is not None else "cannot be imported as a package"
    advice = "rename that folder, or run from another one" if found is not None else "install gatesim again"
    return f"`{name}` {where} and is not the `{name}` of gatesim; {advice}"
