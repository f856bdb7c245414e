"""
An API server of Kubernetes in memory: no scheduler, no kubelet; objects are stored, watched, patched and collected.
"""
