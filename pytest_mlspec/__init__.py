"""Gate whole model trainings from a spec: every claim becomes a pytest test.

    YAML ─load▶ data with positions ─spec▶ Spec ─plan▶ Plan ─run▶ Evidence ─checks▶ Verdicts ─report▶ terminal, JUnit

    load/        text -> strict plain data, with the line and column of every key
    spec.py      the language; rules/ what types cannot say; declared.py from a file to validated specs
    plan.py      a spec's claims, and the jobs behind them (jobs.py)
    session.py   one pytest run: hands jobs to the broker, judges claims on their evidence
    broker.py    supervised worker processes; worker.py what runs inside one
    store.py     evidence on disk, reused only where it is proved to be unchanged
    engines/     what carries out a training; training/ is the PyTorch core
    probes/      measurements that the checks need; recipe/ the pipeline's extension points; sources/ data by name
    checks/      pure functions from evidence to verdicts; gates.py the same for a quantity and a bound
    report/      verdicts as text; plugin.py every hook, the only importer of pytest

Importing this package imports neither torch nor pytest.
"""

__version__ = "0.1.0"
