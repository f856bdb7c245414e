"""
A Kafka cluster of one or more brokers, in memory and in process.
"""
