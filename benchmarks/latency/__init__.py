"""Whether a gate on latency sees a slower model and not a busy neighbour: see `__main__.py`."""
