"""
Servers that are our own, a folder each: the protocol, what is stored, and the listener stand apart.
"""
