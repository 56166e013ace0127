"""Measurements that take minutes: each prints a table. Run as `python -m benchmarks.NAME`."""
