"""Engines by name: what carries out a training. Nothing heavy is imported before an engine runs.

An engine is one function, `(job, work) -> Result` with a `TrainingRun`, in a module of its own; `restore` gives back what it
trained. To add one, write the module and its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from pytest_mlspec.jobs import (
    CountCost,
    Embed,
    EvaluateTask,
    GradientFlow,
    Interrupt,
    Job,
    Resume,
    TraceMemory,
    Train,
    TrainSeeds,
)
from pytest_mlspec.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlspec.recipe.protocol import Examples, Inputs
    from pytest_mlspec.recipe.work import Result, Work


class Predictor(Protocol):
    """A trained model in evaluation mode."""

    @property
    def dtype(self) -> str:
        """The precision that it computes in, `float32` or `float64`."""

    def __call__(self, inputs: Inputs) -> NDArray[np.float64]:
        """The predictions for prepared inputs, in the order of the rows: probabilities [N, C] or values [N]."""

    def outputs(self, examples: Examples) -> NDArray[Any]:
        """What the model itself gives for `examples` as one batch, such as logits."""

    def precise(self) -> Predictor:
        """The same model in float64 where it can compute in that, else this one."""


@dataclass(frozen=True)
class Engine:
    """One engine: the module of its functions `run` and `restore`, and what it can be asked.

    `preload` says that its workers are forked from the server that has torch imported; `refuses` names the keys of `train`
    that mean nothing to it. `no_steps` says why it cannot train for a number of steps or on a few batches, empty where it can;
    `cannot_do` holds the other jobs that it cannot do, with the reason. `trainer` names what takes the arguments that stand
    beside `engine: {use: …}`, empty where nothing does.
    """

    name: str
    module: str
    preload: bool
    refuses: frozenset[str] = frozenset()
    no_steps: str = ""
    cannot_do: Mapping[type[Any], str] = field(default_factory=dict)
    trainer: str = ""

    def cannot(self, job: Job) -> str:
        """Why this engine cannot do `job`; empty where it can."""
        match job:
            case Train(batches=None, steps=None):
                return ""
            case Train():
                return self.no_steps
            case _:
                return self.cannot_do.get(type(job), "")

    @property
    def run(self) -> Callable[[Train | TrainSeeds | Interrupt | Resume, Work], Result]:
        """Carries out a training."""
        run: Callable[[Train | TrainSeeds | Interrupt | Resume, Work], Result] = import_module(self.module).run
        return run

    @property
    def restore(self) -> Callable[[Train, Work], Predictor]:
        """Gives back the model that `job` trained: read from its stored result, or trained again where none can be stored."""
        restore: Callable[[Train, Work], Predictor] = import_module(self.module).restore
        return restore


_OF_THE_LOOP = frozenset(
    {"loss", "optimizer", "schedule", "epochs", "steps", "batch_size", "accumulate", "clip_norm"}
    | {"shuffle", "sampler", "drop_last", "early_stop", "ema", "freeze", "precision", "deterministic", "compile"}
    | {"channels_last", "workers", "timeout", "checkpoint", "device"}
)

_NO_TEXTS = "its model embeds no texts; the engine sentence_transformers does"
_NOT_OF_EMBEDDING: Mapping[type[Any], str] = {Embed: _NO_TEXTS, EvaluateTask: _NO_TEXTS}


def _whole_fits(resume: str, gradients: str) -> Mapping[type[Any], str]:
    """What an engine cannot do that fits a model as a whole, with its reasons."""
    steps = {TraceMemory: gradients, GradientFlow: gradients}
    return {**_NOT_OF_EMBEDDING, **steps, Interrupt: resume, Resume: resume}


ENGINES: Registry[Engine] = Registry("engine")
ENGINES.add("torch", Engine("torch", "pytest_mlspec.engines.torch", preload=True, cannot_do=_NOT_OF_EMBEDDING))
ENGINES.add(
    "sklearn",
    Engine(
        "sklearn",
        "pytest_mlspec.engines.sklearn",
        preload=False,
        refuses=_OF_THE_LOOP,
        no_steps="an estimator of scikit-learn is fitted as a whole, not batch by batch",
        cannot_do={
            **_whole_fits(
                "an estimator of scikit-learn cannot be interrupted and resumed",
                "an estimator of scikit-learn has no gradients",
            ),
            CountCost: "an estimator of scikit-learn has no layers to count",
        },
    ),
)
ENGINES.add(
    "callable",
    Engine(
        "callable",
        "pytest_mlspec.engines.callable",
        preload=True,
        refuses=_OF_THE_LOOP,
        no_steps="the team's own fit decides its batches; a recipe with training_step and loss can be asked",
        cannot_do=_whole_fits(
            "the team's own fit cannot be interrupted; a recipe with training_step can be",
            "the team's own fit hides its steps; a recipe with training_step and loss can be asked",
        ),
    ),
)
