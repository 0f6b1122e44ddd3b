"""Both parsers of PyYAML, for tests of what is read."""

from __future__ import annotations

import pytest
import yaml


@pytest.fixture(
    params=[
        pytest.param("CBaseLoader", marks=pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML lacks libyaml")),
        "BaseLoader",
    ]
)
def both_parsers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs with the C parser and with the pure one."""
    monkeypatch.setattr("pytest_mlspec.language.load.compose.LOADER", getattr(yaml, request.param))
