"""Measurements of the product: speed, latency gates, the fault catalogue."""
