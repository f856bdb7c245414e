"""
What a scenario file may say of time as a service: nothing; `clock` in the head sets it, and nothing is started.
"""

from __future__ import annotations

from simulator.services.shapes import NoKeys, ServiceShape

SHAPE = ServiceShape(type="clock", publish=None, setup=NoKeys, runs=False)
