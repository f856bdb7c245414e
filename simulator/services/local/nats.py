"""
NATS from a nats-server that this machine has; each scenario gets a server of its own, as it starts at once.
"""

from __future__ import annotations

from simulator.services.nats import EmbeddedNats


class LocalNats(EmbeddedNats):
    """
    One nats-server of its own. The embedded one is the same program, from its wheel.
    """

    @property
    def provider(self) -> str:
        """See Service."""
        return "local"
