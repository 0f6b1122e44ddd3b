"""Checkpoints appear whole, are read strictly, and say what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.checkpoint import restore, save
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.schedule import Schedule
from pytest_mlspec.training.state import State
from pytest_mlspec.training.weights import load_weights, save_weights, weights_digest

from .trainings import CROSS_ENTROPY, classification, new_state, source_of


class Tied(nn.Module):
    """Six features to six outputs and back through the same matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(6, 6, bias=False)
        self.decode = nn.Linear(6, 6, bias=False)
        self.decode.weight = self.encode.weight

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.decode(self.encode(inputs))
        return outputs


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint after three steps of AdamW."""
    state = new_state()
    settings = LoopSettings(batch_size=8, epochs=1)
    fit(state, source_of(*classification()), settings=settings, loss=CROSS_ENTROPY, until=3)
    save(state, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_the_folder_holds_two_files_and_nothing_is_left_beside_it(checkpoint: Path) -> None:
    """Temporary names are gone."""
    assert sorted(file.name for file in checkpoint.iterdir()) == ["state.json", "tensors.safetensors"]
    assert list(checkpoint.parent.iterdir()) == [checkpoint]


def test_a_checkpoint_is_never_overwritten(checkpoint: Path) -> None:
    """The second save is refused, and the first is still there."""
    before = (checkpoint / "state.json").read_bytes()

    with pytest.raises(TrainingError, match="exists already"):
        save(new_state(), checkpoint)
    assert (checkpoint / "state.json").read_bytes() == before


def test_a_save_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """What cannot be stored is found before the folder appears."""
    state = new_state()
    schedule = LambdaLR(state.optimizer, lambda step: 1.0)
    schedule.lock = object()  # type: ignore[attr-defined]
    state.schedule = Schedule(schedule)

    with pytest.raises(TrainingError, match=r"a object at schedule\.scheduler\.lock cannot be stored"):
        save(state, tmp_path / "checkpoint")
    assert list(tmp_path.iterdir()) == []


def test_tied_weights_are_written_once_and_stay_tied(tmp_path: Path) -> None:
    """Safetensors refuses shared memory; the file holds one tensor and the name of the other."""
    state = new_state(Tied())
    save(state, tmp_path / "checkpoint")
    other = new_state(Tied())
    restore(other, tmp_path / "checkpoint")

    assert isinstance(other.model, Tied)
    assert other.model.decode.weight is other.model.encode.weight
    assert weights_digest(other.model) == weights_digest(state.model)


def test_weights_alone_are_plain_safetensors(tmp_path: Path) -> None:
    """Keys are the parameters' names, so that any other program can read the file; tied names come back."""
    model, other = Tied(), Tied()
    save_weights(model, tmp_path / "weights.safetensors")
    load_weights(other, tmp_path / "weights.safetensors")

    assert list(load_file(tmp_path / "weights.safetensors")) == ["encode.weight"]
    assert weights_digest(other) == weights_digest(model)
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


def test_views_of_one_tensor_are_stored_apart(tmp_path: Path) -> None:
    """Parameters that lie in one flat buffer overlap in memory without being the same."""
    flat = torch.arange(12.0)
    model, other = nn.Linear(3, 3), nn.Linear(3, 3)
    model.weight.data, model.bias.data = flat[:9].view(3, 3), flat[9:]
    save_weights(model, tmp_path / "weights.safetensors")
    load_weights(other, tmp_path / "weights.safetensors")

    assert weights_digest(other) == weights_digest(model)


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove"])
def test_a_damaged_file_is_refused(checkpoint: Path, name: str, damage: str) -> None:
    """One flipped bit is enough; safetensors itself does not notice it."""
    file = checkpoint / name
    data = file.read_bytes()
    middle = len(data) // 2
    changes = {
        "flip": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "truncate": data[:middle],
        "empty": b"",
        "remove": b"",
    }
    file.write_bytes(changes[damage])
    (checkpoint / {"remove": name}.get(damage, "none")).unlink(missing_ok=True)

    with pytest.raises(TrainingError, match=r"the checkpoint checkpoint (is damaged|cannot be read)"):
        restore(new_state(), checkpoint)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("format", "another", "is not a checkpoint of pytest-mlspec"), ("version", 99, "format version 99")],
)
def test_a_foreign_or_newer_file_is_refused(checkpoint: Path, field: str, value: Any, message: str) -> None:
    """A format that this version does not read is never guessed at."""
    document = json.loads((checkpoint / "state.json").read_text())
    (checkpoint / "state.json").write_text(json.dumps(document | {field: value}))

    with pytest.raises(TrainingError, match=message):
        restore(new_state(), checkpoint)


def test_json_of_another_kind_is_refused(checkpoint: Path) -> None:
    """A list is valid JSON and no checkpoint."""
    (checkpoint / "state.json").write_text("[]")

    with pytest.raises(TrainingError, match="is not a checkpoint of pytest-mlspec"):
        restore(new_state(), checkpoint)


def test_another_architecture_is_refused_with_the_differing_names(checkpoint: Path) -> None:
    """Missing and unknown names and other shapes are listed; no tensor is copied."""
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    state = new_state(model, ("adamw", {"lr": 0.01}))
    before = weights_digest(model)

    with pytest.raises(TrainingError) as caught:
        restore(state, checkpoint)
    assert caught.value.details.splitlines() == [
        "0.bias is float32[16], the model has float32[8]",
        "0.weight is float32[16, 6], the model has float32[8, 6]",
        "missing: 2.bias",
        "missing: 2.weight",
        "unknown: 3.bias",
        "unknown: 3.weight",
    ]
    assert weights_digest(model) == before


def test_another_optimizer_is_refused(checkpoint: Path) -> None:
    """The message names what was saved and what is here."""
    with pytest.raises(TrainingError) as caught:
        restore(new_state(optimizer=("sgd", {})), checkpoint)
    assert caught.value.details == "optimizer: saved AdamW, here SGD"


def test_another_seed_is_refused(checkpoint: Path) -> None:
    """The order of the rows depends on it."""
    with pytest.raises(TrainingError, match="is of another training"):
        restore(new_state(seed=1), checkpoint)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_the_digest_tells_types_and_bits_apart(dtype: torch.dtype) -> None:
    """Equal weights have equal digests; another type or the sign of a zero has not."""
    zeros, other, negative = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)
    for model, value in ((zeros, 0.0), (other, 0.0), (negative, -0.0)):
        nn.init.constant_(model.weight, value)
        nn.init.constant_(model.bias, value)
    before = weights_digest(zeros)

    assert before == weights_digest(other)
    assert before != weights_digest(negative)
    assert before != weights_digest(zeros.to(dtype))


def test_moments_come_back_in_the_layout_of_their_weights(tmp_path: Path) -> None:
    """Of a convolution in channels_last: fused kernels go by memory order, and would move the wrong weights."""

    def images() -> State:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 3))
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return State(model, torch.optim.AdamW(model.parameters(), fused=True), None, 0, torch.device("cpu"))

    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(32, 3, 8, 8, generator=generator).to(memory_format=torch.channels_last)
    source = source_of(rows, torch.randint(3, (32,), generator=generator))
    settings = LoopSettings(batch_size=8, epochs=2)
    whole, half, resumed = images(), images(), images()
    fit(whole, source, settings=settings, loss=CROSS_ENTROPY)
    fit(half, source, settings=settings, loss=CROSS_ENTROPY, until=3)
    save(half, tmp_path / "checkpoint")
    restore(resumed, tmp_path / "checkpoint")
    fit(resumed, source, settings=settings, loss=CROSS_ENTROPY)

    assert weights_digest(resumed.model) == weights_digest(whole.model)
