"""
Scenario files: what one says, how it is read, and everything that is wrong with one.
"""
