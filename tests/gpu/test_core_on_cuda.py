"""The training core on a CUDA device: rows that lie there, half precision, resumes, memory, and what it tells of itself."""

from __future__ import annotations

import math
import time
from contextlib import closing
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn.functional import cross_entropy
from training.trainings import CROSS_ENTROPY, ROWS, classification, network, source_of
from training.trainings import new_state as on_the_cpu

from pytest_mlspec.training.batches import Batch, ResidentSource
from pytest_mlspec.training.checkpoint import restore, save
from pytest_mlspec.training.determinism import deterministic_algorithms
from pytest_mlspec.training.history import SKIPPED_IN_A_ROW
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.loader import Draws, LoadedSource
from pytest_mlspec.training.loop import LoopSettings, fit
from pytest_mlspec.training.nonfinite import NonFiniteError
from pytest_mlspec.training.seeding import perturb
from pytest_mlspec.training.weights import weights_digest

from .cuda import CUDA, Hungry, new_state, on_cuda, rows

pytestmark = on_cuda

SETTINGS = LoopSettings(batch_size=8, epochs=4, clip_norm=1.0)


def loaded(index: Tensor, draws: Draws) -> Batch:
    """Rows as a worker process makes them, which touches no device."""
    draws.begin(int(index[0]))
    inputs, targets = classification()
    return Batch(inputs[index], targets[index], index)


def test_the_rows_lie_on_the_device() -> None:
    """Inputs and targets do; the row numbers stay on the CPU."""
    [batch, *_] = next(iter(rows().steps(SETTINGS.order(ROWS, 0).steps(0), 0)))

    assert isinstance(batch.inputs, Tensor)
    assert isinstance(batch.targets, Tensor)
    assert (batch.inputs.device, batch.targets.device, batch.index.device.type) == (CUDA, CUDA, "cpu")


def test_a_training_is_that_of_the_cpu() -> None:
    """The same rows in the same order, as far as single precision goes."""
    expected = fit(on_the_cpu(), source_of(*classification()), settings=SETTINGS, loss=CROSS_ENTROPY)
    history = fit(new_state(), rows(), settings=SETTINGS, loss=CROSS_ENTROPY)

    assert history.loss_S == pytest.approx(expected.loss_S, rel=1e-2)
    assert history.rows_S.tolist() == expected.rows_S.tolist()


def test_fp16_leaves_out_the_steps_that_overflow() -> None:
    """The scale begins far too high, and comes down before too many steps in a row are left out."""
    state = new_state()
    state.scaler = GradScaler("cuda", init_scale=2.0**24)
    settings = LoopSettings(batch_size=8, epochs=10, precision="fp16")
    history = fit(state, rows(), settings=settings, loss=CROSS_ENTROPY)

    assert 0 < history.skipped_steps < SKIPPED_IN_A_ROW
    assert state.scaler.get_scale() < 2.0**24
    assert history.loss_S[-5:].mean() < history.loss_S[:5].mean()


def test_bf16_is_near_single_precision() -> None:
    """Parameters stay in single precision, and no step is left out."""
    state = new_state()
    settings = LoopSettings(batch_size=8, epochs=4, clip_norm=1.0, precision="bf16")
    history = fit(state, rows(), settings=settings, loss=CROSS_ENTROPY)
    expected = fit(new_state(), rows(), settings=SETTINGS, loss=CROSS_ENTROPY)

    assert history.loss_S == pytest.approx(expected.loss_S, rel=0.1)
    assert {parameter.dtype for parameter in state.model.parameters()} == {torch.float32}
    assert history.skipped_steps == 0


def test_a_resumed_training_is_equal_to_the_last_bit(tmp_path: Path) -> None:
    """With deterministic algorithms and dropout, whose draws come from the generator of the device."""
    whole, paused, resumed = (new_state(network(dropout=0.2)) for _ in range(3))
    with deterministic_algorithms(True):
        torch.manual_seed(0)
        fit(whole, rows(), settings=SETTINGS, loss=CROSS_ENTROPY)
        torch.manual_seed(0)
        fit(paused, rows(), settings=SETTINGS, loss=CROSS_ENTROPY, until=7)
        save(paused, tmp_path / "checkpoint")
        perturb()
        restore(resumed, tmp_path / "checkpoint")
        history = fit(resumed, rows(), settings=SETTINGS, loss=CROSS_ENTROPY)

    assert weights_digest(resumed.model) == weights_digest(whole.model)
    assert history.loss_S.tolist() == whole.record.losses


def test_out_of_memory_halves_the_micro_batch() -> None:
    """Memory for five rows: batches of 8 go as 4 at a time, and a step keeps its rows."""
    state = new_state(Hungry())
    history = fit(state, rows(), settings=LoopSettings(batch_size=8, steps=2), loss=CROSS_ENTROPY)
    torch.cuda.empty_cache()

    assert state.micro_rows == 4
    assert history.rows_S.tolist() == [8, 8]
    assert state.notes[0].startswith("out of memory at step 1 with 8 rows at a time")


def test_a_row_that_is_not_finite_is_named() -> None:
    """The numbers are read once an epoch, and the step is found by its number."""
    inputs, targets = classification()
    inputs[3, 0] = math.nan
    source = ResidentSource(inputs, targets, CUDA)
    with pytest.raises(NonFiniteError, match=r"loss is nan at step \d \(epoch 1\): the inputs or targets") as caught:
        fit(new_state(), source, settings=SETTINGS, loss=CROSS_ENTROPY)

    assert caught.value.rows == (3,)


def test_workers_load_for_the_device() -> None:
    """They are forked after CUDA has begun, stay on the CPU, and give the training without them."""
    sources = [LoadedSource(ROWS, loaded, CUDA, seed=0, workers=workers, timeout=60 * workers) for workers in (0, 2)]
    with deterministic_algorithms(True), closing(sources[0]), closing(sources[1]):
        alone, loaded_ahead = (fit(new_state(), each, settings=SETTINGS, loss=CROSS_ENTROPY) for each in sources)

    assert alone.loss_S.tolist() == loaded_ahead.loss_S.tolist()


def test_the_memory_of_the_device_is_told() -> None:
    """The most that torch has held."""
    machine = Machine(CUDA)
    fit(new_state(), rows(), settings=SETTINGS, loss=CROSS_ENTROPY)

    assert machine.peak_device_memory is not None
    assert machine.peak_device_memory > 0


def test_the_utilisation_is_a_share() -> None:
    """Where NVML is there and answers."""
    pytest.importorskip("pynvml")
    machine = Machine(CUDA)
    fit(new_state(), rows(), settings=SETTINGS, loss=CROSS_ENTROPY, on_epoch=lambda epoch, metrics: machine.sample())

    assert machine.utilisation.share is not None, machine.utilisation.reason
    assert 0 <= machine.utilisation.share <= 1


def seconds_by_hand(steps: int) -> float:
    """How long as many steps take in the shortest loop: the same model, optimiser and number of rows."""
    state = new_state()
    inputs, targets = (values.to(CUDA) for values in classification())
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(steps):
        index = torch.randint(ROWS, (8,), device=CUDA)
        state.optimizer.zero_grad()
        cross_entropy(state.model(inputs[index]), targets[index]).backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def seconds_of_the_core(steps: int) -> float:
    """How long they take in the core."""
    state, source = new_state(), rows()
    torch.cuda.synchronize()
    begun = time.perf_counter()
    fit(state, source, settings=LoopSettings(batch_size=8, steps=steps), loss=CROSS_ENTROPY)
    torch.cuda.synchronize()
    return time.perf_counter() - begun


@pytest.mark.slow
def test_the_time_of_a_step_is_told_beside_a_hand_written_loop(capsys: pytest.CaptureFixture[str]) -> None:
    """Both are warm; how long each takes is printed, and depends on the machine."""
    steps = 1000
    seconds_by_hand(steps), seconds_of_the_core(steps)
    by_hand, core = (1e6 * measure(steps) / steps for measure in (seconds_by_hand, seconds_of_the_core))
    with capsys.disabled():
        print(f"\n{torch.cuda.get_device_name(CUDA)}, torch {torch.__version__}, {steps} steps of 8 rows:", end=" ")
        print(f"core {core:.0f} us, hand-written loop {by_hand:.0f} us a step")

    assert core > 0
