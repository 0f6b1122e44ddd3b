"""What keeps a trained model from expressing what it should: layers that are one, dead units, bounds, a bottleneck, dropout.

Everything is seen on a few rows in evaluation mode, in float64 where the model computes in that; only the rates of dropout are
seen in training mode. What autograd has no graph of, such as a part under no_grad, is left out. Of a team's own fit, what its
outputs should become is not known: their range is not judged.

Shape letters: N rows, K numbers of a row.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from pytest_mlspec.engines import ENGINES, ModulePredictor, Predictor
from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.callable import FittedCallable
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Capacity, TrainingRun
from pytest_mlspec.jobs import ProbeCapacity
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.probes.graph import forward_of
from pytest_mlspec.probes.module_call import Given, ModuleCall, called, of_own_fit, of_predictor
from pytest_mlspec.probes.output_range import output_range
from pytest_mlspec.probes.rows import rows_to_try
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.evaluation import evaluation_mode
from pytest_mlspec.training.seeding import kept_generators

_DROPOUTS = (functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d, torch.dropout)
# These say what outputs are taken for by `train.loss` alone; their trainers may know better.
_LOSS_OF_ITS_OWN = frozenset({"lightning", "keras"})


def probe_capacity(job: ProbeCapacity, work: Work) -> Result:
    """Looks into the model that `job.of` trained, on rows of the test split (else validation, else training).

    Raises NotApplicableError where what was trained is no nn.Module.
    """
    rows = rows_to_try(work, job.rows)
    with from_outside("the trained model", key="model"):
        predictor = ENGINES.find(work.spec.train.engine.use).restore(job.of, work)
        if isinstance(predictor, FittedCallable):
            found = _of_own(predictor, rows, work)
        else:
            found = _of_module(predictor.precise(), rows, work.spec)
    run = work.needed[job.of].evidence
    return Result(replace(found, device=run.device if isinstance(run, TrainingRun) else "cpu"))


def _of_module(predictor: Predictor, rows: Examples, spec: Spec) -> Capacity:
    if not isinstance(predictor, ModulePredictor):
        raise NotApplicableError("the trained model is no nn.Module")
    assembly = _assembly(predictor)
    says_what_it_takes = spec.train.loss is not None or spec.train.engine.use not in _LOSS_OF_ITS_OWN
    found, operation = capacity_of(of_predictor(predictor, rows), reconstructs=_reconstructs(spec))
    return replace(
        found,
        rows=len(rows),
        classes=assembly.declared.classes if assembly else 0,
        range=output_range(operation, rows, assembly) if assembly and says_what_it_takes else None,
    )


def _of_own(fitted: FittedCallable, rows: Examples, work: Work) -> Capacity:
    found, _ = capacity_of(of_own_fit(fitted, rows), reconstructs=_reconstructs(work.spec))
    # One score that predict cuts into ordered classes is no bottleneck.
    classes = len(work.prepared.classes)
    return replace(found, classes=classes if found.outputs == classes else 0)


def _reconstructs(spec: Spec) -> bool:
    return bool(spec.task and spec.task.use == "reconstruction")


def capacity_of(call: ModuleCall, *, reconstructs: bool) -> tuple[Capacity, str]:
    """The capacity of the module of `call`, which is a new one, and the name of its last operation."""
    module, given = call.module, call.given
    with evaluation_mode(module):
        forward = forward_of(module, call.outputs)
        outputs_NK = _by_row(forward.outputs)
        affine = _affine(module, given)
    scale = max(float(outputs_NK.abs().max()), torch.finfo(outputs_NK.dtype).tiny)
    narrowest = forward.narrowest()
    found = Capacity(
        rows=len(outputs_NK),
        layers=len({call.name for call in forward.calls}),
        outputs=outputs_NK.shape[1],
        classes=0,
        chains=tuple(dict.fromkeys(forward.chains())),
        dead=tuple(forward.dead_units()),
        spread=float((outputs_NK - outputs_NK[:1]).abs().max()) / scale,
        affine=affine,
        narrowest=narrowest[0] if narrowest else "",
        width=narrowest[1] if narrowest else None,
        rates=_rates(module, given),
        reconstructs=reconstructs,
        unread="" if forward.outputs.grad_fn else "its outputs have no graph: a forward under no_grad, or a detach",
        dtype=call.dtype,
    )
    return found, forward.last_operation()


def _by_row(outputs: Tensor) -> Tensor:
    """The outputs [N, K] of each row as one line of numbers."""
    return outputs.detach().reshape(len(outputs), -1)


def _assembly(predictor: Predictor) -> Assembly | None:
    found = getattr(predictor, "assembly", None)
    return found if isinstance(found, Assembly) else None


@torch.no_grad()
def _affine(module: nn.Module, given: Given) -> float | None:
    """Max |f(a) + f(b) − f(a + b) − f(0)| over pairs of rows, relative to the outputs.

    None where rows cannot be added, as numbers of words in floats cannot.
    """
    values = list(given.values()) if isinstance(given, dict) else list(given)
    if not all(each.is_floating_point() for each in values):
        return None

    def at(changed: list[Tensor]) -> Tensor:
        return _by_row(
            called(module, dict(zip(given, changed, strict=True)) if isinstance(given, dict) else tuple(changed))
        )

    shifted = [each.roll(1, dims=0) for each in values]
    sums = [one + other for one, other in zip(values, shifted, strict=True)]
    try:
        a_NK, b_NK, sum_NK = at(values), at(shifted), at(sums)
        zero_NK = at([torch.zeros_like(each) for each in values])
    except Exception:  # whatever a forward raises that looks rows up by their values
        return None
    scale = float(torch.stack([a_NK, b_NK, sum_NK, zero_NK]).abs().max())
    return float((a_NK + b_NK - sum_NK - zero_NK).abs().max()) / scale if scale else 0.0


class _Rates(TorchFunctionMode):
    """Keeps the largest rate of dropout among the calls of a function, whoever makes them."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0.0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in _DROPOUTS:
            rate = args[1] if len(args) > 1 else given.get("p", 0.5)
            trains = args[2] if len(args) > 2 else given.get("training", True)
            self.largest = max(self.largest, float(rate) if trains else 0.0)
        return func(*args, **given)


@torch.no_grad()
def _rates(module: nn.Module, given: Given) -> dict[str, float]:
    """The rates of dropout by the names of their modules, and that of a function where it is larger.

    Batch norm keeps its statistics.
    """
    found = {name: float(each.p) for name, each in module.named_modules() if isinstance(each, _DropoutNd) and each.p}
    rates = _Rates()
    module.train()
    for each in module.modules():
        if isinstance(each, _BatchNorm):
            each.eval()
    # In training mode a team's forward may ask for more, such as targets.
    with kept_generators(), rates, suppress(Exception):
        called(module, given)
    module.eval()
    if rates.largest > max(found.values(), default=0.0):
        found["in a forward"] = rates.largest
    return found
