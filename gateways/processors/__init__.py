"""
What differs between gateway types, one type to a file: amqp, calendar, nats, webhook.
"""
