"""
What a scenario file may say of webhook senders: nothing; `request` steps send, and nothing is started.
"""

from __future__ import annotations

from simulator.services.shapes import NoKeys, ServiceShape

SHAPE = ServiceShape(type="webhook", publish=None, setup=NoKeys, runs=False)
