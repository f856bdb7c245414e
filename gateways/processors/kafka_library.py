"""
What we use of kafka-python, imported without the warnings that version 3.0 gives about its own use of Python.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # importlib.resources.read_text, in kafka/protocol/schemas
    from kafka import errors
    from kafka.protocol import consumer, metadata, sasl
    from kafka.record.memory_records import MemoryRecords

__all__ = ["MemoryRecords", "consumer", "errors", "metadata", "sasl"]
