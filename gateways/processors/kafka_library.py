"""
What we use of kafka-python, imported without the warnings that version 3.0 gives about its own use of Python.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # importlib.resources.read_text, in kafka/protocol/schemas
    from kafka import errors
    from kafka.partitioner.default import murmur2
    from kafka.protocol import consumer, metadata, producer, sasl
    from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

__all__ = ["MemoryRecords", "MemoryRecordsBuilder", "consumer", "errors", "metadata", "murmur2", "producer", "sasl"]
