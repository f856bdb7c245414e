"""
Sources: one for each type of gateway, each with the server that it needs and the load that it takes.
"""
