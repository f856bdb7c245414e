"""
Values to YAML text on one line, such that every reader gives the same values back.
"""

from __future__ import annotations

import json
import re
from typing import Any

_TO_ESCAPE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def as_yaml(value: Any) -> str:
    """
    *value*, made of what JSON knows, as YAML in its JSON form; what YAML readers refuse to see is escaped.
    """
    text = json.dumps(value, ensure_ascii=False)
    return _TO_ESCAPE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
