"""
Whether a process is still there.
"""

from __future__ import annotations

import subprocess


def is_gone(pid: int) -> bool:
    """
    Whether *pid* has ended; one that nobody has reaped yet has.
    """
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip() or state.strip().startswith("Z")
