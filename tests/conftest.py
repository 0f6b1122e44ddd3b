"""What all tests share: pytest's own plugin for testing plugins, which only a top-level conftest may name."""

pytest_plugins = ["pytester"]
