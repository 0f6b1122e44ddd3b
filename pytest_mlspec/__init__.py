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

TYPE_CHECKING = False  # as type checkers read it: the import of typing is not for free

if TYPE_CHECKING:
    from pytest_mlspec.assertions import assert_converges as assert_converges
    from pytest_mlspec.assertions import assert_export_valid as assert_export_valid
    from pytest_mlspec.assertions import assert_gradients as assert_gradients
    from pytest_mlspec.assertions import assert_independent_rows as assert_independent_rows
    from pytest_mlspec.assertions import assert_latency as assert_latency
    from pytest_mlspec.assertions import assert_metric as assert_metric
    from pytest_mlspec.assertions import assert_mteb as assert_mteb
    from pytest_mlspec.assertions import assert_overfits as assert_overfits
    from pytest_mlspec.assertions import assert_reproducible as assert_reproducible
    from pytest_mlspec.assertions import assert_resumes as assert_resumes
    from pytest_mlspec.assertions import check_recipe as check_recipe
    from pytest_mlspec.errors import MlspecError as MlspecError
    from pytest_mlspec.errors import NotApplicableError as NotApplicableError
    from pytest_mlspec.errors import SpecError as SpecError
    from pytest_mlspec.run import Run as Run
    from pytest_mlspec.run import run_spec as run_spec

__version__ = "0.1.0"

_HOMES = {
    "MlspecError": "errors",
    "NotApplicableError": "errors",
    "Run": "run",
    "SpecError": "errors",
    "assert_converges": "assertions",
    "assert_export_valid": "assertions",
    "assert_gradients": "assertions",
    "assert_independent_rows": "assertions",
    "assert_latency": "assertions",
    "assert_metric": "assertions",
    "assert_mteb": "assertions",
    "assert_overfits": "assertions",
    "assert_reproducible": "assertions",
    "assert_resumes": "assertions",
    "check_recipe": "assertions",
    "run_spec": "run",
}

__all__ = [
    "MlspecError",
    "NotApplicableError",
    "Run",
    "SpecError",
    "assert_converges",
    "assert_export_valid",
    "assert_gradients",
    "assert_independent_rows",
    "assert_latency",
    "assert_metric",
    "assert_mteb",
    "assert_overfits",
    "assert_reproducible",
    "assert_resumes",
    "check_recipe",
    "run_spec",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
