"""A model on a task of MTEB: the score, which weights and which data gave it, and nothing from a cache.

    tasks.py      the task: one of mteb's by name, the team's own, or one declared from files
    folders.py    its data in a folder;  files.py  one file of rows;  hub.py  its data on the hub
    embedders.py  the model as mteb calls it, and the digest of what it computes with
    results.py    what mteb gives, as evidence

mteb keeps results by the name of a model, and gives every model that was read from a folder the same: so its cache is never
used here. Left out: tasks of images, sounds and films, and models that are no embedders.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MeasurementError, MissingExtraError
from pytest_mlspec.jobs import EvaluateTask
from pytest_mlspec.recipe.work import Result, Work

_SUPPORTED = ((2, 20), (3, 0))
_BATCH = 64
_SEED = 0


def evaluate_task(job: EvaluateTask, work: Work) -> Result:
    """Evaluates the trained model, or the one before the training, on the splits and subsets of the task that the spec leaves in.

    Raises MissingExtraError without mteb, DataError where the data are not to be had, MeasurementError for a task that is not
    known or a score that is no number, NotApplicableError for a model that embeds no texts.
    """
    demand_mteb()
    with _quiet() as caught, TemporaryDirectory() as scratch:
        from pytest_mlspec.probes.mteb import embedders, folders, hub, results, tasks

        task = tasks.find(job.task, work)
        folder = tasks.folder_of(job.task, work)
        if folder is not None:
            data_revision = folders.load(task, folder, work.spec.mteb[job.task].columns, scratch=Path(scratch))
        else:
            data_revision = hub.load(task, scratch=Path(scratch))
        embedder = embedders.of(job, work)

        import mteb

        from pytest_mlspec.training.seeding import seed_everything

        seed_everything(_SEED)  # a task may draw from the global generators beside its own
        began = time.perf_counter()
        with from_outside(f"the evaluation of {job.task}", key=f"mteb.{job.task}"):
            found = mteb.evaluate(
                embedder.called,
                task,
                cache=None,
                co2_tracker=False,
                show_progress_bar=False,
                encode_kwargs={"batch_size": _BATCH, "show_progress_bar": False},
            )
        seconds = time.perf_counter() - began
        evidence = results.score_of(
            found,
            task,
            of="base" if job.of is None else "model",
            data_revision=data_revision,
            embedder=embedder,
            notes=_notes(caught),
            seconds=seconds,
        )
    return Result(evidence)


def demand_mteb() -> None:
    """Raises MissingExtraError where mteb is not installed, MeasurementError for a version that this was not written for."""
    try:
        found = version("mteb")
    except PackageNotFoundError:
        raise MissingExtraError("mteb", extra="mteb", key="mteb") from None
    lowest, too_high = _SUPPORTED
    if not lowest <= tuple(int(number) for number in found.split(".")[:2]) < too_high:
        raise MeasurementError(
            f"mteb {found} is installed, and {lowest[0]}.{lowest[1]} or later, below {too_high[0]}, is needed",
            key="mteb",
            advice="python -m pip install --upgrade 'pytest-mlspec[mteb]'",
        )


@contextmanager
def _quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Gathers warnings, and keeps progress bars and what mteb logs of a model without a name out of the log of the job."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    logger, bars = logging.getLogger("mteb"), not are_progress_bars_disabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield caught
    finally:
        logger.setLevel(level)
        if bars:
            enable_progress_bars()


def _notes(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """The first sentence of each warning, once: that a task is superseded, that a classifier did not converge."""
    told = [each for each in caught if not issubclass(each.category, DeprecationWarning | FutureWarning)]
    sentences = (str(each.message).strip().partition("\n")[0].partition(". ")[0].removesuffix(".") for each in told)
    return tuple(dict.fromkeys(sentences))
