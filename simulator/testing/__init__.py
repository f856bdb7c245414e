"""
Testing: the pytest plugin, and environments for hand-written tests.
"""
