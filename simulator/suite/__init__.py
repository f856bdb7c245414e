"""
Suites: which scenarios a run is about, and many of them played, side by side or again.
"""
