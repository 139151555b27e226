"""What it means: pure functions on Polars frames and NumPy arrays; no IO, no clock, no network."""
