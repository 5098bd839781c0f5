"""Faults of many kinds against the stock span processor and ours, side by side."""
