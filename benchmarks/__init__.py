"""
Benchmarks: how fast the gateway and the simulator are, each beside a rival measured in the same run.

`python -m benchmarks [NAME ...]` prints ratios; machines are noisy, so single figures mean little.
"""
