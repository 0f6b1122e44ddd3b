"""Engines by name: what carries out a training. Nothing heavy is imported before an engine runs.

An engine is one function, `(job, work) -> Result` with a `TrainingRun`, in a module of its own; `restore` gives back what it
trained. To add one, write the module and its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pytest_mlspec.jobs import (
    ChanceScore,
    ConstantLoss,
    CountCost,
    Embed,
    GradientFlow,
    Interrupt,
    Job,
    ObserveInputs,
    ProbeCapacity,
    ProbeLoss,
    ReferenceStep,
    ReplaySchedule,
    Resume,
    SearchProperties,
    Serve,
    TraceMemory,
    Train,
    TrainSeeds,
    WatchLoop,
)
from pytest_mlspec.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from pytest_mlspec.recipe.protocol import Examples, Inputs
    from pytest_mlspec.recipe.work import Result, Work


class Predictor(Protocol):
    """A trained model in evaluation mode."""

    @property
    def dtype(self) -> str:
        """The precision that it computes in, `float32` or `float64`."""

    @property
    def model(self) -> Any:
        """What was trained: an nn.Module in evaluation mode, an estimator, what the team's fit returned."""

    def __call__(self, inputs: Inputs) -> NDArray[np.float64]:
        """The predictions for prepared inputs, in the order of the rows: probabilities [N, C] or values [N]."""

    def outputs(self, examples: Examples) -> NDArray[Any]:
        """What the model itself gives for `examples` as one batch, such as logits."""

    def precise(self) -> Predictor:
        """The same model in float64 where it can compute in that, else this one."""


@runtime_checkable
class ModulePredictor(Predictor, Protocol):
    """A trained nn.Module, and the tensors that enter it."""

    @property
    def module(self) -> nn.Module:
        """The module, in evaluation mode."""

    def tensors(self, examples: Examples) -> tuple[Tensor, ...] | Mapping[str, Tensor]:
        """What the module takes for `examples` as one batch: `module(*tensors)`, or `module(**tensors)` by name."""


@dataclass(frozen=True)
class Engine:
    """One engine: the module of its functions `run` and `restore`, and what it can be asked.

    `preload` says that its workers are forked from the server that has torch imported; `refuses` names the keys of `train`
    that mean nothing to it. `no_steps` says why it cannot train for a number of steps or on a few batches, `no_repeat` why it
    cannot train once more, empty where it can; `cannot_do` holds the other jobs that it cannot do, with the reason. `trainer`
    names what takes the arguments that stand beside `engine: {use: …}`, empty where nothing does. `kind` is that of its models:
    an nn.Module (its predictor is a `ModulePredictor`), an estimator, or the team's `own`, which the team's code alone can
    export.
    """

    name: str
    module: str
    preload: bool
    refuses: frozenset[str] = frozenset()
    no_steps: str = ""
    no_repeat: str = ""
    cannot_do: Mapping[type[Any], str] = field(default_factory=dict)
    trainer: str = ""
    kind: Literal["module", "estimator", "own"] = "module"

    def cannot(self, job: Job) -> str:
        """Why this engine cannot do `job`; empty where it can."""
        match job:
            case Train(batches=None, steps=None, fresh=fresh, shuffled=shuffled):
                return self.no_repeat if fresh or shuffled else ""
            case ChanceScore(of=training):
                return self.cannot(training)
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

    @property
    def initial(self) -> Callable[[Work], Predictor] | None:
        """Gives the model before the training; None where the engine has none."""
        initial: Callable[[Work], Predictor] | None = getattr(import_module(self.module), "initial", None)
        return initial


_OF_THE_LOOP = frozenset(
    {"loss", "optimizer", "schedule", "epochs", "steps", "batch_size", "accumulate", "clip_norm"}
    | {"shuffle", "sampler", "drop_last", "early_stop", "ema", "freeze", "precision", "deterministic", "compile"}
    | {"channels_last", "workers", "timeout", "checkpoint", "device"}
)

_NO_TEXTS = "its model embeds no texts; the engine sentence_transformers does"
_NOT_OF_EMBEDDING: Mapping[type[Any], str] = {Embed: _NO_TEXTS}


_OF_THE_OPTIMIZER = frozenset({"optimizer", "schedule", "ema", "freeze"})
_OF_THE_CORE = frozenset({"compile", "channels_last", "workers", "timeout", "checkpoint"})
_NOT_OF_TRAINER = _OF_THE_CORE | {"sampler", "ema"}


def _whole_fits(resume: str, gradients: str) -> Mapping[type[Any], str]:
    """What an engine cannot do that fits a model as a whole, with its reasons."""
    steps = {TraceMemory: gradients, GradientFlow: gradients, ReferenceStep: gradients}
    return {**_NOT_OF_EMBEDDING, **steps, Interrupt: resume, Resume: resume}


def _steps_taken_by(whom: str) -> str:
    return f"its steps are taken by {whom}, and held against none of the engine torch"


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
            ProbeCapacity: "an estimator of scikit-learn has no layers to look into",
            ObserveInputs: "an estimator of scikit-learn has no layers to look into",
            WatchLoop: "an estimator of scikit-learn is fitted as a whole, not step by step",
            ProbeLoss: "an estimator of scikit-learn has a loss of its own",
            ReplaySchedule: "an estimator of scikit-learn has no schedule",
        },
        trainer="the fit of the estimator",
        kind="estimator",
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
        cannot_do={
            **_whole_fits(
                "the team's own fit cannot be interrupted; a recipe with training_step can be",
                "the team's own fit hides its steps; a recipe with training_step and loss can be asked",
            ),
            ObserveInputs: "the team's own fit hides its layers; a recipe with training_step and loss can be asked",
            SearchProperties: "the team's own fit is trained again for each measurement on its model",
            Serve: "its `predict` takes prepared inputs, and is what the metrics are computed from",
        },
        kind="own",
    ),
)
_TRAINED = "the model is trained already"
ENGINES.add(
    "trained",
    Engine(
        "trained",
        "pytest_mlspec.engines.trained",
        preload=True,
        refuses=(_OF_THE_LOOP | {"seeds"}) - {"loss", "device"},
        no_steps=_TRAINED,
        no_repeat=_TRAINED,
        cannot_do={
            **_whole_fits(_TRAINED, _TRAINED),
            ConstantLoss: _TRAINED,
            ReplaySchedule: _TRAINED,
            WatchLoop: _TRAINED,
            ObserveInputs: _TRAINED,
        },
    ),
)
_STEPS_OF_TEXTS = "the steps are taken by the trainer of sentence-transformers, which does much else between them"
ENGINES.add(
    "sentence_transformers",
    Engine(
        "sentence_transformers",
        "pytest_mlspec.engines.sentence_transformers",
        preload=True,
        refuses=_OF_THE_CORE | {"shuffle", "sampler", "ema"},
        cannot_do={
            TraceMemory: _STEPS_OF_TEXTS,
            GradientFlow: _STEPS_OF_TEXTS,
            ReferenceStep: _STEPS_OF_TEXTS,
            WatchLoop: _STEPS_OF_TEXTS,
            ObserveInputs: "its model takes texts",
            ProbeLoss: "its losses embed the texts themselves, and are no functions of outputs",
        },
        trainer="sentence_transformers.SentenceTransformerTrainingArguments",
    ),
)
ENGINES.add(
    "lightning",
    Engine(
        "lightning",
        "pytest_mlspec.engines.lightning",
        preload=True,
        refuses=_OF_THE_OPTIMIZER | _OF_THE_CORE,
        cannot_do={
            **_NOT_OF_EMBEDDING,
            TraceMemory: "its steps are taken by Lightning, which does much else between them",
            ReferenceStep: _steps_taken_by("Lightning"),
        },
        trainer="lightning.Trainer",
    ),
)
ENGINES.add(
    "transformers",
    Engine(
        "transformers",
        "pytest_mlspec.engines.transformers",
        preload=True,
        refuses=_NOT_OF_TRAINER,
        cannot_do={
            **_NOT_OF_EMBEDDING,
            TraceMemory: "its steps are taken by the Trainer, which does much else between them",
            ReferenceStep: _steps_taken_by("the Trainer"),
        },
        trainer="transformers.TrainingArguments",
    ),
)
ENGINES.add(
    "keras",
    Engine(
        "keras",
        "pytest_mlspec.engines.keras",
        preload=True,
        refuses=_OF_THE_OPTIMIZER | _OF_THE_CORE | {"loss", "accumulate", "clip_norm", "precision"},
        cannot_do={
            **_NOT_OF_EMBEDDING,
            TraceMemory: "its steps are taken by Keras, which does much else between them",
            ReferenceStep: _steps_taken_by("Keras"),
            WatchLoop: "its steps are taken by an optimiser of Keras, which tells nobody of them",
            ProbeLoss: "the compiled model of Keras has a loss of its own",
            ObserveInputs: "the layers of Keras are none of torch",
        },
        trainer="Model.fit",
    ),
)
