"""
Version: of this distribution; here as text, because asking the installed metadata takes 30 ms.
"""

from __future__ import annotations

VERSION = "0.1.0"
