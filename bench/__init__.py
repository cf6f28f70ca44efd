"""Benchmarks: each module measures one promise, side by side with its peers, and writes `results/NAME.json`."""
