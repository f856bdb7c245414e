"""
MqttService: what an MQTT service knows of texts and stimuli, whichever server it has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from simulator.services.mqtt_topics import Listening, concrete, matches
from simulator.services.service import Service, Stimulus


class MqttService(Service):
    """
    One MQTT server.
    """

    type = "mqtt"

    def covers(self, text: str, stimulus: Stimulus) -> bool:
        """See Service."""
        listening = Listening.of(text)
        return listening is not None and matches(listening.topic, stimulus.get("topic"))

    async def fence(self, text: str, mark: str) -> bool:
        """See Service."""
        listening = Listening.of(text)
        if listening is None:
            return False
        where = (("topic", concrete(listening.topic)), ("qos", str(listening.qos)))
        payload = json.dumps({"gatesim-fence": mark}).encode()
        return (await self.publish([Stimulus(where, payload)])).taken


def entitled(topic: str, living: Sequence[str]) -> int:
    """
    How many of the configurations with *living* texts may be subscribed to *topic*.
    """
    return sum(other is not None and other.topic == topic for other in map(Listening.of, living))
