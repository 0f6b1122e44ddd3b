"""The loop around the steps of a training, watched step by step: its rows, gradients, optimisers and evaluations.

Of the engine torch and of the trainers, the first epochs are run as the spec declares them; of a team's own fit, a whole one,
and the first steps of one with another seed, which is then ended. Nothing of a training is changed by being watched.

    loop_rows.py   which rows the steps used, and in which order;  loop_state.py  what became of gradients, parameters, buffers
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines.generators import torch_is_installed
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.jobs import WatchLoop
from pytest_mlspec.recipe.work import Result, Work


def watch_loop(job: WatchLoop, work: Work) -> Result:
    """Watches the steps of a training; raises NotApplicableError where no optimiser of torch takes any."""
    if not torch_is_installed():
        raise NotApplicableError("torch is not installed, and steps of other libraries cannot be watched")
    from pytest_mlspec.probes import loop_runs

    engine = work.spec.train.engine.use
    if ENGINES.find(engine).kind == "own":
        trace = loop_runs.of_a_fit(work)
    elif engine == "torch":
        trace = loop_runs.of_torch(work)
    else:
        trace = loop_runs.of_a_trainer(work)
    if not trace.steps:
        raise NotApplicableError("no step of an optimiser of torch was seen")
    return Result(replace(trace, **_declared(work)))


def _declared(work: Work) -> dict[str, Any]:
    """What the spec says of the order of the rows."""
    split = work.spec.data.split if work.spec.data else None
    return {"shuffled": work.spec.train.shuffle, "in_time": split is not None and split.time is not None}
