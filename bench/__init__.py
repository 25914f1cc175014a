"""Benchmarks: figures beside a peer or a limit, taken in one run; each writes its own section of bench/RESULTS.md."""
