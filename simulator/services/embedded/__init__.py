"""
Servers of our own, where no wheel brings a real one: each has a protocol core, a store and a listener.
"""
