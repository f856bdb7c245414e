"""
What differs between gateway types, one type to a file: calendar, kafka, nats, webhook.
"""
