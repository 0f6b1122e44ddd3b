"""The updates of the team's steps, given the gradients that they step on, against those of the declared optimiser.

The declared one steps a copy of the model from the weights that the team's step began with, by the same gradients, and keeps a
state of its own over the steps. Where the recipe gives the optimiser and nothing says what it should be, it is a copy of
itself, with the settings that it has: that still tells a decay that is applied beside it, and a state that is lost.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.evidence.steps import ComparedPart
from pytest_mlspec.probes.reference_step_declared import DeclaredStep
from pytest_mlspec.probes.reference_step_distance import difference, distance, factor, norm
from pytest_mlspec.probes.reference_step_losses import Explanation
from pytest_mlspec.probes.reference_step_watch import Taken, Tensors

# What picks an implementation, or is written by a schedule for itself.
_NO_SETTING = frozenset({"fused", "foreach", "capturable", "differentiable", "initial_lr", "max_lr", "min_lr"})
# An update is the small difference of two large numbers: single precision rounds it by this share of the weights.
_ROUNDING = {torch.float64: 0.0, torch.float32: 1e-6}

Pair = tuple[nn.Module, Optimizer]
Settings = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Updates:
    """The updates of `taken`, beside those of the declared optimiser; `own` is a copy of the team's before the first step."""

    taken: Sequence[Taken]
    declared: DeclaredStep
    own: Pair
    tolerance: float

    def found(self) -> ComparedPart | str:
        """The comparison; in words, why there is none."""
        for number, one in enumerate(self.taken):
            if one.closure:
                return "update: the optimizer works out the gradients itself, as LBFGS and SAM do"
            if one.updates > 1 and one.forwards_between:
                return "update: a step updates several times, with calls of the model between"
            if not one.updates or one.broken_off:
                return "update: the step takes no update"
            if one.updates > 1:
                once = {name: one.stepped_to[name] - one.stepped_from[name] for name in one.stepped_to}
                return self._part(
                    number, _move(one), once, Explanation("stepped_twice", f"{one.updates} updates a step")
                )
        try:
            expected = self._replayed(self._reference(), self._settings)
        except MlspecError:  # what is asked for cannot be made
            raise
        except Exception as error:
            return f"update: a copy of the optimizer cannot take the step ({type(error).__name__}: {error})"
        apart = [distance(_move(one), move).share for one, move in zip(self.taken, expected, strict=True)]
        allowed = [self._allowed(one) for one in self.taken]
        worst = max(range(len(apart)), key=lambda number: apart[number] / allowed[number])
        why = Explanation("") if apart[worst] <= allowed[worst] else self._why(expected)
        return self._part(worst, _move(self.taken[worst]), expected[worst], why)

    def _part(self, number: int, found: Tensors, expected: Tensors, why: Explanation) -> ComparedPart:
        apart, optimizer = distance(found, expected), self.declared.optimizer
        return ComparedPart(
            "update",
            optimizer.text,
            optimizer.declared,
            apart.share,
            self._allowed(self.taken[number]),
            apart.parameter,
            number + 1,
            apart.ratio,
            apart.cosine,
            why.name,
            why.detail,
        )

    def _allowed(self, one: Taken) -> float:
        moved, weights = norm(_move(one).values()), norm(one.before.values())
        dtype = next(iter(one.before.values())).dtype
        return max(self.tolerance, _ROUNDING.get(dtype, 1e-3) * weights / moved) if moved else self.tolerance

    def _reference(self) -> Pair:
        make = self.declared.optimizer.make
        if make is None:
            return copy.deepcopy(self.own)
        model = copy.deepcopy(self.own[0])
        return model, make(model)

    @property
    def _by_hand(self) -> bool:
        """Whether the team's code sets the rate itself: it changes from step to step, and no schedule does it."""
        rates = [
            {name: float(group["lr"]) for name, group in one.settings.items() if "lr" in group} for one in self.taken
        ]
        return not self.declared.schedule and any(each != rates[0] for each in rates)

    def _settings(self, number: int, name: str, group: dict[str, Any]) -> dict[str, Any]:
        """The settings of a parameter in a step of the reference, whose own are `group`."""
        one, kind = self.taken[number], self.declared.optimizer.declared
        if kind == "implied":
            return one.settings.get(name, {})
        if self._by_hand:
            return {"lr": one.settings.get(name, group).get("lr")}
        if not self.declared.schedule:
            return {}
        before = one.settings_before.get(name, {})
        if kind == "written":
            return before
        begins = before.get("initial_lr", self.taken[0].settings_before.get(name, {}).get("lr"))
        return {"lr": group["lr"] * before["lr"] / begins} if begins else {}

    def _replayed(
        self, pair: Pair, settings: Callable[[int, str, dict[str, Any]], Mapping[str, Any]], *, forgets: bool = False
    ) -> list[Tensors]:
        """How far each step of `pair` goes, by the gradients of the team's; with no memory of earlier ones if it `forgets`."""
        moves: list[Tensors] = []
        begin = copy.deepcopy(pair)
        model, optimizer = _each_alone(pair)
        for number, one in enumerate(self.taken):
            if forgets:
                model, optimizer = _each_alone(copy.deepcopy(begin))
            parameters = dict(model.named_parameters())
            names = {id(parameter): name for name, parameter in parameters.items()}
            with torch.no_grad():
                for name, weights in one.before.items():
                    parameters[name].copy_(weights)
                    used = one.used.get(name)
                    parameters[name].grad = None if used is None else used.to(weights.dtype).clone()
            kept = [dict(group) for group in optimizer.param_groups]
            for group in optimizer.param_groups:
                name = names.get(id(group["params"][0]), "")
                group.update({key: value for key, value in settings(number, name, group).items() if key in group})
            optimizer.step()
            for group, before in zip(optimizer.param_groups, kept, strict=True):
                group.update(before)
            moves.append({name: parameters[name].detach() - weights for name, weights in one.before.items()})
        return moves

    def _same(self, moves: Sequence[Tensors]) -> bool:
        return all(
            distance(_move(one), move).share <= self._allowed(one) for one, move in zip(self.taken, moves, strict=True)
        )

    def _why(self, expected: Sequence[Tensors]) -> Explanation:
        for hypothesis in (self._other_settings, self._other_class, self._beside, self._forgets):
            try:
                found = hypothesis()
            except Exception:  # a copy that cannot take the step explains nothing
                found = None
            if found is not None:
                return found
        times = [
            factor(_move(one), move, tolerance=self._allowed(one))
            for one, move in zip(self.taken, expected, strict=True)
        ]
        if times[0] is not None and all(each is not None and abs(each - times[0]) < 1e-3 for each in times):
            return Explanation("scaled", f"the update is {times[0]:.4g} times as large")
        return Explanation("")

    def _other_settings(self) -> Explanation | None:
        """Settings of the team's optimiser that are others than those of the reference."""
        declared = _settings_by_name(self._reference())
        differ: dict[str, list[str]] = {}
        for name, group in declared.items():
            for key, value in group.items():
                found = self.taken[0].settings.get(name, {}).get(key, value)
                wanted = {**group, **self._settings(0, name, group)}.get(key, value)
                if key not in _NO_SETTING and found != wanted:
                    differ.setdefault(key, []).append(name)
        for keys in [*([key] for key in differ), list(differ)] if differ else []:

            def settings(number: int, name: str, group: dict[str, Any], keys: list[str] = keys) -> dict[str, Any]:
                theirs = self.taken[number].settings.get(name, {})
                return {**self._settings(number, name, group), **{key: theirs[key] for key in keys if key in theirs}}

            if self._same(self._replayed(self._reference(), settings)):
                return self._of_settings(keys, differ, declared)
        return None

    def _of_settings(self, keys: Sequence[str], differ: Mapping[str, list[str]], declared: Settings) -> Explanation:
        told = []
        for key in keys:
            name = differ[key][0]
            wanted = {**declared[name], **self._settings(0, name, declared[name])}[key]
            found = self.taken[0].settings[name][key]
            share = (
                "" if len(differ[key]) == len(declared) else f" for {len(differ[key])} of {len(declared)} parameters"
            )
            told.append(f"{key} {_number(found)} in the place of {_number(wanted)}{share}, such as {name}")
        words = {"lr": "other_rate", "weight_decay": "other_decay"}
        return Explanation(
            words.get(keys[0], "other_settings") if len(keys) == 1 else "other_settings", "; ".join(told)
        )

    def _other_class(self) -> Explanation | None:
        if self.declared.optimizer.make is None:
            return None
        moves = self._replayed(
            copy.deepcopy(self.own), lambda number, name, group: self.taken[number].settings.get(name, {})
        )
        if not self._same(moves):
            return None
        found, wanted = type(self.own[1]).__name__, type(self._reference()[1]).__name__
        return Explanation("another_optimizer", f"it is the update of {found}, not of {wanted}")

    def _beside(self) -> Explanation | None:
        """Something beside the optimiser changes the weights within the step."""
        decays = any(group.get("weight_decay") for group in self.taken[0].settings.values())
        for one in self.taken:
            own = {name: one.stepped_to[name] - one.stepped_from[name] for name in one.stepped_to}
            extra = difference(_move(one), own)
            floor = self._allowed(one) * norm(own.values())
            other = {name: tensor for name, tensor in extra.items() if norm([tensor]) > floor}
            if not other:
                return None
            for weights in (one.before, one.stepped_to):
                times = factor(other, {name: weights[name] for name in other}, tolerance=max(self.tolerance, 1e-4))
                if times is not None and times < 0:
                    told = f"{-times:.3g} of the weights is taken off beside the optimizer"
                    return Explanation("decay_twice" if decays else "decay_beside", told)
        return Explanation("weights_changed", "the weights are changed beside the optimizer")

    def _forgets(self) -> Explanation | None:
        if len(self.taken) < 2 or not self._same(self._replayed(self._reference(), self._settings, forgets=True)):
            return None
        return Explanation("state_lost", "each step is that of an optimizer that has seen no step before")


def _each_alone(pair: Pair) -> Pair:
    """The optimiser with a group for each parameter, so that each can have its own settings."""
    model, optimizer = pair
    groups = [{**group, "params": [one]} for group in optimizer.param_groups for one in group["params"]]
    optimizer.param_groups[:] = groups
    return model, optimizer


def _settings_by_name(pair: Pair) -> Settings:
    names = {id(parameter): name for name, parameter in pair[0].named_parameters()}
    return {
        names[id(one)]: {key: value for key, value in group.items() if key != "params"}
        for group in pair[1].param_groups
        for one in group["params"]
        if id(one) in names
    }


def _move(one: Taken) -> Tensors:
    return {name: one.after[name] - one.before[name] for name in one.after}


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
