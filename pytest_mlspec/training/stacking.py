"""Several small networks as one: each parameter a stack over the seeds, one batched product where each had its own.

Which networks, and with what around them, says `why_not_stacked`. What is left out could not be exact, was not tried, or does
not pay: products of wide layers are large enough by themselves.

Shape letters: S seeds, B rows of a batch, F inputs of a layer, H outputs of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pytest_mlspec.training.batches import ResidentSource, Source
from pytest_mlspec.training.loop import LoopSettings
from pytest_mlspec.training.losses import Loss, LossFunction
from pytest_mlspec.training.state import State

Chain = Callable[[nn.Module], nn.Sequential | None]
"""The layers of a model whose forward is nothing but these in their order; None where there are no such."""

# Eight seeds of 64-64-64-10 go 2.5 times as fast together, 64-128-128-10 1.7 times, and 784-128-10 1.1 times.
_WIDEST, _MOST_INPUTS = 128, 1024
# What these compute for a number depends on no other number, so they may see the rows of all seeds together.
_ELEMENTWISE = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Identity)
# So do these, and they are made again from the arguments of their groups alone, which Adagrad is not.
_ELEMENTWISE_OPTIMIZERS = frozenset(
    {optim.Adam, optim.AdamW, optim.SGD, optim.NAdam, optim.RAdam, optim.Adamax, optim.RMSprop, optim.Adadelta}
)
_LOSSES = frozenset(
    {"cross_entropy", "mse", "l1", "smooth_l1", "huber", "binary_cross_entropy", "binary_cross_entropy_with_logits"}
)


def chain_of_sequential(model: nn.Module) -> nn.Sequential | None:
    """A `Chain` that knows `nn.Sequential` alone."""
    return model if type(model) is nn.Sequential else None


def why_not_stacked(
    states: Sequence[State],
    source: Source,
    *,
    settings: LoopSettings,
    loss: LossFunction,
    chain_of: Chain = chain_of_sequential,
) -> str:
    """Why the trainings `states`, at their beginning, cannot be one, or why it would not pay; empty where it can and pays."""
    return (
        _why_not_settings(states, source, settings, loss)
        or next(filter(None, (_why_not_state(state) for state in states)), "")
        or _why_not_models([chain_of(state.model) for state in states], source)
        or _why_not_together(states)
    )


class Stack:
    """The networks `chains` as one, with copies of their parameters, and one optimiser with the groups of the first one's.

    The parameters of a group are views of one tensor [S, P], and their gradients are brought into another one, so that norm,
    clipping and update are one operation each.
    """

    def __init__(self, chains: Sequence[nn.Sequential], optimizer: Optimizer) -> None:
        self._chains = chains
        self._stacked: dict[str, Tensor] = {}
        self._members: list[list[Tensor]] = []
        names = {id(parameter): name for name, parameter in chains[0].named_parameters()}
        groups: list[dict[str, Any]] = []
        for group in optimizer.param_groups:
            members = [names[id(parameter)] for parameter in group["params"]]
            flat_SP = torch.stack([_flat(chain, members) for chain in chains])
            flat_SP.grad = torch.empty_like(flat_SP)
            groups.append({**group, "params": [flat_SP]})
            sizes = [parameter.numel() for parameter in group["params"]]
            for name, parameter, values_SP in zip(
                members, group["params"], torch.split(flat_SP, sizes, dim=1), strict=True
            ):
                self._stacked[name] = values_SP.view(len(chains), *parameter.shape).requires_grad_()
            self._members.append([self._stacked[name] for name in members])
        kind: Callable[..., Optimizer] = type(optimizer)
        self.optimizer = kind(groups)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Outputs [S, B, …] for inputs [S, B, …]."""
        values = inputs
        for position, layer in enumerate(self._chains[0]):
            match layer:
                case nn.Flatten():
                    values = values.flatten(2)
                case nn.Linear():
                    weight_SFH = self._stacked[f"{position}.weight"].transpose(1, 2)
                    bias_SH = self._stacked.get(f"{position}.bias")
                    values = (
                        torch.bmm(values, weight_SFH)
                        if bias_SH is None
                        else torch.baddbmm(bias_SH.unsqueeze(1), values, weight_SFH)
                    )
                case _:
                    values = layer(values)
        return values

    @property
    def parameters(self) -> list[Tensor]:
        """All parameters, [S, P] for each group."""
        return [group["params"][0] for group in self.optimizer.param_groups]

    def compute_gradients(self, loss_S: Tensor) -> list[Tensor]:
        """The gradients of the loss of each seed, [S, P] for each group, where the optimiser finds them."""
        loss_S.backward(torch.ones_like(loss_S))  # type: ignore[no-untyped-call]
        found: list[Tensor] = []
        for members, flat_SP in zip(self._members, self.parameters, strict=True):
            assert flat_SP.grad is not None, "a stack is made with its gradient"
            torch.cat([one.grad.flatten(1) for one in members if one.grad is not None], dim=1, out=flat_SP.grad)
            found.append(flat_SP.grad)
            for one in members:
                one.grad = None
        return found

    def copy_to_networks(self) -> None:
        """Gives every network the values of its parameters."""
        with torch.no_grad():
            for name, stacked in self._stacked.items():
                for chain, values in zip(self._chains, stacked.unbind(), strict=True):
                    chain.get_parameter(name).copy_(values)


def _flat(chain: nn.Sequential, names: Sequence[str]) -> Tensor:
    return torch.cat([chain.get_parameter(name).detach().flatten() for name in names])


def _why_not_settings(states: Sequence[State], source: Source, settings: LoopSettings, loss: LossFunction) -> str:
    if len(states) < 2:
        return "there is one seed"
    if settings.early_stop is not None:
        return "early_stop ends each seed at a step of its own"
    if settings.accumulate > 1:
        return "a step takes several batches"
    if settings.precision != "fp32":
        return f"precision is {settings.precision}"
    if type(source) is not ResidentSource:
        return "the rows are not on the device as a whole, or change from epoch to epoch"
    if not isinstance(loss, Loss) or loss.name not in _LOSSES or not loss.is_mean_over_rows:
        return "the loss is not a mean over rows of equal weight"
    return ""


def _why_not_state(state: State) -> str:
    """What one training has that a stack of several cannot have, or was not tried with."""
    if state.device.type != "cpu":
        return f"it was not tried on {state.device.type}"
    if state.average is not None or state.compiled is not None or state.scaler is not None:
        return "the training keeps an average of the weights, is compiled or scales its loss"
    if type(state.optimizer) not in _ELEMENTWISE_OPTIMIZERS:
        return f"{type(state.optimizer).__name__} is not known to treat every number of a parameter alike"
    if state.step or state.optimizer.state or state.rng is not None:
        return "a training has begun already"
    if state.schedule is not None and isinstance(state.schedule.scheduler, ReduceLROnPlateau):
        return "reduce_on_plateau gives each seed a rate of its own"
    trained = {id(parameter) for group in state.optimizer.param_groups for parameter in group["params"]}
    if trained != {id(parameter) for parameter in state.model.parameters() if parameter.requires_grad} or any(
        not parameter.requires_grad for parameter in state.model.parameters()
    ):
        return "some parameters are not trained"
    return ""


def _why_not_models(chains: Sequence[nn.Sequential | None], source: Source) -> str:
    found = [chain for chain in chains if chain is not None]
    if len(found) < len(chains):
        return "the model is no chain of layers"
    for layer in found[0]:
        if reason := _why_not_layer(layer):
            return reason
    first = source.fetch(torch.arange(1)).inputs
    if not isinstance(first, Tensor) or (first.dim() != 2 and not isinstance(found[0][0], nn.Flatten)):
        return "the inputs are not one row of numbers"
    if len({parameter.dtype for parameter in found[0].parameters()}) > 1:
        return "the parameters are not of one type"
    if any(_shape_of(one) != _shape_of(other) for one, other in pairwise(found)):
        return "the models are not of one shape"
    return ""


def _why_not_layer(layer: nn.Module) -> str:
    kind = type(layer)
    if layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks:
        return f"a hook looks at a {kind.__name__}"
    match layer:
        case nn.Linear() if kind is nn.Linear:
            pays = layer.out_features <= _WIDEST and layer.in_features <= _MOST_INPUTS
            return "" if pays else f"a layer of {layer.in_features} x {layer.out_features} is large enough by itself"
        case nn.Flatten() if kind is nn.Flatten and (layer.start_dim, layer.end_dim) == (1, -1):
            return ""
        case nn.Dropout() if kind is nn.Dropout:
            return "" if layer.p == 0 else "dropout draws for each seed from a generator of its own"
    return "" if kind in _ELEMENTWISE else f"a {kind.__name__} was not tried"


def _why_not_together(states: Sequence[State]) -> str:
    described = [(_optimizer_of(state), _schedule_of(state)) for state in states]
    return "" if all(one == described[0] for one in described) else "the optimizers or schedules are not the same"


def _shape_of(chain: nn.Sequential) -> object:
    return [
        (type(layer), repr(layer), [(parameter.shape, parameter.dtype) for parameter in layer.parameters()])
        for layer in chain
    ]


def _optimizer_of(state: State) -> object:
    names: Mapping[int, str] = {id(parameter): name for name, parameter in state.model.named_parameters()}
    return [
        {**group, "params": [names[id(parameter)] for parameter in group["params"]]}
        for group in state.optimizer.param_groups
    ]


def _schedule_of(state: State) -> object:
    return None if state.schedule is None else (type(state.schedule.scheduler), state.schedule.interval)
