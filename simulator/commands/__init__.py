"""
Commands: `run`, `list`, `lint` and `schema`, each with `add_arguments(parser)` and `main(arguments)`.
"""
