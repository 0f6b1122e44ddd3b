"""What a training tells of itself: update ratios, the time of its phases, memory, and a GPU where there is one."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from pytest_mlspec.training.history import Record
from pytest_mlspec.training.instruments import Machine, steps_between_samples
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.sample import Sample
from pytest_mlspec.training.step import take_step

from .trainings import CPU, CROSS_ENTROPY, classification, network, new_state, scripted, source_of

FIRST_ROWS = torch.arange(8)


@pytest.mark.parametrize(
    ("steps_per_epoch", "total_steps", "every"),
    [(1, 1000, 100), (30, 1000, 120), (100, 1000, 100), (101, 1000, 101), (400, 1000, 400), (30, 90, 90), (7, 3, 3)],
)
def test_the_last_step_of_an_epoch_is_sampled(steps_per_epoch: int, total_steps: int, every: int) -> None:
    """Of short epochs not every one: a step that is looked at costs more than another. Of a short training, its last."""
    assert steps_between_samples(steps_per_epoch, total_steps) == every


def test_the_update_ratio_is_that_of_the_step() -> None:
    """With SGD at rate 0.1 the update is a tenth of the gradient."""
    model = network()
    state = new_state(model, ("sgd", {"lr": 0.1}))
    size = torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()]).norm()
    sample = Sample(state)
    batch = source_of(*classification()).fetch(FIRST_ROWS)
    result = take_step(state, [batch], loss=CROSS_ENTROPY, clock=sample)

    assert sample.update_ratio() == pytest.approx(0.1 * float(result.gradient_norm) / float(size), rel=1e-4)
    assert list(sample.seconds) == ["forward and backward", "update"]
    assert min(sample.seconds.values()) > 0


def test_of_a_large_model_the_first_weights_are_copied_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a look costs no second model."""
    monkeypatch.setattr("pytest_mlspec.training.sample._WEIGHTS_COPIED", 6 * 16 + 16)
    state = new_state()
    sample = Sample(state)
    nn.init.constant_(state.model[3].weight, 100.0)  # type: ignore[index]

    assert sample.update_ratio() == 0


def test_the_history_holds_ratios_and_phases() -> None:
    """The last of 25 steps is sampled, which tells nothing of the phases within the steps."""
    history = fit(
        new_state(),
        source_of(*classification()),
        settings=LoopSettings(batch_size=8, epochs=5),
        loss=CROSS_ENTROPY,
        evaluate=scripted(0.5, 0.4, 0.3, 0.2, 0.1),
    )

    assert history.update_step_U.tolist() == [24]
    assert 0 < history.update_ratio_U[0] < 1
    assert set(history.phase_seconds) == {"fetch", "evaluation", "steps"}
    in_steps = sum(seconds for phase, seconds in history.phase_seconds.items() if phase != "evaluation")
    assert in_steps == pytest.approx(history.seconds_E.sum())


def test_phases_within_the_steps_are_those_of_a_typical_sample() -> None:
    """One that was disturbed does not count."""
    record = Record(seconds=[10.0], phases={"fetch": 2.0})
    for update in (1.0, 1.0, 1.0, 1.0, 1000.0):
        record.add_sample(0, 0.1, {"forward and backward": 3.0, "update": update})

    assert record.history(stopped="", best_epoch=None).phase_seconds == {
        "fetch": 2.0,
        "forward and backward": 6.0,
        "update": 2.0,
    }


def test_on_the_cpu_the_memory_of_the_process_is_told_and_why_there_is_no_utilisation() -> None:
    """Nothing is guessed."""
    machine = Machine(CPU)
    machine.sample()

    assert machine.peak_memory > 10_000_000
    assert machine.peak_device_memory is None
    assert machine.utilisation.share is None
    assert machine.utilisation.reason == "NVML knows nothing of cpu"


class NvmlError(Exception):
    """That of the fake below."""


def answering(*shares: int) -> Any:
    """A module like pynvml, of a GPU that was busy by `shares`."""
    left = iter(shares)
    return SimpleNamespace(
        NVMLError=NvmlError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=next(left)),
    )


def refusing() -> Any:
    """A module like pynvml, on a machine without its driver."""

    def refuse() -> None:
        raise NvmlError("Driver Not Loaded")

    return SimpleNamespace(NVMLError=NvmlError, nvmlInit=refuse)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """A GPU that exists in name."""
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="123"))
    return torch.device("cuda", 0)


def test_the_utilisation_is_the_mean_of_what_nvml_answers(gpu: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once an epoch; the peak of the memory is torch's own count."""
    monkeypatch.setitem(sys.modules, "pynvml", answering(50, 100))
    machine = Machine(gpu)
    machine.sample()
    machine.sample()

    assert machine.utilisation.share == 0.75
    assert machine.peak_device_memory == 7


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (refusing(), "NVML does not answer: Driver Not Loaded"),
        (None, "the package pynvml is not installed: pip install 'pytest-mlspec[nvml]'"),
    ],
)
def test_where_nvml_does_not_answer_the_reason_is_told(
    gpu: torch.device, monkeypatch: pytest.MonkeyPatch, module: Any, reason: str
) -> None:
    """And the training goes on."""
    monkeypatch.setitem(sys.modules, "pynvml", module)
    machine = Machine(gpu)
    machine.sample()

    assert machine.utilisation.share is None
    assert machine.utilisation.reason == reason
