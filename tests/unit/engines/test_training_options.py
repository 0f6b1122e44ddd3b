"""The options of `train` that change how the core trains: each is in force, comes through a resume, or is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from projects import DIGITS, Project
from torch import Tensor, nn

from pytest_mlspec.engines.torch import WEIGHTS, restore, run
from pytest_mlspec.errors import RecipeError, TrainingError, UserCodeError
from pytest_mlspec.evidence import Cost, TrainingRun
from pytest_mlspec.jobs import GradientFlow, Interrupt, Resume, RowIndependence, Train
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training import checkpoint
from pytest_mlspec.training.weights import read_tensors

IMAGES = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4 * 36, 10)

    def forward(self, x):
        return self.head(self.convolution(x).relu().flatten(1))

def prepare(rows, fitted):
    from pytest_mlspec.recipe.protocol import Examples
    pixels = rows.features.to_numpy() if hasattr(rows.features, "to_numpy") else rows.features
    return Examples(pixels.astype("float32").reshape(-1, 1, 8, 8) / 16, rows.targets, rows.index)
"""

BREAKS = """
import torch
from torch import nn

class Log(nn.Module):
    def forward(self, x):
        return (x - 1e9).log() if self.training else x

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 10), Log())
"""

RAISES = """
from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(64, 10)

    def forward(self, x):
        if self.training:
            raise RuntimeError("mine")
        return super().forward(x)
"""

OWN_STEP = """
import torch.nn.functional as F

def training_step(state, batch):
    return F.cross_entropy(state.model(batch.inputs), batch.targets)
"""

SMALL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, norm=False):
        super().__init__()
        self.norm = nn.BatchNorm1d(64) if norm else nn.Identity()
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        if self.training and len(x) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.head(self.norm(x))
"""


def with_options(**options: Any) -> dict[str, Any]:
    """The digits, with more under `train`."""
    return {**DIGITS, "train": {**DIGITS["train"], **options}}


@pytest.mark.parametrize(
    "options",
    [
        {"ema": 0.9},
        {"precision": "fp16"},
        {"precision": "bf16", "ema": 0.9, "early_stop": {"patience": 1}},
        {"deterministic": True},
    ],
)
def test_a_resumed_training_equals_one_that_was_not_interrupted(project: Project, options: dict[str, Any]) -> None:
    """To the last bit, and a fresh training too."""
    spec = with_options(**options)
    whole, resumed, again = project.train(spec), project.train(spec, Resume()), project.train(spec, Train(fresh=True))

    assert resumed.weights_digest == again.weights_digest == whole.weights_digest
    assert resumed.predictions_digest == whole.predictions_digest
    assert resumed.epochs_log == whole.epochs_log
    assert whole.weights_digest != project.train(DIGITS).weights_digest or "deterministic" in options


def test_what_is_kept_of_an_averaged_training_is_the_average(project: Project) -> None:
    """Losses, predictions and weights are its own; the history is that of the steps."""
    plain, run = project.train(DIGITS), project.train(with_options(ema=0.9))

    assert run.loss_S.values.tolist() == plain.loss_S.values.tolist()
    assert run.losses["test"] != plain.losses["test"]
    assert run.epochs_log[-1]["val.loss"] == pytest.approx(run.losses["val"])
    assert run.parameters == plain.parameters


def test_the_restored_average_gives_the_stored_predictions(project: Project) -> None:
    """Under the names of the model's own weights."""
    spec = with_options(ema=0.9)
    done = project.trained(spec)
    (stored,) = done.values()
    work = project.work(spec, done)
    test = work.prepared.splits["test"]

    np.testing.assert_allclose(restore(Train(), work)(test.inputs), stored.array("predictions/test"), rtol=1e-6)
    assert not any("module." in name for name in read_tensors(stored.file(WEIGHTS)))


@pytest.mark.parametrize(("decay", "noted"), [(0.999, True), (0.5, False)])
def test_an_average_over_too_few_steps_is_noted(project: Project, decay: float, noted: bool) -> None:
    """It would be the model of the first step."""
    notes = project.train(with_options(ema=decay)).notes

    assert any("98% of the average are the weights after the first of 18 steps" in note for note in notes) is noted


def test_a_training_on_one_batch_has_no_average(project: Project) -> None:
    """It is asked whether it can learn at all."""
    run = project.train(with_options(ema=0.999), Train(batches=1, steps=100))

    assert run.losses["train"] < 0.05 * run.losses_before["train"]


def test_half_precision_is_trained_in_and_counted(project: Project) -> None:
    """The weights are not those of single precision, and no step was left out."""
    run = project.train(with_options(precision="fp16", clip_norm=1.0))

    assert run.skipped_steps == 0
    assert run.losses["train"] < run.losses_before["train"]
    assert 0 < run.gradient_norm_S.values.max() < 100


@pytest.mark.parametrize("job", [GradientFlow(), RowIndependence()])
@pytest.mark.parametrize("options", [{"ema": 0.9}, {"precision": "fp16"}, {"compile": True}])
def test_probes_work_with_every_option(project: Project, job: Any, options: dict[str, Any]) -> None:
    """They look at the eager model, in the precision of its weights."""
    trained = with_options(**{name: value for name, value in options.items() if name != "compile"})
    evidence = project.run(job, with_options(**options), project.trained(trained)).evidence

    assert getattr(evidence, "poisoned", 0.0) == 0.0
    assert getattr(evidence, "alone", 0.0) < 1e-9


def test_only_a_forward_that_the_core_calls_can_be_compiled(project: Project) -> None:
    """A training_step calls the model itself; the key would be ignored without a word."""
    project.write("own", OWN_STEP)
    with pytest.raises(RecipeError, match="training_step calls the model itself") as caught:
        project.train({**with_options(compile=True), "recipe": {"use": "own"}})

    assert caught.value.key == "train.compile"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning")
def test_a_compiled_training_learns_what_the_eager_one_does(project: Project) -> None:
    """And stores weights that the eager model reads."""
    plain, run = project.train(DIGITS), project.train(with_options(compile=True))

    assert run.losses["test"] == pytest.approx(plain.losses["test"], rel=1e-3)
    assert run.parameters == plain.parameters


def test_channels_last_is_in_force_and_changes_rounding_alone(project: Project) -> None:
    """The images themselves are what they were."""
    project.write("net", IMAGES)
    spec = {**DIGITS, "model": {"use": "net:Net"}, "recipe": {"use": "net"}}
    last = {**spec, "train": {**DIGITS["train"], "channels_last": True}}
    orders: list[bool] = []

    def note(module: nn.Module, arguments: Any, output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            orders.append(output.is_contiguous(memory_format=torch.channels_last))

    plain = project.train(spec)
    with torch.nn.modules.module.register_module_forward_hook(note):
        run = project.train(last)

    assert all(orders)
    assert run.losses["test"] == pytest.approx(plain.losses["test"], rel=1e-3)


def test_channels_last_without_images_is_an_error_before_training(project: Project) -> None:
    """Of a model of the team's own, which no rule knows."""
    project.write("net", "from torch import nn\n\ndef build():\n    return nn.Linear(64, 10)\n")
    with pytest.raises(RecipeError, match=r"orders images .*, and a row here is \[64\]") as caught:
        project.train({**with_options(channels_last=True), "model": {"use": "net:build"}})

    assert caught.value.key == "train.channels_last"


def test_an_operation_without_a_deterministic_form_is_an_error(project: Project) -> None:
    """Of its key; without the key it trains."""
    code = (
        "import torch\nfrom torch import nn\n\nclass Net(nn.Linear):\n    def __init__(self):\n        super().__init__(64, 10)\n"
        "    def forward(self, x):\n        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))\n"
        "        return super().forward(x)\n"
    )
    project.write("net", code)
    spec = {**DIGITS, "model": {"use": "net:Net"}}
    project.train(spec)
    with pytest.raises(TrainingError, match="does not have a deterministic implementation") as caught:
        project.train({**spec, "train": {**DIGITS["train"], "deterministic": True}})

    assert caught.value.key == "train.deterministic"
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_layer_and_the_rows_of_a_loss_that_is_not_finite_are_named(project: Project) -> None:
    """The rows by their number in the source."""
    project.write("net", BREAKS)
    with pytest.raises(
        TrainingError, match=r"loss is nan at step 1 \(epoch 1\): first in the output of 1 \(Log\); rows \d"
    ):
        project.train({**DIGITS, "model": {"use": "net:Net"}})


def test_out_of_memory_keeps_the_rows_of_a_step_and_is_noted(project: Project) -> None:
    """Batches of 64 go as 16 at a time."""
    project.write("net", SMALL)
    run = project.train({**DIGITS, "model": {"use": "net:Net"}})

    assert len(run.loss_S) == 18
    assert [note for note in run.notes if "micro-batches of 16" in note]


def test_out_of_memory_with_batch_statistics_is_an_error(project: Project) -> None:
    """With the advice that keeps the training what it was declared to be."""
    project.write("net", SMALL)
    with pytest.raises(TrainingError, match="would change the batch statistics of norm") as caught:
        project.train({**DIGITS, "model": {"use": "net:Net", "norm": True}})

    assert caught.value.key == "train.batch_size"


def folders_of(work: Work) -> list[str]:
    """The checkpoints that a job has left in its folder."""
    return sorted(path.name for path in (work.folder / "checkpoints").glob("*"))


def test_checkpoints_are_kept_with_the_evidence(project: Project) -> None:
    """The last two, and the best epoch's."""
    spec = with_options(checkpoint={"steps": 5}, ema=0.9)
    work = project.work(spec)
    run(Train(), work)

    assert folders_of(work) == ["best", "step-00000010", "step-00000015"]
    checkpoint.verify(work.folder / "checkpoints" / "best")


@pytest.mark.parametrize("job", [Train(batches=1, steps=10), Train(fresh=True), Train(steps=10), Interrupt()])
def test_a_training_that_a_check_asks_for_writes_none(project: Project, job: Train | Interrupt) -> None:
    """They are for the training that the spec declares."""
    work = project.work(with_options(checkpoint={"steps": 2}))
    run(job, work)

    assert folders_of(work) == []


def test_a_training_tells_what_it_cost(project: Project) -> None:
    """Rows and time, memory, and why there is no utilisation of a GPU."""
    found = project.train(with_options(epochs=3))

    assert isinstance(found.cost, Cost)
    assert found.cost.rows == 3 * found.rows
    assert found.cost.rows_per_second == pytest.approx(found.cost.rows / found.seconds)
    assert set(found.cost.phase_seconds) == {"fetch", "evaluation", "steps"}
    assert found.cost.peak_memory > 10_000_000
    assert (found.cost.utilisation, found.cost.utilisation_missing) == (None, "NVML knows nothing of cpu")
    assert found.update_step_U.values.tolist() == [26]
    assert isinstance(found, TrainingRun)
    assert 0 < found.update_ratio_U.values[0] < 1


def test_an_exception_of_the_model_is_still_the_users(project: Project) -> None:
    """No option takes it for one of its own."""
    project.write("net", RAISES)
    with pytest.raises(UserCodeError, match="RuntimeError: mine"):
        project.train({**with_options(deterministic=True, ema=0.9), "model": {"use": "net:Net"}})
