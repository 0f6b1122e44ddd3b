"""Changes that a team makes every week and that are no faults: none may turn a check red. The list was fixed before any tuning.

Where a change is one of the data by intent (another draw of the split, another source of noise), the team records its baseline
in the same commit: those are `accepted`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.faults.edits.edit import Change, Edit, Lines, spec


@dataclass(frozen=True)
class Benign:
    """One benign change of one project."""

    name: str
    pipeline: str
    edits: tuple[Change, ...]
    accepted: bool = False


_TORCH = ("digits", "cnn", "tickets", "diabetes", "faq", "characters")
_BATCH = {"digits": 32, "cnn": 32, "tickets": 32, "diabetes": 16, "faq": 32, "characters": 16}
_WIDTHS = {
    "digits": ("HIDDEN = 64", "HIDDEN = 48", "HIDDEN = 80"),
    "cnn": ("CHANNELS = 12", "CHANNELS = 9", "CHANNELS = 15"),
    "tickets": ("DIM = 32", "DIM = 24", "DIM = 40"),
    "diabetes": ("HIDDEN = 24", "HIDDEN = 18", "HIDDEN = 30"),
    "faq": ("DIM = 32", "DIM = 24", "DIM = 40"),
    "characters": ("DIM = 32", "DIM = 24", "DIM = 40"),
    "machines": ("HIDDEN = 32", "HIDDEN = 24", "HIDDEN = 40"),
}
_RATES = {
    "cnn": ("5e-3", "3.5e-3", "7e-3"),
    "tickets": ("1e-2", "7e-3", "1.4e-2"),
    "diabetes": ("3e-3", "2.1e-3", "4.2e-3"),
    "faq": ("1e-2", "7e-3", "1.4e-2"),
    "characters": ("1e-2", "7e-3", "1.4e-2"),
    "machines": ("2e-2", "1.4e-2", "2.8e-2"),
}


def _with_rows(share: float, of: Callable[[str, np.random.Generator], str]) -> Callable[[list[str]], list[str]]:
    """More rows by this share, each made `of` a row that is there."""

    def change(lines: list[str]) -> list[str]:
        draw = np.random.default_rng(11)
        head, rows = lines[:1], lines[1:]
        chosen = draw.choice(len(rows), size=round(share * len(rows)), replace=False)
        return [*head, *rows, *(of(rows[number], draw) for number in sorted(chosen))]

    return change


def _shuffled(lines: list[str]) -> list[str]:
    return [lines[0], *(lines[1:][number] for number in np.random.default_rng(12).permutation(len(lines) - 1))]


def _a_patient(row: str, draw: np.random.Generator) -> str:
    values = row.split(",")
    for place in (0, 2, 3, 4, 5, 9, 10):
        values[place] = f"{float(values[place]) * draw.normal(1.0, 0.05):.1f}"
    return ",".join(values)


def _a_ticket(row: str, draw: np.random.Generator) -> str:
    number, channel, text, topic = row.split(",")
    words = [str(word) for word in draw.permutation(text.split())]
    return ",".join([number, channel, " ".join([*words, "today"]), topic])


def _a_question(row: str, draw: np.random.Generator) -> str:
    question, answer = row.split(",")
    return ",".join([" ".join([*map(str, draw.permutation(question.split())), "please", "today"]), answer])


def _a_machine(row: str, draw: np.random.Generator) -> str:
    values = row.split(",")
    for place, digits in ((2, 1), (3, 1), (4, 3), (6, 0)):
        values[place] = str(round(float(values[place]) * draw.normal(1.0, 0.02), digits))
    return ",".join(values)


def _rate(pipeline: str, was: str, now: str) -> tuple[Change, ...]:
    """Another rate, in the recipe and where the spec says what it should be."""
    stated = () if pipeline == "machines" else (spec(f"lr: {was}", f"lr: {now}"),)
    return (Edit(f"\nRATE = {was}\n", f"\nRATE = {now}\n"), *stated)


_SEEDS = [
    *(Benign("seed_1", pipeline, (spec("train:", "train:\n  seed: 1"),)) for pipeline in _TORCH),
    Benign("seed_1", "machines", (spec("train: {engine: callable}", "train: {engine: callable, seed: 1}"),)),
]
_SIZES = [
    *(Benign("narrower", pipeline, (Edit(was, less),)) for pipeline, (was, less, _) in _WIDTHS.items()),
    *(Benign("wider", pipeline, (Edit(was, more),)) for pipeline, (was, _, more) in _WIDTHS.items()),
]
_LENGTHS = [
    *(Benign("slower", pipeline, _rate(pipeline, was, less)) for pipeline, (was, less, _) in _RATES.items()),
    *(Benign("faster", pipeline, _rate(pipeline, was, more)) for pipeline, (was, _, more) in _RATES.items()),
    Benign("slower", "digits", (spec("lr: 3e-3", "lr: 2.1e-3"),)),
    Benign("faster", "digits", (spec("lr: 3e-3", "lr: 4.2e-3"),)),
    *(
        Benign("longer", pipeline, (spec(f"epochs: {epochs}", f"epochs: {epochs + epochs // 3}"),))
        for pipeline, epochs in {"cnn": 6, "tickets": 12, "characters": 14}.items()
    ),
    *(
        Benign("larger_batches", pipeline, (spec(f"batch_size: {rows}", f"batch_size: {rows * 3 // 2}"),))
        for pipeline, rows in _BATCH.items()
    ),
    Benign("longer", "machines", (Edit("EPOCHS = 24", "EPOCHS = 30"),)),
    Benign("dropout", "digits", (Edit("DROPOUT = 0.1", "DROPOUT = 0.2"),)),
    Benign("dropout", "tickets", (Edit("DROPOUT = 0.2", "DROPOUT = 0.1"),)),
    Benign("dropout", "characters", (Edit("DROPOUT = 0.05", "DROPOUT = 0.1"),)),
    Benign("decay", "machines", (Edit("WEIGHT_DECAY = 0.01", "WEIGHT_DECAY = 0.02"),)),
]
_ROWS = [
    Benign("more_rows", "diabetes", (Lines("patients.csv", _with_rows(0.15, _a_patient)),)),
    Benign("more_rows", "tickets", (Lines("tickets.csv", _with_rows(0.1, _a_ticket)),)),
    Benign("more_rows", "faq", (Lines("questions.csv", _with_rows(0.1, _a_question)),)),
    Benign("more_rows", "machines", (Lines("machines.csv", _with_rows(0.05, _a_machine)),)),
    Benign("reordered", "diabetes", (Lines("patients.csv", _shuffled),), accepted=True),
    Benign("reordered", "tickets", (Lines("tickets.csv", _shuffled),), accepted=True),
    Benign("reordered", "machines", (Lines("machines.csv", _shuffled),)),
    *(
        Benign("other_split", pipeline, (Edit(f"SPLIT_SEED = {number}", f"SPLIT_SEED = {number + 20}"),), accepted=True)
        for number, pipeline in enumerate(_TORCH)
    ),
]
_REFACTORED = [
    Benign(
        "modules_for_functions",
        "digits",
        (
            Edit(
                "        hidden = functional.relu(self.second(hidden))\n",
                "        hidden = self.activation(self.second(hidden))\n",
            ),
            Edit(
                "        self.dropout = nn.Dropout(DROPOUT)\n",
                "        self.dropout = nn.Dropout(DROPOUT)\n        self.activation = nn.ReLU()\n",
            ),
        ),
    ),
    Benign(
        "logging",
        "tickets",
        (
            Edit("    value.backward()\n", "    LOSSES.append(float(value.detach()))\n    value.backward()\n"),
            Edit("def training_step(", "LOSSES: list[float] = []\n\n\ndef training_step("),
        ),
    ),
    Benign(
        "loss_by_hand",
        "digits",
        (
            Edit(
                "    return functional.cross_entropy(outputs, batch.targets)\n",
                "    logs = functional.log_softmax(outputs, dim=1)\n"
                "    return -logs.gather(1, batch.targets.unsqueeze(1)).squeeze(1).mean()\n",
            ),
        ),
    ),
    Benign(
        "loss_by_hand",
        "diabetes",
        (Edit("functional.mse_loss(outputs, batch.targets)", "((outputs - batch.targets) ** 2).mean()"),),
    ),
    Benign(
        "gradients_to_zero",
        "cnn",
        (Edit("state.optimizer.zero_grad()", "state.optimizer.zero_grad(set_to_none=False)"),),
    ),
    Benign(
        "gelu",
        "digits",
        (
            Edit(
                "        hidden = functional.relu(self.second(hidden))\n",
                "        hidden = functional.gelu(self.second(hidden))\n",
            ),
        ),
    ),
    Benign("silu", "tickets", (Edit("functional.relu(self.hidden(pooled))", "functional.silu(self.hidden(pooled))"),)),
    Benign(
        "gelu",
        "characters",
        (Edit("functional.relu(self.wide(self.norm(states)))", "functional.gelu(self.wide(self.norm(states)))"),),
    ),
    Benign(
        "tanh",
        "diabetes",
        (
            Edit(
                "        hidden = functional.relu(self.second(hidden))\n",
                "        hidden = torch.tanh(self.second(hidden))\n",
            ),
        ),
    ),
    Benign(
        "clip",
        "tickets",
        (
            Edit(
                "    value.backward()\n",
                "    value.backward()\n    nn.utils.clip_grad_norm_(state.model.parameters(), 5.0)\n",
            ),
            spec("  - reference_step:\n", "  - reference_step:\n      clip_norm: 5.0\n"),
        ),
    ),
    Benign(
        "einsum",
        "characters",
        (
            Edit(
                "        mixed: Tensor = weights @ self.value(states)\n",
                '        mixed: Tensor = torch.einsum("nij,njd->nid", weights, self.value(states))\n',
            ),
        ),
    ),
    Benign(
        "helper",
        "faq",
        (
            Edit(
                "        nearness: Tensor = questions @ answers.T / TEMPERATURE\n",
                "        nearness: Tensor = functional.linear(questions, answers) / TEMPERATURE\n",
            ),
        ),
    ),
    Benign(
        "inference_mode",
        "machines",
        (
            Edit(
                "    fitted.model.eval()\n    with torch.no_grad():\n",
                "    fitted.model.eval()\n    with torch.inference_mode():\n",
            ),
        ),
    ),
    Benign(
        "last_step_in_batches",
        "machines",
        (
            Edit(
                "                    for kept, new in zip(average.buffers(), model.buffers(), strict=True):\n                        kept.copy_(new)\n",
                "                    for name, kept in average.named_buffers():\n                        kept.copy_(model.get_buffer(name))\n",
            ),
        ),
    ),
]

CHANGES: tuple[Benign, ...] = (*_SEEDS, *_SIZES, *_LENGTHS, *_ROWS, *_REFACTORED)
"""Every benign change."""
