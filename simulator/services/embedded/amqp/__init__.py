"""
An AMQP 0-9-1 server: listener (server), protocol core (connection, channel, wire), and store (broker, queue, routing).
"""

from simulator.services.embedded.amqp.broker import Broker, Exchange, Kept
from simulator.services.embedded.amqp.failure import Failure
from simulator.services.embedded.amqp.queue import Message, Queue
from simulator.services.embedded.amqp.routing import Binding, headers_match, topic_matches
from simulator.services.embedded.amqp.server import AmqpServer

__all__ = [
    "AmqpServer",
    "Binding",
    "Broker",
    "Exchange",
    "Failure",
    "Kept",
    "Message",
    "Queue",
    "headers_match",
    "topic_matches",
]
