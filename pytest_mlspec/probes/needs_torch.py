"""Probes of modules and losses of torch, where a team's own fit may do without it, and torch may not be installed."""

from __future__ import annotations

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines.generators import torch_is_installed
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.jobs import ProbeCapacity, ProbeLoss
from pytest_mlspec.recipe.work import Result, Work


def probe_capacity(job: ProbeCapacity, work: Work) -> Result:
    """Looks into the trained module; raises NotApplicableError where there is none."""
    _needed()
    from pytest_mlspec.probes import capacity

    return capacity.probe_capacity(job, work)


def probe_loss(job: ProbeLoss, work: Work) -> Result:
    """Asks the loss, or watches it in a fit of the team's own; raises NotApplicableError where it cannot be seen."""
    _needed()
    from pytest_mlspec.probes import loss_answers, loss_calls

    is_own = ENGINES.find(work.spec.train.engine.use).kind == "own"
    return loss_calls.watched_loss(work) if is_own else loss_answers.loss_answers(job, work)


def _needed() -> None:
    if not torch_is_installed():
        raise NotApplicableError("torch is not installed, and other libraries cannot be looked into")
