"""What the spec declares of a step, and what can be implied where it declares nothing.

part        asked                            written                     implied
loss        `reference_step: {loss: …}`      `train.loss`                the recipe's loss, for a step of its own;
                                                                         else the default of the task
optimizer   `reference_step: {optimizer: …}` `train.optimizer`           what the recipe's own optimiser says of itself
clip_norm   `reference_step: {clip_norm: …}` `train.clip_norm`           no clipping
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.class_weights import balanced
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.evidence.steps import Declared
from pytest_mlspec.jobs.steps import ReferenceStep
from pytest_mlspec.language.spec import Spec, Use
from pytest_mlspec.recipe import built
from pytest_mlspec.recipe.protocol import POINTS, Recipe
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training import losses, next_token
from pytest_mlspec.training.losses import LossFunction

OWN_POINTS = ("training_step", "loss", "optimizer")


@dataclass(frozen=True)
class DeclaredLoss:
    """The loss of the reference. `name` and `arguments` are those of a loss by name, empty for a function of the team's own."""

    function: LossFunction
    text: str
    declared: Declared
    name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DeclaredOptimizer:
    """The optimiser of the reference. `make` builds it for a model; None where it is the one that the training has."""

    text: str
    declared: Declared
    make: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class DeclaredStep:
    """What a step should do. `own` are the points of a step that the team's code gives.

    `own_loss` is a loss of theirs that is a reference too: for their step, or for micro-batches of the loop as one batch.
    """

    own: frozenset[str]
    task: str
    loss: DeclaredLoss
    own_loss: DeclaredLoss | None
    optimizer: DeclaredOptimizer
    clip_norm: float | None
    clip: Declared
    schedule: bool
    balanced: Tensor

    @property
    def losses(self) -> tuple[DeclaredLoss, ...]:
        """The losses that a step is held against, in the order of how much they say."""
        return (self.loss,) if self.own_loss is None else (self.loss, self.own_loss)

    @property
    def takes_steps(self) -> bool:
        """Whether the team's code has a step of its own."""
        return "training_step" in self.own


def own_points(recipe: Recipe) -> frozenset[str]:
    """The points of a step that are the team's own."""
    return recipe.given & frozenset(OWN_POINTS)


def declared_step(job: ReferenceStep, work: Work, assembly: Assembly) -> DeclaredStep:
    """What `job` and the spec say, for the recipe of `work`; raises MlspecError for a loss or optimiser that cannot be made."""
    train, recipe = work.spec.train, work.recipe
    clip_norm = train.clip_norm if job.clip_norm is None else job.clip_norm
    return DeclaredStep(
        own_points(recipe),
        recipe.task,
        _loss(job, work, assembly),
        _own_loss(work, assembly),
        _optimizer(job, work),
        clip_norm,
        "asked" if job.clip_norm is not None else "written" if train.clip_norm is not None else "implied",
        train.schedule is not None or recipe.schedule is not None,
        _balanced(assembly),
    )


def _loss(job: ReferenceStep, work: Work, assembly: Assembly) -> DeclaredLoss:
    train, task = work.spec.train, work.recipe.task
    if job.loss is not None:
        use = _use(job.loss)
        asked = work.spec.model_copy(update={"train": train.model_copy(update={"loss": use})})
        return _named(use, _point("loss", asked, work, assembly), task, "asked")
    # A loss by import path is the team's own: their step is held against it, and it itself against the default.
    if train.loss is not None and (not train.loss.is_path or "training_step" in work.recipe.given):
        use = balanced(train, assembly.prepared).loss or train.loss
        return _named(use, assembly.loss, task, "written")
    use = Use(use=_default(work, assembly))
    return _named(use, _built(use, task), task, "implied")


def _default(work: Work, assembly: Assembly) -> str:
    """The default loss of the task, in its form for one output a row where the model has one."""
    name = built.default_loss(work.recipe.task)
    if name != "cross_entropy" or len(assembly.prepared.classes) != 2:
        return name
    shape = assembly.output_shape(assembly.new_model(work.spec.train.seed))
    return "binary_cross_entropy_with_logits" if len(shape) == 1 or shape[1:] == (1,) else name


def _own_loss(work: Work, assembly: Assembly) -> DeclaredLoss | None:
    given = work.recipe.given
    if "loss" not in given or (work.spec.train.loss is not None and "training_step" in given):
        return None
    if "training_step" in given:
        return DeclaredLoss(assembly.loss, "the recipe's loss", "implied")
    if assembly.settings.accumulate > 1:
        return DeclaredLoss(assembly.loss, "the recipe's loss of all rows at once", "implied")
    return None


def _use(text: str) -> Use:
    """What stands under a key of `train`, from JSON."""
    given = json.loads(text)
    return Use(use=given.pop("use"), arguments=given)


def _named(use: Use, function: LossFunction, task: str, declared: Declared) -> DeclaredLoss:
    origin = {"asked": "as asked", "written": "train.loss", "implied": f"the default of {task}"}[declared]
    text = f"{use.use} ({origin})"
    return DeclaredLoss(function, text, declared, *(("", {}) if use.is_path else (use.use, use.arguments)))


def _built(use: Use, task: str) -> LossFunction:
    make = next_token.build if task == "language_model" else losses.build
    return make(use.use, use.arguments)


def _optimizer(job: ReferenceStep, work: Work) -> DeclaredOptimizer:
    train = work.spec.train
    if job.optimizer is not None:
        use = _use(job.optimizer)
        asked = work.spec.model_copy(update={"train": train.model_copy(update={"optimizer": use})})
        return DeclaredOptimizer(f"{_shown(use)} (as asked)", "asked", _point("optimizer", asked, work))
    if "optimizer" in work.recipe.given:
        return DeclaredOptimizer("the recipe's optimizer", "implied")
    written = "optimizer" in train.model_fields_set
    origin = "train.optimizer" if written else "the default"
    return DeclaredOptimizer(f"{_shown(train.optimizer)} ({origin})", "written" if written else "implied")


def _shown(use: Use) -> str:
    given = ", ".join(f"{name} {value}" for name, value in use.arguments.items() if not isinstance(value, dict))
    return f"{use.use}, {given}" if given else use.use


def _point(name: str, spec: Spec, work: Work, assembly: Assembly | None = None) -> Any:
    """The point that `spec` declares, where the recipe of `work` may give one of its own."""
    if name == "loss" and assembly is not None and spec.train.loss is not None and not spec.train.loss.is_path:
        with_numbers = balanced(spec.train, assembly.prepared).loss
        assert with_numbers is not None, "it is the same loss"
        return _built(with_numbers, work.recipe.task)
    without = frozenset(POINTS) - {name} | {"datasets", "fold"}
    points = built.build(spec, task=work.recipe.task, root=work.root, allowed=work.allowed, without=without).points
    if name not in points:
        raise MlspecError(f"no {name} can be made of this", key="checks", advice=f"write it as under `train.{name}`")
    return points[name]


def _balanced(assembly: Assembly) -> Tensor:
    """The weights with which all classes count alike; empty for values, and where a class has no row."""
    classes = len(assembly.prepared.classes)
    targets = torch.from_numpy(assembly.prepared.splits["train"].targets)
    if not classes or targets.dim() != 1 or targets.is_floating_point():
        return torch.zeros(0)
    counts = torch.bincount(targets.long(), minlength=classes).double()
    return len(targets) / (classes * counts) if bool((counts > 0).all()) else torch.zeros(0)
