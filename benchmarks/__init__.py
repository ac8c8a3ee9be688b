"""Measurements, each one command; peers in `benchmarks.peers`, stress tests in `benchmarks.stress`."""
