"""Several seeds of a small network trained at once: each with its own weights, rows and history, in one step for all.

A seed's numbers are those that `fit` gives it up to the rounding of a product of matrices, which may sum in another order: in
double precision losses and weights agree to 1e-9, in single precision they drift apart as those of two machines do.

Shape letters: S seeds, B rows of a batch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch, Source
from pytest_mlspec.training.fused import take_fused_step
from pytest_mlspec.training.history import History
from pytest_mlspec.training.instruments import steps_between_samples
from pytest_mlspec.training.loop import Evaluate, LoopSettings, OnEpoch
from pytest_mlspec.training.losses import Loss, LossFunction
from pytest_mlspec.training.nonfinite import NonFiniteError
from pytest_mlspec.training.stacking import Chain, Stack, chain_of_sequential, why_not_stacked
from pytest_mlspec.training.state import State

__all__ = ["fit_stacked", "why_not_stacked"]


def fit_stacked(
    states: Sequence[State],
    source: Source,
    *,
    settings: LoopSettings,
    loss: LossFunction,
    evaluate: Evaluate | None = None,
    on_epoch: OnEpoch | None = None,
    chain_of: Chain = chain_of_sequential,
) -> list[History]:
    """Trains all `states` from their beginning to the end, and returns their histories in the same order.

    As `fit` does one after another: afterwards each model has its trained weights, each record its losses, gradient norms
    and metrics. `seconds_E` is each seed's share. `on_epoch` is told of the first seed. Optimisers and schedules are not
    brought along, so no training can be continued. Raises TrainingError where `why_not_stacked` has a reason, and
    NonFiniteError at the first loss or gradient that is not finite: trained alone, that seed is told the layer too.
    """
    reason = why_not_stacked(states, source, settings=settings, loss=loss, chain_of=chain_of)
    if reason or not isinstance(loss, Loss):
        raise TrainingError(f"the seeds cannot be trained at once: {reason}", key="train.seeds")
    orders = [settings.order(len(source), state.seed) for state in states]
    total_steps = settings.total_steps(len(source))
    sampled_every = steps_between_samples(orders[0].steps_per_epoch, total_steps)
    stack = Stack([chain for state in states if (chain := chain_of(state.model)) is not None], states[0].optimizer)
    rates = _Rates(states[0], stack.optimizer)
    loss_of_rows = loss.without_mean()

    step = epoch = 0
    while step < total_steps:
        started = time.perf_counter()
        for micro_batches in zip(*(order.steps(epoch) for order in orders), strict=True):
            indices = [index for (index,) in micro_batches]
            batch = source.fetch(torch.cat(indices))
            before = [one.clone() for one in stack.parameters] if (step + 1) % sampled_every == 0 else None
            loss_S = _loss_of_each(stack, batch, loss_of_rows, seeds=len(states))
            gradients = stack.compute_gradients(loss_S)
            norm_S = _norm_of_each(gradients)
            losses, norms = torch.stack([loss_S.detach(), norm_S]).tolist()
            _look_at(losses, norms, states, indices, step=step, epoch=epoch)
            if settings.clip_norm is not None and max(norms) + 1e-6 > 0.999 * settings.clip_norm:
                _clip_each(gradients, norm_S, settings.clip_norm)
            if not take_fused_step(stack.optimizer):
                stack.optimizer.step()
            rows = len(indices[0])
            for state, of_loss, of_norm in zip(states, losses, norms, strict=True):
                state.record.add_numbers(of_loss, of_norm, rates.first, rows)
            if before is not None:
                ratios = _update_ratio_of_each(stack.parameters, before)
                for state, ratio in zip(states, ratios, strict=True):
                    state.record.add_sample(step, ratio, {})
            rates.after_step()
            step += 1
            if step == total_steps:
                break
        share = (time.perf_counter() - started) / len(states)
        if evaluate is not None:
            stack.copy_to_networks()
        all_metrics = []
        for state, order in zip(states, orders, strict=True):
            state.step, state.position = step, step - epoch * order.steps_per_epoch
            state.record.seconds_in_epoch += share
            all_metrics.append(state.record.end_epoch({} if evaluate is None else evaluate(state)))
        rates.after_epoch(all_metrics[0])
        if on_epoch is not None:
            on_epoch(epoch, all_metrics[0])
        epoch += 1
        for state, order in zip(states, orders, strict=True):
            if state.position == order.steps_per_epoch:
                state.epoch, state.position = epoch, 0

    stack.copy_to_networks()
    stopped = f"finished {settings.epochs} epochs" if settings.steps is None else f"finished {total_steps} steps"
    return [state.record.history(stopped=stopped, best_epoch=None) for state in states]


class _Rates:
    """The schedule of the first seed, which is that of all, and the arguments that it gives to the optimiser of the stacks."""

    def __init__(self, state: State, optimizer: Optimizer) -> None:
        self._schedule = state.schedule
        self._optimizers = state.optimizer, optimizer
        # Its scheduler would warn that the seed's own optimiser never steps.
        state.optimizer._opt_called = True  # type: ignore[attr-defined]

    @property
    def first(self) -> float:
        """The rate of the first group."""
        rate: float = self._optimizers[1].param_groups[0]["lr"]
        return rate

    def after_step(self) -> None:
        if self._schedule is not None:
            self._schedule.after_step()
            self._pass_on()

    def after_epoch(self, metrics: Mapping[str, float]) -> None:
        if self._schedule is not None:
            self._schedule.after_epoch(metrics)
            self._pass_on()

    def _pass_on(self) -> None:
        own, stacked = self._optimizers
        for of_seed, of_stack in zip(own.param_groups, stacked.param_groups, strict=True):
            of_stack.update((key, value) for key, value in of_seed.items() if key != "params")


def _loss_of_each(stack: Stack, batch: Batch, loss_of_rows: LossFunction, *, seeds: int) -> Tensor:
    """The mean loss [S] over each seed's rows of `batch`, which holds the rows of all seeds one after another."""
    assert isinstance(batch.inputs, Tensor), "a stack has one input"
    rows = len(batch) // seeds
    outputs_SB = stack(batch.inputs.reshape(seeds, rows, *batch.inputs.shape[1:]))
    return loss_of_rows(outputs_SB.flatten(0, 1), batch).reshape(seeds, -1).mean(dim=1)


def _norm_of_each(gradients: Sequence[Tensor]) -> Tensor:
    """The 2-norm [S] over all `gradients` [S, P] of each seed."""
    norms = [torch.linalg.vector_norm(gradient, dim=1) for gradient in gradients]
    norm_S: Tensor = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms), dim=0)
    return norm_S


def _clip_each(gradients: Sequence[Tensor], norm_S: Tensor, clip_norm: float) -> None:
    """Scales the gradients of each seed down to `clip_norm`, as `torch.nn.utils.clip_grad_norm_` does."""
    share_S = torch.clamp(clip_norm / (norm_S + 1e-6), max=1.0)
    for gradient in gradients:
        gradient.mul_(share_S.unsqueeze(1))


def _update_ratio_of_each(after: Sequence[Tensor], before: Sequence[Tensor]) -> list[float]:
    """|w' - w| / |w| of each seed."""
    changes = _norm_of_each([new - old for new, old in zip(after, before, strict=True)]).tolist()
    sizes = _norm_of_each(before).tolist()
    pairs = zip(changes, sizes, strict=True)
    return [change / size if size else math.inf if change else 0.0 for change, size in pairs]


def _look_at(
    losses: Sequence[float],
    norms: Sequence[float],
    states: Sequence[State],
    indices: Sequence[Tensor],
    *,
    step: int,
    epoch: int,
) -> None:
    """Raises NonFiniteError for the first seed whose loss or gradient norm is not finite."""
    for state, loss, norm, index in zip(states, losses, norms, indices, strict=True):
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = f"gradient norm is {norm}, loss {loss:.4g}," if math.isfinite(loss) else f"loss is {loss}"
            raise NonFiniteError(f"{what} at step {step + 1} (epoch {epoch + 1}) of seed {state.seed}", index.tolist())
