"""
An AMQP 0-9-1 server: listener (server), protocol core (connection, channel, wire), and store (broker, queue, routing).
"""

from simulator.services.amqp_server.broker import Broker, Exchange
from simulator.services.amqp_server.failure import Failure
from simulator.services.amqp_server.queue import Message, Queue
from simulator.services.amqp_server.routing import Binding, headers_match, topic_matches
from simulator.services.amqp_server.server import AmqpServer

__all__ = [
    "AmqpServer",
    "Binding",
    "Broker",
    "Exchange",
    "Failure",
    "Message",
    "Queue",
    "headers_match",
    "topic_matches",
]
