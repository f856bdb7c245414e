"""
What differs between gateway types, one type to a family of files: `nats.py` and `nats_*.py`.
"""
