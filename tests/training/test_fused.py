"""The fused step: the parameters and the state that torch's own step gives, to the last bit, or torch's own step itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.optimizer import register_optimizer_step_post_hook

from pytest_mlspec.training.fused import take_fused_step
from pytest_mlspec.training.optim import build_optimizer

Steps = list[list[Tensor | None]]
FUSED = [
    ("adamw", {}),
    ("adamw", {"lr": 0.1, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.3}),
    ("adamw", {"amsgrad": True, "maximize": True}),
    ("adam", {"weight_decay": 0.1}),
    ("sgd", {"lr": 0.1}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "maximize": True}),
]


def network(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    """A network with a four-dimensional weight that does not lie row by row."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(2, 3, 3)
    convolution.weight.data = convolution.weight.data.contiguous(memory_format=torch.channels_last)
    return nn.Sequential(convolution, nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 2)).to(dtype)


def gradients(model: nn.Module, steps: int = 4) -> Steps:
    """Gradients of several steps, for all parameters."""
    torch.manual_seed(1)
    return [[torch.randn_like(parameter) for parameter in model.parameters()] for _ in range(steps)]


def put(model: nn.Module, values: list[Tensor | None]) -> None:
    for parameter, value in zip(model.parameters(), values, strict=True):
        parameter.grad = None if value is None else value.clone()


def step_through(model: nn.Module, optimizer: Optimizer, steps: Steps) -> None:
    """Torch's own steps."""
    for values in steps:
        put(model, values)
        optimizer.step()


def fused_through(model: nn.Module, optimizer: Optimizer, steps: Steps) -> list[bool]:
    """The steps that are fused where they can be; which ones were."""
    fused = []
    for values in steps:
        put(model, values)
        fused.append(take_fused_step(optimizer))
        if not fused[-1]:
            optimizer.step()
    return fused


def assert_equal(model: nn.Module, optimizer: Optimizer, other: nn.Module, reference: Optimizer) -> None:
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
        for name, value in reference.state[two].items():
            assert torch.equal(optimizer.state[one][name], value), name


def both(name: str, arguments: Mapping[str, Any], dtype: torch.dtype = torch.float32) -> tuple[Any, Any, Any, Any]:
    """Two equal networks with equal optimisers."""
    first, second = network(dtype), network(dtype)
    return first, build_optimizer(name, arguments, first), second, build_optimizer(name, arguments, second)


@pytest.mark.parametrize(("name", "arguments"), FUSED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_it_is_torchs_step_to_the_last_bit(name: str, arguments: dict[str, Any], dtype: torch.dtype) -> None:
    """Parameters and state, whatever the arguments; every step but one that makes the state is fused."""
    model, optimizer, other, reference = both(name, arguments, dtype)
    fused = fused_through(model, optimizer, gradients(model))
    step_through(other, reference, gradients(other))

    assert fused[1:] == [True, True, True]
    assert_equal(model, optimizer, other, reference)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_it_is_torchs_step_in_half_precision(name: str) -> None:
    """Also for parameters in bfloat16; SGD in it is not fused, because torch's kernel skips parameters."""
    model, optimizer, other, reference = both(name, {}, torch.bfloat16)
    fused = fused_through(model, optimizer, gradients(model))
    step_through(other, reference, gradients(other))

    assert fused[1:] == [True, True, True]
    assert_equal(model, optimizer, other, reference)


@pytest.mark.parametrize(("name", "arguments"), FUSED)
def test_a_parameter_without_a_gradient_stays_where_it_is(name: str, arguments: dict[str, Any]) -> None:
    """Torch neither moves nor decays it, nor counts the step for it; also where it had a gradient before."""
    model, optimizer, other, reference = both(name, arguments)
    steps = gradients(model, 5)
    steps[1][2] = steps[2][2] = steps[2][0] = steps[3][5] = None
    fused = fused_through(model, optimizer, steps)
    step_through(other, reference, steps)

    assert fused[1:] == [True] * 4
    assert_equal(model, optimizer, other, reference)


def test_a_parameter_that_gets_its_first_gradient_later_gets_its_state_from_torch() -> None:
    """The step that makes it is torch's own, for all parameters."""
    model, optimizer, other, reference = both("adamw", {})
    steps = gradients(model, 4)
    steps[0][3] = steps[1][3] = None
    fused = fused_through(model, optimizer, steps)
    step_through(other, reference, steps)

    assert fused == [False, True, False, True]
    assert_equal(model, optimizer, other, reference)


def test_groups_have_their_own_arguments() -> None:
    """Rates and decay of each group, as a schedule has set them; a group without gradients is left out."""

    def optimizer_of(model: nn.Sequential) -> Optimizer:
        groups: list[dict[str, Any]] = [
            {"params": model[0].parameters(), "lr": 0.1},
            {"params": model[2].parameters(), "weight_decay": 0.5},
            {"params": model[3].parameters(), "betas": (0.5, 0.6)},
        ]
        return torch.optim.AdamW(groups, fused=True)

    model, other = network(), network()
    optimizer, reference = optimizer_of(model), optimizer_of(other)
    steps = gradients(model)
    steps[2][:2] = [None, None]
    for values in steps:
        fused_through(model, optimizer, [values])
        step_through(other, reference, [values])
        for one in (optimizer, reference):
            one.param_groups[1]["lr"] *= 0.5

    assert_equal(model, optimizer, other, reference)


@pytest.mark.parametrize(("name", "arguments"), FUSED)
def test_a_restored_optimizer_goes_on(name: str, arguments: dict[str, Any]) -> None:
    """From the state of another one, fused from its first step on."""
    model, optimizer, other, reference = both(name, arguments)
    steps = gradients(model)
    step_through(model, optimizer, steps[:2])
    step_through(other, reference, steps)
    restored = build_optimizer(name, arguments, model)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    fused = fused_through(model, restored, steps[2:])

    assert fused == [True, True]
    assert_equal(model, restored, other, reference)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_scheduler_of_torch_sees_that_the_optimizer_has_stepped(name: str) -> None:
    """Otherwise it would warn of a wrong order; and the wrapper that it puts around a step does not prevent a fused one."""
    model = network()
    optimizer = build_optimizer(name, {"lr": 0.1}, model)
    step_through(model, optimizer, gradients(model, 1))
    scheduler = CosineAnnealingLR(optimizer, 10)
    fused = fused_through(model, optimizer, gradients(model, 1))
    scheduler.step()

    assert fused == [True]
    assert optimizer.param_groups[0]["lr"] < 0.1


class Halving(torch.optim.AdamW):
    """The team's own optimiser on top of one of torch's."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["lr"] *= 0.5
        return super().step(closure)


def plain(model: nn.Module, **arguments: Any) -> Optimizer:
    return torch.optim.AdamW(model.parameters(), **arguments)


def with_a_hook(model: nn.Module) -> Optimizer:
    optimizer = plain(model, fused=True)
    optimizer.register_step_pre_hook(lambda *_: None)
    return optimizer


def with_a_step_of_its_own(model: nn.Module) -> Optimizer:
    optimizer = plain(model, fused=True)
    own = optimizer.step

    def step(closure: Any = None) -> Any:
        return own(closure)

    optimizer.step = step  # type: ignore[method-assign]
    return optimizer


@pytest.mark.parametrize(
    "make",
    [
        plain,
        with_a_hook,
        with_a_step_of_its_own,
        lambda model: Halving(model.parameters(), fused=True),
        lambda model: plain(model, foreach=True),
        lambda model: plain(model, fused=True, lr=torch.tensor(0.1)),
        lambda model: build_optimizer("sgd", {"lr": 0.1}, model.bfloat16()),
        lambda model: build_optimizer("rmsprop", {}, model),
        lambda model: build_optimizer("adagrad", {}, model),
    ],
)
def test_everything_else_is_left_to_torch(make: Any) -> None:
    """An optimiser that is not fused or not torch's own, and whatever somebody has put around a step."""
    model = network()
    optimizer = make(model)
    fused = fused_through(model, optimizer, gradients(model))

    assert fused == [False] * 4


def test_a_hook_for_all_optimizers_is_run() -> None:
    """Such as that of a profiler or of a library of experiments."""
    model = network()
    optimizer = build_optimizer("adamw", {}, model)
    called: list[Optimizer] = []
    handle = register_optimizer_step_post_hook(lambda one, *_: called.append(one))
    try:
        fused_through(model, optimizer, gradients(model))
    finally:
        handle.remove()

    assert called == [optimizer] * 4
