"""Runs, benchmarks and the demo: label oracles answer."""
