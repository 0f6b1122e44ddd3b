"""The pytest plugin as users meet it: pytest runs in a process of its own over a small project."""
