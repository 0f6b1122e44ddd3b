"""How rows reach a training: from a Dataset, by workers, changed at random, drawn by class, repeated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from projects import DIGITS, Project

from pytest_mlspec.engines import loading
from pytest_mlspec.engines.assembly import assemble
from pytest_mlspec.errors import DataError, MlspecError, RecipeError, UserCodeError
from pytest_mlspec.jobs import Resume, Train
from pytest_mlspec.training.batches import ResidentSource
from pytest_mlspec.training.loader import LoadedSource

CODE = """
import random
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, WeightedRandomSampler

class Images(Dataset):
    def __init__(self, rows, noise=0.0, bad=""):
        self.rows, self.noise, self.bad = rows, noise, bad

    def __len__(self):
        return self.rows

    def __getitem__(self, row):
        label = "abc"[row % 3]
        image = torch.full((1, 4, 4), float(row % 3)) + 0.01 * row
        image[0, row % 4] += self.noise * (random.random() + np.random.rand() + torch.rand(()).item())
        if row == 17:
            if self.bad == "raises":
                raise ValueError("no such file")
            if self.bad == "nan":
                image[0, 0, 0] = float("nan")
            if self.bad == "text":
                return "image", label
            if self.bad == "small":
                return image[:, 1:], label
            if self.bad == "alone":
                return image
        return image, label

class Named(Images):
    def __getitem__(self, row):
        image, label = super().__getitem__(row)
        return {"image": image.numpy(), "scale": np.float64(2.0), "label": label}

class Stream(IterableDataset):
    def __iter__(self):
        return iter([])

def load(**options):
    return Images(60, **options)

def named():
    return Named(60)

def split():
    return {"train": Images(48, noise=0.5), "test": Images(12)}

def stream():
    return Stream()

def loader(**options):
    return DataLoader(Images(60), **{"batch_size": 16, "shuffle": True, **options})

def sampled():
    return loader(shuffle=False, sampler=WeightedRandomSampler([1.0] * 60, 60))

def twice(items):
    images, targets = zip(*items)
    return 2 * torch.stack(images), torch.stack(targets)

def collating():
    return loader(collate_fn=twice)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))

    def forward(self, image, scale=1.0):
        return self.layers(image) * (scale if isinstance(scale, float) else scale[:, None])

def jitter(image, strength=1.0):
    return image + strength * torch.randn(()) * random.random()

class Jitter:
    def __init__(self, strength):
        self.strength = strength

    def __call__(self, image):
        return jitter(image, self.strength)

def wide(image):
    return torch.cat([image, image], 2)

def wrong(image):
    raise ValueError("no jitter")
"""
SPEC: dict[str, Any] = {
    "task": "multiclass",
    "data": {"source": "own:load"},
    "model": "own:Net",
    "train": {"epochs": 3, "batch_size": 16},
}
NOISY = {"source": {"use": "own:load", "noise": 0.5}}


def spec(source: Any = "own:load", *, data: dict[str, Any] | None = None, **train: Any) -> dict[str, Any]:
    return {**SPEC, "data": {"source": source, **(data or {})}, "train": {**SPEC["train"], **train}}


@pytest.fixture(autouse=True)
def own(project: Project) -> None:
    project.write("own", CODE)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_dataset_trains_alike_with_any_number_of_workers(project: Project, workers: int) -> None:
    """With items that are random, and images that are changed at random."""
    augment = ["random_horizontal_flip", {"use": "own:jitter", "strength": 0.3}]
    noisy = {"use": "own:load", "noise": 0.5}
    alone = project.train(spec(noisy, data={"augment": augment}))
    loaded = project.train(spec(noisy, data={"augment": augment}, workers=workers))

    assert loaded.weights_digest == alone.weights_digest
    assert loaded.predictions_digest == alone.predictions_digest
    assert loaded.loss_S.values.tolist() == alone.loss_S.values.tolist()


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_a_resume_with_workers_and_augmentation_is_exact(project: Project, at: float) -> None:
    """Also in the middle of an epoch, and with drawn rows."""
    augmented = spec(
        {"use": "own:load", "noise": 0.5},
        data={"augment": [{"use": "random_crop", "padding": 1}, "own:jitter"]},
        workers=1,
        sampler="balanced",
        optimizer={"use": "sgd", "lr": 0.1, "momentum": 0.9},
    )
    whole = project.train(augmented)
    resumed = project.train(augmented, Resume(at=at))

    assert resumed.weights_digest == whole.weights_digest


def test_labels_of_a_dataset_are_classes(project: Project) -> None:
    """The test rows are drawn as from a table, and metrics know the labels."""
    work = project.work(spec())
    prepared = work.prepared

    assert prepared.classes == ("a", "b", "c")
    assert {name: len(rows) for name, rows in prepared.splits.items()} == {"train": 48, "test": 12}
    assert prepared.splits["test"].targets.tolist() == [row % 3 for row in prepared.splits["test"].index.tolist()]


def test_the_digest_of_a_dataset_is_that_of_its_content(project: Project) -> None:
    """Equal for equal items, another for others."""
    digests = [project.work(each).prepared.digest for each in (spec(), spec(), {**SPEC, "data": NOISY})]

    assert digests[0] == digests[1] != digests[2]


def test_a_dataset_by_split_has_its_own_rows(project: Project) -> None:
    """Items of the training rows alone are noisy."""
    assembly = assemble(project.work(spec("own:split")))
    train, test = (assembly.source(assembly.prepared.splits[name]).fetch(torch.arange(3)) for name in ("train", "test"))

    assert isinstance(train.inputs, torch.Tensor)
    assert isinstance(test.inputs, torch.Tensor)
    assert len(assembly.examples) == 48
    assert test.inputs[:, 0, 3, 3].tolist() == pytest.approx([0.0, 1.01, 2.02])
    assert train.inputs[:, 0, :, 3].max(1).values.tolist() > test.inputs[:, 0, :, 3].max(1).values.tolist()


def test_items_may_be_mappings_whose_target_is_named(project: Project) -> None:
    """Arrays and numbers become tensors in single precision, the arguments of the model."""
    assembly = assemble(project.work(spec("own:named", data={"target": "label"})))
    inputs = assembly.source(assembly.examples).fetch(torch.arange(2)).inputs

    assert isinstance(inputs, dict)
    assert {name: (values.dtype, list(values.shape)) for name, values in inputs.items()} == {
        "image": (torch.float32, [2, 1, 4, 4]),
        "scale": (torch.float32, [2]),
    }
    assert project.train(spec("own:named", data={"target": "label"})).steps == 9


def test_the_collate_of_a_loader_makes_the_batches(project: Project) -> None:
    """With the numbers of the classes in the place of labels."""
    assembly = assemble(project.work(spec("own:collating")))
    batch = assembly.source(assembly.examples).fetch(torch.arange(2))
    alone = assemble(project.work(spec()))

    assert torch.equal(batch.inputs, 2 * alone.source(alone.examples).fetch(torch.arange(2)).inputs)  # type: ignore[arg-type,operator]
    assert batch.targets is not None
    assert batch.targets.tolist() == assembly.examples.targets[:2].tolist()


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        ("raises", UserCodeError, "row 17 of own:load raised ValueError: no such file"),
        ("nan", DataError, "row 17 of own:load holds NaN or infinity"),
        ("small", RecipeError, "row 17 of own:load has inputs [1, 3, 4], and row 0 [1, 4, 4]"),
        ("text", RecipeError, "row 17 of own:load has inputs that are a str"),
        ("alone", RecipeError, "row 17 of own:load is a Tensor"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(project: Project, bad: str, kind: type[MlspecError], message: str) -> None:
    """Before any training, since the items are read once when data are prepared."""
    with pytest.raises(kind) as told:
        project.train(spec({"use": "own:load", "bad": bad}))

    assert (told.value.message, told.value.key) == (message, "data.source")


def test_the_line_that_failed_is_told(project: Project) -> None:
    """As the user's own, without our frames."""
    with pytest.raises(UserCodeError) as told:
        project.train(spec({"use": "own:load", "bad": "raises"}))

    assert 'own.py", line 21, in __getitem__' in told.value.details
    assert "pytest_mlspec" not in told.value.details


@pytest.mark.parametrize(
    ("source", "options", "key", "message"),
    [
        ("own:stream", {}, "data.source", "own:stream gives a Stream, whose rows have no numbers"),
        ("own:sampled", {}, "data.source", "the DataLoader of own:sampled has a sampler of its own"),
        ({"use": "own:loader", "batch_size": 8}, {}, "train.batch_size", "has batch_size 8, and the spec 16"),
        ({"use": "own:loader", "shuffle": False}, {}, "train.shuffle", "has shuffle false, and the spec true"),
        ({"use": "own:loader", "num_workers": 2}, {}, "train.workers", "has workers 2, and the spec 0"),
        ({"use": "own:loader", "drop_last": True}, {}, "train.drop_last", "has drop_last true, and the spec false"),
    ],
)
def test_a_loader_that_contradicts_the_spec_is_refused(
    project: Project, source: Any, options: dict[str, Any], key: str, message: str
) -> None:
    """Nothing of it is ignored in silence."""
    with pytest.raises(RecipeError, match=message) as told:
        project.train(spec(source, **options))

    assert told.value.key == key


@pytest.mark.parametrize(
    ("changed", "key", "message"),
    [
        ({"data": {"source": "own:load", "prepare": "standard"}}, "data.prepare", "items enter the model as they are"),
        ({"model": {"use": "mlp"}}, "model", "a model by name takes its sizes from arrays"),
        ({"train": {"engine": "sklearn"}, "model": "GaussianNB"}, "data.source", "the engine sklearn fits arrays"),
        ({"data": {"source": "own:load", "target": "label"}}, "data.source", "row 0 of own:load is a tuple of 2"),
    ],
)
def test_what_needs_arrays_is_refused_for_a_dataset(
    project: Project, changed: dict[str, Any], key: str, message: str
) -> None:
    """With its key in the spec."""
    with pytest.raises(RecipeError, match=message) as told:
        project.train({**SPEC, **changed})

    assert told.value.key == key


def test_workers_without_anything_to_load_are_refused(project: Project) -> None:
    """Rows in memory are an index operation away."""
    with pytest.raises(RecipeError, match="the rows lie in memory") as told:
        project.train({**DIGITS, "train": {"workers": 2}})

    assert told.value.key == "train.workers"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("own:wide", r"made float32 \[1, 4, 8\] of an image that is float32 \[1, 4, 4\]"),
        ("own:wrong", "own:wrong raised ValueError: no jitter"),
        ({"use": "random_crop", "padding": 9, "padding_mode": "reflect"}, "Padding size should be less"),
        ("own:SPEC", "own has no 'SPEC'"),
        ({"use": "own:jitter", "strenth": 1}, "own:jitter cannot be called as"),
        ("own:load", r"own:load\(\*\*options\) does not fit"),
    ],
)
def test_a_change_that_does_not_fit_is_told_before_training(project: Project, change: Any, message: str) -> None:
    """It is tried on one row."""
    with pytest.raises(MlspecError, match=message) as told:
        project.train(spec(data={"augment": [change]}))

    assert told.value.key == "data.augment"


def test_rows_that_are_no_images_cannot_be_augmented(project: Project) -> None:
    """The digits are rows of 64 numbers."""
    with pytest.raises(MlspecError, match=r"the inputs are float32 \[1, 64\]"):
        project.train({**DIGITS, "data": {"source": "sklearn.digits", "augment": ["random_horizontal_flip"]}})


def test_a_class_of_the_teams_own_is_made_and_called(project: Project) -> None:
    """As a function with the same arguments is."""
    changes = [{"use": "own:Jitter", "strength": 0.3}], [{"use": "own:jitter", "strength": 0.3}]
    runs = [project.train(spec(data={"augment": change})) for change in changes]

    assert runs[0].weights_digest == runs[1].weights_digest != project.train(spec()).weights_digest


def test_evaluation_and_a_training_on_few_batches_see_no_change(project: Project) -> None:
    """Rows that change with each epoch cannot be learned by heart."""
    plain, augmented = spec(), spec(data={"augment": ["own:jitter"]})
    runs = [project.train(each, Train(batches=1, steps=5)) for each in (plain, augmented)]

    assert runs[0].loss_S.values.tolist() == runs[1].loss_S.values.tolist()
    assert project.train(plain).losses_before == project.train(augmented).losses_before


def test_oversampled_rows_are_trained_on_and_not_measured(project: Project) -> None:
    """The classes of the training rows are made as large as the largest; the splits stay."""
    cancer = {
        "task": "binary",
        "data": {"source": "sklearn.breast_cancer", "oversample": True},
        "model": {"use": "mlp"},
    }
    work = project.work({**cancer, "train": {"epochs": 1}})
    assembly = assemble(work)

    assert np.bincount(assembly.examples.targets).tolist() == [290, 290]
    assert np.bincount(assembly.prepared.splits["train"].targets).tolist() == [165, 290]
    assert project.train({**cancer, "train": {"epochs": 1}}).rows == 580


def test_an_estimator_is_fitted_on_oversampled_rows(project: Project) -> None:
    """Its prior of the classes tells."""
    cancer = {
        "task": "binary",
        "data": {"source": "sklearn.breast_cancer", "oversample": True},
        "model": "DummyClassifier",
    }
    result = project.run(Train(), {**cancer, "train": {"engine": "sklearn"}})

    assert result.arrays["predictions/train"][0].tolist() == [0.5, 0.5]
    assert len(result.arrays["predictions/train"]) == 455


def test_large_mapped_arrays_are_read_in_batches(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By workers too, with the same result as from memory."""
    small = assemble(project.work(DIGITS))
    path = project.root / "inputs.npy"
    inputs = small.examples.inputs
    assert isinstance(inputs, np.ndarray)
    np.save(path, inputs)
    mapped = small.examples.__class__(np.load(path, mmap_mode="r"), small.examples.targets, small.examples.index)
    resident = loading.source_of(mapped, small.recipe, small.device.device)
    monkeypatch.setattr(loading, "RESIDENT_BYTES", 1000)
    streamed = loading.source_of(mapped, small.recipe, small.device.device)
    index = torch.tensor([5, 2, 9])

    assert isinstance(resident, ResidentSource)
    assert isinstance(streamed, LoadedSource)
    assert torch.equal(streamed.fetch(index).inputs, resident.fetch(index).inputs)  # type: ignore[arg-type]
    assert torch.equal(streamed.fetch(index).targets, resident.fetch(index).targets)  # type: ignore[arg-type]
