"""Gate whole model trainings from a spec: every claim becomes a pytest test.

    YAML ─load▶ data with positions ─spec▶ Spec ─plan▶ Plan ─run▶ Evidence ─checks▶ Verdicts ─report▶ terminal, JUnit

    language/    what users write: from a file to validated specs, or every mistake in it
    plan.py      a spec's claims, and the jobs behind them (jobs.py)
    session.py   one pytest run: hands jobs to the broker, judges claims on their evidence; made by opening.py, with reuse.py for
                 stored evidence and causes.py for what went wrong
    workers/     jobs in supervised processes
    engines/     what carries out a training; training/ is the PyTorch core
    probes/      measurements that the checks need; recipe/ the pipeline's extension points; sources/ data by name
    store/       evidence on disk (evidence.py), reused only where it is proved to be unchanged
    checks/      pure functions from evidence to verdicts; gates.py the same for a quantity (quantities.py) and a bound
    report/      verdicts as text
    plugin.py    every hook of pytest, and its only importer; run.py what a Python test gets; __main__.py the command

The names below are what users import, from tests, scripts and a `conftest.py`; each is imported at its first use. Importing
this package imports neither torch nor pytest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mlspec.errors import MlspecError as MlspecError
    from pytest_mlspec.errors import SpecError as SpecError
    from pytest_mlspec.run import Run as Run
    from pytest_mlspec.run import run_spec as run_spec

__version__ = "0.1.0"

_HOMES = {
    "MlspecError": "errors",
    "Run": "run",
    "SpecError": "errors",
    "run_spec": "run",
}

__all__ = [
    "MlspecError",
    "Run",
    "SpecError",
    "run_spec",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
