"""One training by `Model.fit`: begun, left at a step with everything that it needs to go on, and taken up again.

Shape letters: C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import torch
from torch import Tensor

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.keras.reading import Scores
from pytest_mlspec.engines.keras.rows import Rows
from pytest_mlspec.engines.keras.watch import LeftError, Watch
from pytest_mlspec.engines.live import Live
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.engines.until_fitted import UntilFitted
from pytest_mlspec.errors import DataError, TrainingError, did_you_mean
from pytest_mlspec.recipe.targets import label_text
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training.early_stop import Progress
from pytest_mlspec.training.history import History, Record
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.seeding import rng_state
from pytest_mlspec.training.state import State
from pytest_mlspec.training.weights import assign_weights, weights_of

_PROGRESS = ("step", "epoch", "position", "stopped_early")


class Training:
    """One training of `module` as the spec declares it. Without `splits` nothing is measured after an epoch.

    `ends` says when one on a few batches has fitted them.
    """

    def __init__(
        self,
        module: Scores,
        assembly: Assembly,
        work: Work,
        *,
        seed: int,
        splits: Splits | None,
        machine: Machine | None = None,
        ends: UntilFitted | None = None,
        after_step: Callable[[], None] = lambda: None,
    ) -> None:
        self._model = module.model
        self._assembly = assembly
        self._work = work
        self._evaluate = splits.after_epoch(work.spec.train) if splits and assembly.batches is None else None
        self._machine = machine
        self._ends = ends
        self._after_step = after_step
        # The optimiser of Keras has another interface than torch's; nothing that measures this state asks for it.
        self.state = State(module, self._model.optimizer, None, seed, assembly.device.device)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the run should know."""
        name = self._assembly.declared.name
        return (f"losses of steps are those of the compiled loss, those of splits {name} of the outputs",)

    def hold_rate(self, planned: int) -> None:
        """Keeps the rate at the highest that a schedule has in `planned` steps."""
        optimizer = self._model.optimizer
        schedule = optimizer._learning_rate  # the property gives the value alone
        if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            rate = max(float(keras.ops.convert_to_tensor(schedule(step))) for step in range(planned))
            optimizer.learning_rate = lambda: rate

    def fit(self, checkpoint: Path | None = None) -> History:
        """Trains to the end, from `checkpoint` where one is given; the model ends with the weights that the spec keeps."""
        if checkpoint is not None:
            self._restore(checkpoint)
        state = self.state
        if state.position:
            # Keras counts the batches of an epoch once a fit: what is left of this one has a fit of its own.
            self._fit(one_epoch=True)
        if state.step < self._assembly.total_steps and not state.stopped_early:
            self._fit()
        rule = self._assembly.settings.early_stop
        if rule is not None:
            state.early_stop.restore_best(state.model)
        return state.record.history(stopped=self._ended(), best_epoch=state.early_stop.best_epoch)

    def fit_until(self, step: int, checkpoint: Path | None = None) -> bool:
        """Trains to `step`, writes `checkpoint` where it is given, and leaves; false where the training ended before."""
        is_left = self._fit(until=step)
        if is_left and checkpoint is not None:
            torch.save(self._contents(), checkpoint)
        return is_left

    def _fit(self, *, until: int | None = None, one_epoch: bool = False) -> bool:
        """True where the fit was left before its end."""
        assembly, state = self._assembly, self.state
        with keras.device(str(assembly.device.device)), assembly.training_source(state.seed) as source:
            rows = Rows(assembly, source, state, self._class_weights())
            watch = Watch(
                self._model,
                assembly,
                rows=rows,
                state=state,
                live=Live(
                    self._work.report,
                    state,
                    total_steps=assembly.total_steps,
                    steps_per_epoch=rows.steps_per_epoch,
                ),
                evaluate=self._evaluate,
                after_step=self._after_step,
                ends=self._ends,
                after_epoch=lambda: self._machine.sample() if self._machine else None,
                until=until,
                one_epoch=one_epoch,
            )
            self._model.compute_loss = watch.compute_loss
            try:
                self._model.fit(
                    rows,
                    epochs=rows.epochs,
                    initial_epoch=state.epoch,
                    shuffle=False,
                    verbose=0,
                    callbacks=[watch],
                )
            except LeftError:
                return True
            finally:
                del self._model.compute_loss
        return False

    def _class_weights(self) -> Tensor | None:
        """`class_weight` beside `engine: {use: keras}`; raises DataError for a label that is no class.

        Keras would take it by number, and looks each target up in a dictionary.
        """
        weights = self._work.spec.train.engine.arguments.get("class_weight")
        if weights is None:
            return None
        classes = self._assembly.prepared.classes
        weight_C = torch.ones(len(classes))
        for label, weight in weights.items():
            if (text := label_text(label)) not in classes:
                raise DataError(
                    f"there is no class {text!r}",
                    key="train.engine.class_weight",
                    advice=did_you_mean(text, classes) if classes else "a regression has no classes: remove it",
                )
            weight_C[classes.index(text)] = weight
        return weight_C.to(self._assembly.device.device)

    def _contents(self) -> dict[str, Any]:
        state = self.state
        return {
            "model": weights_of(state.model),
            "optimizer": [variable.value.detach().clone() for variable in self._model.optimizer.variables],
            "progress": {name: getattr(state, name) for name in _PROGRESS},
            "early_stop": dict(vars(state.early_stop)),
            "record": state.record.state_dict(),
            "rng": rng_state(),
        }

    def _restore(self, checkpoint: Path) -> None:
        saved: Mapping[str, Any] = torch.load(checkpoint, weights_only=True)
        state, optimizer = self.state, self._model.optimizer
        assign_weights(state.model, saved["model"])
        optimizer.build(self._model.trainable_variables)
        if len(optimizer.variables) != len(saved["optimizer"]):
            raise TrainingError(
                f"the optimizer has {len(optimizer.variables)} variables, {len(saved['optimizer'])} were saved",
                key="model",
            )
        for variable, value in zip(optimizer.variables, saved["optimizer"], strict=True):
            variable.assign(value)
        state.early_stop = Progress(**saved["early_stop"])
        state.record = Record.restored(saved["record"])
        for name, value in saved["progress"].items():
            setattr(state, name, value)
        state.rng = saved["rng"]

    def _ended(self) -> str:
        state, settings, total = self.state, self._assembly.settings, self._assembly.total_steps
        if state.stopped_early:
            return state.stopped_early
        if state.step < total:
            return f"ended by the model after {state.step} of {total} steps"
        return f"finished {settings.epochs} epochs" if settings.steps is None else f"finished {total} steps"
