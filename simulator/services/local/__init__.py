"""
Services of the provider `local`: the real servers, from binaries on this machine; one file for each.
"""
