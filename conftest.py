"""
Repository only: what the tests of the whole repository need of pytest. Users need nothing of this.

`pytest scenarios/` plays the shipped scenarios through the installed plugin; the tests' own folders hold none.
"""

from __future__ import annotations

pytest_plugins = ["pytester"]
