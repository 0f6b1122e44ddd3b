"""How fast the training core is: see `__main__.py`."""
