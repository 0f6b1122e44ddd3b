"""The device is chosen once, with the reason; a device that is not there is an error."""

from __future__ import annotations

import pytest
import torch

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.device import choose


@pytest.fixture
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a CPU alone."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two CUDA devices."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        (None, "auto: this torch is built without CUDA, so cpu"),
        ("13.0", "auto: no CUDA device was found, so cpu"),
    ],
)
@pytest.mark.usefixtures("no_accelerator")
def test_auto_falls_back_to_the_cpu_and_says_why(
    monkeypatch: pytest.MonkeyPatch, version: str | None, reason: str
) -> None:
    """A build without CUDA and a machine without a device are told apart."""
    monkeypatch.setattr(torch.version, "cuda", version)
    monkeypatch.setattr(torch.version, "hip", None)
    choice = choose("auto")

    assert choice.device == torch.device("cpu")
    assert choice.reason == reason


@pytest.mark.usefixtures("two_gpus")
def test_auto_takes_cuda() -> None:
    """The first device, under its own name."""
    choice = choose("auto")

    assert choice.device == torch.device("cuda", 0)
    assert choice.name == "GPU of 0"


@pytest.mark.usefixtures("no_accelerator")
def test_auto_takes_mps_before_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no CUDA."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)

    assert choose("auto").device == torch.device("mps")
    assert choose("mps").reason == "mps: asked for"


@pytest.mark.usefixtures("two_gpus")
def test_a_device_by_number() -> None:
    """Plain cuda is cuda:0."""
    assert choose("cuda").device == torch.device("cuda", 0)
    assert choose("cuda:1").device == torch.device("cuda", 1)
    assert choose("cpu").device == torch.device("cpu")


@pytest.mark.parametrize("requested", ["cuda:2", "cuda:x", "cuda:-1"])
@pytest.mark.usefixtures("two_gpus")
def test_a_number_that_is_not_there_is_refused(requested: str) -> None:
    """The message names those that are."""
    with pytest.raises(TrainingError, match="this machine has cuda:0 to cuda:1"):
        choose(requested)


@pytest.mark.parametrize("requested", ["cuda", "cuda:0", "mps", "tpu"])
@pytest.mark.usefixtures("no_accelerator")
def test_what_is_absent_is_refused(requested: str) -> None:
    """Never the CPU in silence."""
    with pytest.raises(TrainingError) as caught:
        choose(requested)
    assert caught.value.key == "train.device"
