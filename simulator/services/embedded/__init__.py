"""
Embedded servers: what stands in for a broker or a store in the simulator's own process, one folder to a server.
"""
