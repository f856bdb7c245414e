"""
From Kafka to HTTP, with kafka-python's consumer in a thread.
"""

from __future__ import annotations

from kafka import KafkaConsumer, TopicPartition

from benchmarks.relays.relay import Watcher, in_thread, main, say_ready


async def relay(watcher: Watcher, arguments: list[str]) -> None:
    """
    Takes the broker's port, the topic and how many partitions it has.
    """
    port, topic, partitions = arguments
    consumer = KafkaConsumer(bootstrap_servers=f"127.0.0.1:{port}", enable_auto_commit=False)
    places = [TopicPartition(topic, number) for number in range(int(partitions))]

    def consume() -> None:
        consumer.assign(places)
        consumer.seek_to_end(*places)
        for place in places:
            consumer.position(place)
        say_ready()
        for message in consumer:
            watcher.hand_over(message.value)

    in_thread(consume)
    await watcher.dispatch_handed_over("kafka")


if __name__ == "__main__":
    main(relay)
