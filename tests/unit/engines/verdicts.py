"""The verdict of a check on a spec, with all its jobs carried out in this process: for planted faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projects import Kept, Project

from pytest_mlspec.check import CHECKS, Verdict
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.jobs import Interrupt, Job, Resume, Train, TrainSeeds, needed_by, with_seed
from pytest_mlspec.plan import in_order
from pytest_mlspec.probes import probe_for


def judged(project: Project, spec: Mapping[str, Any], name: str, **params: Any) -> Verdict:
    """What the check `name` says of `spec`."""
    check = CHECKS.find(name)
    parameters = check.params.model_validate(params)
    jobs = {role: with_seed(job, 0) for role, job in check.needs(parameters).items()}
    done: dict[Job, Kept] = {}
    for job in in_order(jobs.values()):
        work = project.work(spec, {needed: done[needed] for needed in needed_by(job)})
        is_training = isinstance(job, Train | TrainSeeds | Interrupt | Resume)
        carry_out: Any = ENGINES.find(work.spec.train.engine.use).run if is_training else probe_for(job)
        done[job] = Kept(carry_out(job, work), work.folder)
    return check.judge(parameters, **{role: done[job].evidence for role, job in jobs.items()})
