"""
Bare relays: the rivals in throughput, each the least that an honest gateway must do, with well-known libraries.

Each reads the event, makes one CloudEvent, POSTs it with aiohttp, waits for the 2xx, and only then answers.
`python -m benchmarks.relays.TYPE WATCHER_URL IN_FLIGHT ...`
"""
