"""What the watch sees of a loop that a test writes, and that it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import module as modules
from torch.optim import optimizer as optimizers

from pytest_mlspec.training.watch import Seen, Watch
from pytest_mlspec.training.watch_rows import RowFinder

ROWS = 40
Step = Callable[[nn.Module, torch.optim.Optimizer, Tensor], None]


def inputs_of(rows: int = ROWS) -> Tensor:
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(0))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))


def healthy(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()


def trained(step: Step = healthy, *, passes: int = 3, model: nn.Module | None = None) -> tuple[nn.Module, Seen]:
    model = model or network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x = inputs_of()
    with Watch(RowFinder(x.numpy())) as watch:
        for _ in range(passes):
            for part in torch.split(x, 8):
                step(model, optimizer, part)
    return model, watch.seen


def test_steps_rows_and_passes_are_counted() -> None:
    """Each step with the rows whose gradients it used."""
    _, seen = trained()

    assert (seen.count, seen.draws, seen.unknown, int(seen.trained_N.sum())) == (15, 120, 0, ROWS)
    assert [step.backwards for step in seen.steps] == [1] * 15
    assert [
        row for step in seen.steps[:5] for one in step.forwards for row in (one.rows if one.rows is not None else ())
    ] == [*range(ROWS)]
    assert (seen.leftover, seen.late, seen.restarts, seen.dropped, seen.pending) == (0, 0, 0, [], 0)


def test_watching_changes_no_bit() -> None:
    """Weights and generators are those of a training that nobody watched."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(3):
        for part in torch.split(inputs_of(), 8):
            healthy(model, optimizer, part)
    drawn = torch.rand(1)
    watched, _ = trained()

    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), watched.parameters(), strict=True))
    assert torch.equal(drawn, torch.rand(1))


def test_nothing_is_left_behind() -> None:
    """Neither hooks of torch nor those of the parameters, also where the loop raises."""

    def raising(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
        healthy(model, optimizer, x)
        raise LookupError("no more rows")

    model = network()
    with pytest.raises(LookupError):
        trained(raising, model=model)

    assert not modules._global_forward_hooks
    assert not modules._global_forward_hooks_with_kwargs
    assert not modules._global_forward_hooks_always_called
    assert not modules._global_forward_pre_hooks
    assert not optimizers._global_optimizer_pre_hooks
    assert not optimizers._global_optimizer_post_hooks
    assert all(not parameter._backward_hooks for parameter in model.parameters())
    assert all(not parameter._post_accumulate_grad_hooks for parameter in model.parameters())


def test_gradients_left_over_are_seen() -> None:
    """In every step but the first."""

    def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
        model(x).square().mean().backward()
        optimizer.step()

    _, seen = trained(step)

    assert (seen.leftover, seen.leftover_name) == (14, "0.weight")


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_that_are_cleared_are_not(to_none: bool) -> None:
    """To None, or to zeros."""

    def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
        model(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=to_none)

    assert trained(step)[1].leftover == 0


def test_a_step_without_new_gradients_is_left_over() -> None:
    """It steps twice on the same ones."""

    def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
        healthy(model, optimizer, x)
        optimizer.step()

    assert trained(step)[1].leftover == 15


def test_a_closure_computes_its_own_gradients() -> None:
    """Many times in one step."""

    def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss: Tensor = model(x).square().mean()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        torch.optim.LBFGS(model.parameters(), max_iter=3).step(closure)  # type: ignore[no-untyped-call]

    _, seen = trained(step, passes=1)

    assert (seen.count, seen.leftover, seen.late) == (5, 0, 0)


def test_backward_after_the_step_is_late() -> None:
    """Each of them."""
    model = nn.Linear(6, 1)

    def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
        loss = model(x).mean()
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()

    assert trained(step, model=model)[1].late == 15


def test_the_micro_batches_of_a_step_are_counted() -> None:
    """Two windows of two, and a last one whose gradients are thrown away in the next pass."""
    count = 0

    def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
        nonlocal count
        if count % 5 == 0:
            optimizer.zero_grad()
        count += 1
        model(x).square().mean().backward()
        if count % 5 in (2, 4):
            optimizer.step()
            optimizer.zero_grad()

    _, seen = trained(step)

    assert [one.backwards for one in seen.steps] == [2] * 6
    assert (seen.dropped, seen.pending) == ([1, 1], 1)


def test_an_optimizer_that_forgets_is_seen() -> None:
    """Its state is cleared, or it is made anew with the same parameters; with others it is another."""
    model, x = network(), inputs_of()
    with Watch() as watch:
        for number in range(3):
            optimizer = torch.optim.Adam(model.parameters())
            healthy(model, optimizer, x)
            healthy(model, optimizer, x)
            if number == 2:
                optimizer.state.clear()
                healthy(model, optimizer, x)
        healthy(model, torch.optim.Adam(model[2].parameters()), x)

    assert watch.seen.restarts == 3


def test_optimizers_and_what_they_hold_are_seen() -> None:
    """One that holds copies never finds a gradient."""
    model, other, x = network(), network(), inputs_of()
    with Watch() as watch:
        healthy(model, torch.optim.SGD(model[0].parameters()), x)
        torch.optim.SGD(other.parameters()).step()

    assert [(holder.steps, holder.with_gradients) for holder in watch.seen.holders] == [(1, 1), (1, 0)]
    assert [(one.name, one.stepped) for one in watch.seen.parameters if one.ever] == [
        ("0.weight", True),
        ("0.bias", True),
        ("2.weight", False),
        ("2.bias", False),
    ]


def test_parameters_have_the_names_of_the_model() -> None:
    """Also where the optimiser is met before the model, as with a closure."""
    model, x = network(), inputs_of()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def closure() -> Any:
        loss = model(x).square().mean()
        loss.backward()
        return loss

    with Watch() as watch:
        for _ in range(2):
            optimizer.step(closure)

    assert watch.seen.leftover_name in ("0.weight", "0.bias", "2.weight", "2.bias")


def test_an_evaluation_that_changes_buffers_is_seen() -> None:
    """By the names of the buffers."""

    class Counting(nn.Module):
        calls: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))
            self.layer = nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Any:
            self.calls += 1
            return self.layer(x)

    with Watch() as watch, torch.no_grad():
        Counting().eval()(inputs_of())
        nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 1)).eval()(inputs_of())

    assert [one.changed for one in watch.seen.forwards] == [("calls",), ()]


@pytest.mark.parametrize(("rows", "alone"), [(1, 1), (2, 0)])
def test_batch_statistics_of_one_row_are_seen(rows: int, alone: int) -> None:
    """Of an image, whose statistics are those of its points."""
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(18, 1))
    with Watch() as watch:
        healthy(model, torch.optim.SGD(model.parameters()), torch.randn(rows, 2, 3, 3))

    assert watch.seen.single_rows == alone


def test_updates_lost_in_half_precision_are_measured() -> None:
    """A small rate moves few weights."""
    model = nn.Linear(6, 4).bfloat16()
    with Watch() as watch:
        for _ in range(3):
            healthy(model, torch.optim.SGD(model.parameters(), lr=1e-5), inputs_of().bfloat16())

    assert watch.seen.half == "bfloat16"
    assert np.mean(watch.seen.lost) > 0.5


def test_a_forward_that_raises_is_none() -> None:
    """And the next one is outermost again."""
    model = network()
    with Watch() as watch:
        with pytest.raises(RuntimeError):
            model(torch.zeros(3, 5))
        healthy(model, torch.optim.SGD(model.parameters()), inputs_of())

    assert (len(watch.seen.roots), watch.seen.steps[0].backwards) == (1, 1)


def test_the_steps_so_far_are_told() -> None:
    """To what asked for it, after each."""
    told: list[int] = []
    model = network()
    with Watch(after_step=told.append):
        for _ in range(3):
            healthy(model, torch.optim.SGD(model.parameters()), inputs_of())

    assert told == [1, 2, 3]


def test_functional_calls_and_other_gradients_pass() -> None:
    """Gradients by autograd.grad reach no parameter."""
    model, x = network(), inputs_of()
    with Watch() as watch:
        loss = functional.mse_loss(model(x), torch.zeros(ROWS, 1))
        torch.autograd.grad(loss, list(model.parameters()))
        healthy(model, torch.optim.SGD(model.parameters()), x)

    assert (watch.seen.count, watch.seen.leftover) == (1, 0)
