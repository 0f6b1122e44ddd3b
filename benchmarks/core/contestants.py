"""Who trains a task: each is a function of the task that returns the CPU seconds of its epochs from the second on.

All use AdamW with torch's defaults, batches in a new order every epoch, and the same initial weights. The loop written
by hand is what tutorials show: `DataLoader` over a `TensorDataset`, and `loss.item()` each step.
"""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from pytest_mlspec.training import losses
from pytest_mlspec.training.batches import ResidentSource
from pytest_mlspec.training.fused import take_fused_step
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.optim import build_optimizer
from pytest_mlspec.training.schedule import build_schedule
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import compute_gradients

from .measure import Clock
from .tasks import Task

Contestant = Callable[[Task], float]
_CPU = torch.device("cpu")


def by_hand(task: Task) -> float:
    """The reference."""
    model, clock = task.seeded_model(), Clock()
    optimizer = torch.optim.AdamW(model.parameters())
    loss_of = nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(task.inputs, task.targets), batch_size=task.batch_size, shuffle=True)
    for epoch in range(task.epochs + 1):
        if epoch:
            clock.start()
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = loss_of(model(inputs), targets)
            loss.backward()
            optimizer.step()
            loss.item()
    clock.stop()
    return clock.seconds


def core(task: Task, *, clip_norm: float | None, schedule: str | None) -> float:
    """Ours, as a spec gets it: loss, gradient norm and rate of every step are recorded, and every number is looked at."""
    clock = Clock()
    state = _state(task.seeded_model())
    source = ResidentSource(task.inputs, task.targets, _CPU)
    settings = LoopSettings(batch_size=task.batch_size, epochs=task.epochs + 1, clip_norm=clip_norm)
    if schedule is not None:
        steps = settings.total_steps(len(source))
        state.schedule = build_schedule(
            schedule, {}, state.optimizer, total_steps=steps, steps_per_epoch=steps // (task.epochs + 1)
        )
    loss = losses.build("cross_entropy", {})
    fit(state, source, settings=settings, loss=loss, on_epoch=lambda epoch, metrics: clock.start())
    clock.stop()
    return clock.seconds


def core_bare(task: Task) -> float:
    """Ours without norm and history: the gradients and the fused step alone."""
    clock = Clock()
    state = _state(task.seeded_model())
    source = ResidentSource(task.inputs, task.targets, _CPU)
    order = LoopSettings(batch_size=task.batch_size, epochs=1).order(len(source), seed=0)
    loss = losses.build("cross_entropy", {})
    for epoch in range(task.epochs + 1):
        if epoch:
            clock.start()
        for batches in source.steps(order.steps(epoch), epoch):
            compute_gradients(state, batches, loss=loss)
            if not take_fused_step(state.optimizer):
                state.optimizer.step()
    clock.stop()
    return clock.seconds


def lightning(task: Task, *, off: bool) -> float:
    """Lightning; `off` is its own `barebones`, else its logger, checkpoint and progress bar as they are by default."""
    import lightning as library

    clock, model = Clock(), task.seeded_model()

    def training_step(self: Any, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        if not off:
            self.log("loss", loss)
        return loss

    def on_train_epoch_start(self: Any) -> None:
        if self.current_epoch:
            clock.start()

    functions = {
        "training_step": training_step,
        "configure_optimizers": lambda self: torch.optim.AdamW(model.parameters()),
        "on_train_epoch_start": on_train_epoch_start,
    }
    module = type("Module", (library.LightningModule,), functions)()
    module.model = model
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        trainer = library.Trainer(
            max_epochs=task.epochs + 1, accelerator="cpu", devices=1, default_root_dir=folder, barebones=off
        )
        trainer.fit(
            module, DataLoader(TensorDataset(task.inputs, task.targets), batch_size=task.batch_size, shuffle=True)
        )
        clock.stop()
    return clock.seconds


def transformers(task: Task) -> float:
    """Hugging Face's Trainer, with reports, saving and logging off, and its clipping as it is by default."""
    import transformers as library

    clock = Clock()

    def on_epoch_begin(self: Any, arguments: Any, state: Any, control: Any, **others: Any) -> None:
        if state.epoch:
            clock.start()

    callback = type("Start", (library.TrainerCallback,), {"on_epoch_begin": on_epoch_begin})()
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        arguments = library.TrainingArguments(
            output_dir=folder,
            num_train_epochs=task.epochs + 1,
            per_device_train_batch_size=task.batch_size,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            optim="adamw_torch",
            learning_rate=1e-3,
            weight_decay=0.01,
            lr_scheduler_type="constant",
        )
        trainer = library.Trainer(
            model=_WithLoss(task.seeded_model()),
            args=arguments,
            train_dataset=_Rows(task.inputs, task.targets),
            callbacks=[callback],
        )
        trainer.train()
        clock.stop()
    return clock.seconds


def skorch(task: Task) -> float:
    """Skorch, without a validation split and without output."""
    import skorch as library
    from skorch.callbacks import Callback

    clock = Clock()

    def on_epoch_begin(self: Any, net: Any, **others: Any) -> None:
        if len(net.history) > 1:
            clock.start()

    net = library.NeuralNetClassifier(
        task.seeded_model(),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=1e-3,
        max_epochs=task.epochs + 1,
        batch_size=task.batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        callbacks=[type("Start", (Callback,), {"on_epoch_begin": on_epoch_begin})()],
    )
    net.fit(task.inputs, task.targets)
    clock.stop()
    return clock.seconds


OURS: dict[str, Contestant] = {
    "core": partial(core, clip_norm=None, schedule=None),
    "core, clip_norm": partial(core, clip_norm=1.0, schedule=None),
    "core, clip_norm, cosine": partial(core, clip_norm=1.0, schedule="cosine"),
    "core, no norm and no history": core_bare,
}
_OTHERS: dict[str, tuple[str, Contestant]] = {
    "lightning, everything off": ("lightning", partial(lightning, off=True)),
    "lightning, defaults": ("lightning", partial(lightning, off=False)),
    "transformers Trainer": ("transformers", transformers),
    "skorch": ("skorch", skorch),
}


def others() -> tuple[dict[str, Contestant], list[str]]:
    """The other libraries that are installed, and the packages that are not."""
    found = {name: run for name, (package, run) in _OTHERS.items() if _is_installed(package)}
    missing = {package for package, _ in _OTHERS.values() if not _is_installed(package)}
    return found, sorted(missing)


class _WithLoss(nn.Module):
    """What Trainer trains: a model that returns its loss."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        outputs = self.model(inputs)
        return {"loss": nn.functional.cross_entropy(outputs, labels), "logits": outputs}


class _Rows(Dataset[dict[str, Tensor]]):
    """Rows as Trainer takes them."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self._inputs, self._targets = inputs, targets

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {"inputs": self._inputs[row], "labels": self._targets[row]}


def _state(model: nn.Module) -> State:
    return State(model, build_optimizer("adamw", {}, model), None, 0, _CPU)


def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on the terminal: what others print is no part of their loop."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    sink = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(sink), redirect_stderr(sink):
        warnings.simplefilter("ignore")
        yield
