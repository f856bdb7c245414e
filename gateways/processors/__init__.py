"""
What differs between gateway types, one type to a file: calendar, nats, resource, webhook.
"""
