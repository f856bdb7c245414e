"""
Real servers that are slow to start: kept by a process of their own, leased to one scenario at a time, and shared by
every run on this machine.
"""
