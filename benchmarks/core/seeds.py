"""Eight seeds of a small MLP on digits: trained at once, against one after another by the same core."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from pytest_mlspec.training import losses
from pytest_mlspec.training.batches import ResidentSource
from pytest_mlspec.training.history import History
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.optim import build_optimizer
from pytest_mlspec.training.seeding import seed_everything
from pytest_mlspec.training.stacked import fit_stacked
from pytest_mlspec.training.state import State

from .measure import Ratio, machine, write
from .tasks import tasks

_ROUNDS = 9
# Seeds, and the widths of the hidden layers.
_SIZES = [
    (8, (16,)),
    (8, (64,)),
    (8, (64, 64)),
    (8, (128, 128)),
    (2, (64, 64)),
    (4, (64, 64)),
    (16, (64, 64)),
    (32, (64, 64)),
]
_CPU = torch.device("cpu")


def run(*, quick: bool, only_ours: bool, json: Path | None) -> dict[str, list[Ratio]]:
    """Prints the table and returns it."""
    print(machine(), "seeds trained at once, against one after another: how often as fast", sep="\n")
    digits = tasks()[0]
    source = ResidentSource(digits.inputs, digits.targets, _CPU)
    settings = LoopSettings(batch_size=64, epochs=1 if quick else 3, clip_norm=1.0)
    loss = losses.build("cross_entropy", {})
    rows = []
    for seeds, hidden in _SIZES[:3] if quick else _SIZES:

        def alone(states: list[State]) -> list[History]:
            return [fit(state, source, settings=settings, loss=loss) for state in states]

        together = partial(fit_stacked, source=source, settings=settings, loss=loss)
        ratios = [
            _seconds(alone, seeds, hidden) / _seconds(together, seeds, hidden) for _ in range(2 if quick else _ROUNDS)
        ]
        widths = "-".join(map(str, (64, *hidden, 10)))
        rows.append(Ratio.of(f"{seeds} seeds of {widths}", ratios[1:]))  # the first round warms up
        print(rows[-1], flush=True)
    write(json, "seeds", {"seeds": rows})
    return {"seeds": rows}


def _seconds(train: Callable[[list[State]], list[History]], seeds: int, hidden: tuple[int, ...]) -> float:
    states = [_state(seed, hidden) for seed in range(seeds)]
    started = time.process_time()
    train(states)
    return time.process_time() - started


def _state(seed: int, hidden: tuple[int, ...]) -> State:
    seed_everything(seed)
    layers: list[nn.Module] = []
    width = 64
    for wider in hidden:
        layers += [nn.Linear(width, wider), nn.ReLU()]
        width = wider
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    return State(model, build_optimizer("adamw", {}, model), None, seed, _CPU)
