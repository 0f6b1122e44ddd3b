"""`reproducible`: two trainings with one seed, the second in a fresh interpreter, are equal; one with another seed is not."""

from __future__ import annotations

from pydantic import Field

from pytest_mlspec.check import Params, Verdict, check, errored, failed, first_red, listed, passed
from pytest_mlspec.checks.equality import compared, first_difference, incomparable, parting
from pytest_mlspec.evidence import SeedsTried, TrainingRun
from pytest_mlspec.jobs import Job, Train, TrySeeds

REFERENCE = "the first training"
SUBJECT = "the one in a fresh interpreter"


class ReproducibleParams(Params):
    """`steps` is the length of both trainings in optimiser steps, null for the declared one.

    `seeds: false` where the seed is meant to change nothing.
    """

    steps: int | None = Field(None, ge=1)
    seeds: bool = True


def _needs(params: ReproducibleParams) -> dict[str, Job]:
    again = Train(steps=params.steps, fresh=True)
    return {"run": Train(steps=params.steps), "again": again, **({"seeds": TrySeeds()} if params.seeds else {})}


@check("reproducible", needs=_needs)
def reproducible(
    params: ReproducibleParams, run: TrainingRun, again: TrainingRun, seeds: SeedsTried | None = None
) -> Verdict:
    """Two trainings with the same seed are equal to the last bit, in different interpreters; another seed is heeded."""
    verdict = first_red(_judged(run, again), *([] if seeds is None else [_heeded(seeds)]))
    return verdict.on(n=run.steps, seed=run.seed, device=run.device)


def _heeded(seeds: SeedsTried) -> Verdict:
    """Whether the seed reaches what draws."""
    if seeds.left_out:
        return passed(f"no other seed was tried: {seeds.left_out}")
    first, second = seeds.seeds
    if not seeds.same:
        return passed(f"seeds {first} and {second} begin different trainings")
    told = f"the seed is overruled: {first} and {second} leave {listed(seeds.same)} in the same state"
    advice = "seed with the seed that is given, or leave it out: the generators are seeded before the model is built"
    places = f"seeded by a constant: {listed(seeds.places)}" if seeds.places else ""
    return failed(told).explained(places, advice=advice, finding="reproducible.seeds")


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
            advice="something random, or the order of a set, in load, split or prepare: seed or sort it",
            finding="reproducible.data",
        )
    if first_difference(run, again) == 1:
        return difference.explained(
            advice="equal data, unequal first loss: an initialisation, shuffling, augmentation or dropout that draws from a "
            "generator without the seed",
            finding="reproducible.differs",
        )
    return difference.explained(
        advice="what starts to differ there: an augmentation or a generator without the seed, the order of a set, a "
        "non-deterministic kernel, or the time",
        finding="reproducible.differs",
    )
