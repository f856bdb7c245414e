"""
KubernetesService: what a Kubernetes service knows of texts and stimuli, whichever API server it has.
"""

from __future__ import annotations

from simulator.services.kubernetes_texts import covers, mark_in, mark_of
from simulator.services.service import RelayedService, Stimulus


class KubernetesService(RelayedService):
    """
    One API server.
    """

    type = "kubernetes"

    def covers(self, text: str, stimulus: Stimulus) -> bool:
        """See Service."""
        return covers(text, stimulus)

    def mark_of(self, stimulus: Stimulus) -> bytes:
        """See Service."""
        return mark_of(stimulus)

    def mark_in(self, payload: bytes) -> bytes:
        """See Service."""
        return mark_in(payload)
