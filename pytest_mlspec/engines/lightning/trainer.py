"""The Trainer of a spec: what the keys of `train` are to it, and what else it is told so that it leaves nothing behind.

Of what Lightning says, its warnings about loaders and devices are left out: both are the engine's choice.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.lightning.rows import ValidationRows
from pytest_mlspec.engines.lightning.watch import InterruptedTrainingError, Watch
from pytest_mlspec.engines.live import Live
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.engines.until_fitted import UntilFitted
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training.history import History
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.state import State

_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}
_PRECISIONS: Mapping[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
_SAYS = ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero")
_KNOWN_WARNINGS = (
    r".*does not have many workers",  # the rows lie in memory
    r".*You defined a `validation_step` but have no `val_dataloader`",  # a note says so
    r".*(GPU|MPS) available but not used",  # the spec chooses the device
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 on torch 2.13
)


class Training:
    """One training of `module` as the spec declares it. Without `splits` nothing is measured after an epoch.

    `begin` is called once the Trainer has made the optimiser, `after_step` after each of its steps. `ends` says when one on a
    few batches has fitted them.
    """

    def __init__(
        self,
        module: LightningModule,
        assembly: Assembly,
        work: Work,
        *,
        seed: int,
        splits: Splits | None = None,
        machine: Machine | None = None,
        ends: UntilFitted | None = None,
        begin: Callable[[], None] = lambda: None,
        after_step: Callable[[], None] = lambda: None,
    ) -> None:
        self._module = module
        self._assembly = assembly
        self._work = work
        self._seed = seed
        self._evaluate = splits.after_epoch(work.spec.train) if splits and assembly.batches is None else None
        self._machine = machine
        self._ends = ends
        self._begin = begin
        self._after_step = after_step
        self._watch: Watch | None = None

    @property
    def state(self) -> State:
        """The training as far as it has come."""
        assert self._watch is not None, "the training has begun"
        return self._watch.state

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the run should know."""
        name = self._assembly.declared.name or "the team's own loss"
        told = f"losses of steps are what training_step returns, those of splits {name} of what forward returns"
        is_idle = is_overridden("validation_step", self._module) and "val" not in self._assembly.prepared.splits
        return (told, "validation_step is not called: there is no validation split") if is_idle else (told,)

    def fit(self, *, checkpoint: Path | None = None) -> tuple[State, History]:
        """Trains to the end, from `checkpoint` where one is given; the module ends with the weights that the spec keeps."""
        self._fit(restored=checkpoint)
        state, rule = self.state, self._assembly.settings.early_stop
        if rule is not None:
            state.early_stop.restore_best(self._module)
        return state, state.record.history(stopped=self._ended(), best_epoch=state.early_stop.best_epoch)

    def fit_until(self, step: int, checkpoint: Path | None = None) -> bool:
        """Trains to `step`, writes `checkpoint` where it is given, and leaves; false where the training ended before."""
        try:
            self._fit(until=step, saved=checkpoint)
        except InterruptedTrainingError:
            return True
        return False

    def _fit(self, *, until: int | None = None, saved: Path | None = None, restored: Path | None = None) -> None:
        assembly = self._assembly
        with _quiet(), assembly.training_source(self._seed) as source:
            watch = self._watch = Watch(
                assembly,
                source,
                seed=self._seed,
                live=self._live,
                evaluate=self._evaluate,
                begin=self._begin,
                after_step=self._after_step,
                ends=self._ends,
                after_epoch=lambda: self._machine.sample() if self._machine else None,
                until=until,
                checkpoint=saved,
            )
            with from_outside("lightning.Trainer", key="train.engine"):
                trainer = self._trainer(watch)
            trainer.fit(self._module, watch.rows, self._validation(), ckpt_path=restored, weights_only=True)
        # The Trainer leaves the module on the CPU.
        self._module.to(assembly.device.device)

    def _trainer(self, watch: Watch) -> Trainer:
        settings, device = self._assembly.settings, self._assembly.device.device
        arguments = dict(self._work.spec.train.engine.arguments)
        if settings.clip_norm is not None:
            arguments |= {"gradient_clip_val": settings.clip_norm, "gradient_clip_algorithm": "norm"}
        return Trainer(
            accelerator=_ACCELERATORS[device.type],
            devices=[device.index or 0] if device.type == "cuda" else 1,
            max_epochs=settings.epochs if settings.steps is None else -1,
            max_steps=-1 if settings.steps is None else settings.steps,
            accumulate_grad_batches=settings.accumulate,
            precision=_PRECISIONS[settings.precision],
            callbacks=[watch],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=self._work.folder,
            **arguments,
        )

    def _validation(self) -> ValidationRows | None:
        assembly = self._assembly
        rows = assembly.prepared.splits.get("val", ())
        if not len(rows) or assembly.batches is not None or not is_overridden("validation_step", self._module):
            return None
        return ValidationRows(assembly.source(assembly.prepared.splits["val"]), assembly.evaluation_rows)

    def _live(self, state: State) -> Live:
        total = self._assembly.total_steps
        an_epoch = self._assembly.settings.order(len(self._assembly.examples), self._seed).steps_per_epoch
        return Live(self._work.report, state, total_steps=total, steps_per_epoch=an_epoch)

    def _ended(self) -> str:
        state, settings, total = self.state, self._assembly.settings, self._assembly.total_steps
        if state.stopped_early:
            return state.stopped_early
        if state.step < total:
            return f"ended by the module after {state.step} of {total} steps"
        return f"finished {settings.epochs} epochs" if settings.steps is None else f"finished {total} steps"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's remarks on the machine, and its warnings that do not concern the user."""
    loggers = [logging.getLogger(name) for name in _SAYS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        with warnings.catch_warnings():
            for message in _KNOWN_WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
