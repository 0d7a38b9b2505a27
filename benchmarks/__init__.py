"""What the project claims, measured: `python benchmarks/run.py`."""
