"""`reproducible`: two trainings with one seed, the second in a fresh interpreter, are equal to the last bit."""

from __future__ import annotations

from pydantic import Field

from pytest_mlspec.check import Params, Verdict, check, errored, passed
from pytest_mlspec.checks.equality import compared, first_difference, incomparable, parting
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import Train

REFERENCE = "the first training"
SUBJECT = "the one in a fresh interpreter"


class ReproducibleParams(Params):
    """`steps` is the length of both trainings in optimiser steps, null for the declared one."""

    steps: int | None = Field(None, ge=1)


@check("reproducible", needs=lambda p: {"run": Train(steps=p.steps), "again": Train(steps=p.steps, fresh=True)})
def reproducible(params: ReproducibleParams, run: TrainingRun, again: TrainingRun) -> Verdict:
    """Two trainings with the same seed are equal to the last bit, in different interpreters."""
    return _judged(run, again).on(n=run.steps, seed=run.seed, device=run.device)


def _judged(run: TrainingRun, again: TrainingRun) -> Verdict:
    if error := incomparable(run, again, reference=REFERENCE, subject=SUBJECT):
        return error
    if run.hash_seed and run.hash_seed == again.hash_seed:
        return errored(
            f"the second training did not run in a fresh interpreter: both have the hash seed {run.hash_seed}"
        )
    difference = parting(run, again, reference=REFERENCE, subject=SUBJECT)
    if difference is None:
        return passed(f"{compared(run)}: equal to the last bit")
    if run.examples_digest != again.examples_digest:
        return difference.explained(
            advice="something random, or the order of a set, in load, split or prepare: seed or sort it"
        )
    if first_difference(run, again) == 1:
        return difference.explained(
            advice="equal data, unequal first loss: an initialisation, shuffling, augmentation or dropout that draws from a "
            "generator without the seed"
        )
    return difference.explained(
        advice="what starts to differ there: an augmentation or a generator without the seed, the order of a set, a "
        "non-deterministic kernel, or the time"
    )
