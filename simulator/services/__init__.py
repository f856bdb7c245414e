"""
Services: what gateways talk to, one type to a file, each with its shape (what a scenario file may say of it) beside it.
"""
