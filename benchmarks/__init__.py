"""Speed measurements; run ``python benchmarks/fps.py``."""
