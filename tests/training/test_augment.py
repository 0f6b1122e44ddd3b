"""What happens to an image is a function of (seed, epoch, row): not of its batch, nor of what was drawn before."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.language.names import AUGMENTATIONS
from pytest_mlspec.training import augment
from pytest_mlspec.training.augment import AugmentedSource, Draws, build, image_by_image
from pytest_mlspec.training.batches import Batch, EpochOrder, ResidentSource, Step
from pytest_mlspec.training.seeding import generator, perturb, rng_state

from .trainings import CPU

IMAGES = torch.randn(40, 3, 9, 8, generator=generator(0, "images"))
CHANGES: dict[str, dict[str, Any]] = {
    "random_crop": {"padding": 2},
    "random_erasing": {},
    "random_horizontal_flip": {},
    "random_rotation": {"degrees": 30, "interpolation": "bilinear", "fill": 1.5},
    "random_vertical_flip": {},
}


def draws(rows: int, *, epoch: int = 0, seed: int = 0) -> Draws:
    return Draws(seed, epoch, 0, torch.arange(rows), torch.zeros(rows, dtype=torch.int64))


def images_of(batch: Batch) -> Tensor:
    assert isinstance(batch.inputs, Tensor)
    return batch.inputs


def walked(batch_size: int, *, seed: int = 0, epoch: int = 0, begin: int = 0) -> dict[int, Tensor]:
    """Each row as training sees it, by its number."""
    changes = [build(name, arguments) for name, arguments in CHANGES.items()]
    source = AugmentedSource(ResidentSource(IMAGES, None, CPU), [*changes, image_by_image(jitter)], seed)
    order = EpochOrder(40, batch_size, 0).steps(epoch)[begin:]
    batches = [batch for step in source.steps(order, epoch) for batch in step]
    return {int(row): image for batch in batches for row, image in zip(batch.index, images_of(batch), strict=True)}


def jitter(image: Tensor) -> Tensor:
    return image * random.random() + np.random.rand() + torch.randn(())


def test_every_change_by_name_is_tested_here() -> None:
    """The table of names and the changes are the same."""
    assert CHANGES.keys() == AUGMENTATIONS.keys() == augment._CHANGES.keys()


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_a_row_is_changed_alike_in_any_batch(batch_size: int) -> None:
    """Bit for bit, whatever was drawn before."""
    expected = walked(16)
    perturb()
    found = walked(batch_size)

    assert all(torch.equal(found[row], expected[row]) for row in range(40))


def test_the_rest_of_an_epoch_is_changed_as_in_the_whole() -> None:
    """So a resume in its middle is exact."""
    whole, rest = walked(16), walked(16, begin=1)

    assert len(rest) == 24
    assert all(torch.equal(image, whole[row]) for row, image in rest.items())


@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}])
def test_another_seed_or_epoch_changes_otherwise(other: dict[str, int]) -> None:
    """And rows differ from each other."""
    first, second = walked(16), walked(16, **other)

    assert not any(torch.equal(first[row], second[row]) for row in range(40))


def test_a_row_that_is_drawn_again_is_changed_otherwise() -> None:
    """And alike in an epoch and in the rest of one."""
    source = AugmentedSource(ResidentSource(IMAGES, None, CPU), [image_by_image(jitter)], seed=0)
    order: list[Step] = [(torch.tensor([3, 5]),), (torch.tensor([3]),), (torch.tensor([5, 3]),)]
    whole = torch.cat([images_of(batch) for (batch,) in source.steps(order, 0)])
    rest = torch.cat([images_of(batch) for (batch,) in source.steps(order[1:], 0)])

    assert not torch.equal(whole[0], whole[2])
    assert not torch.equal(whole[2], whole[4])
    assert torch.equal(rest, whole[2:])


def test_fetched_rows_are_as_they_are() -> None:
    """Evaluation sees no change."""
    source = AugmentedSource(ResidentSource(IMAGES, None, CPU), [build("random_vertical_flip", {"p": 1})], seed=0)
    index = torch.tensor([3, 1])

    assert len(source) == 40
    assert torch.equal(images_of(source.fetch(index)), IMAGES[index])
    assert torch.equal(images_of(source.changed(source.fetch(index), 0, index * 0)), IMAGES[index].flip(2))


def test_the_generators_of_the_training_are_left_alone() -> None:
    """The team's own function draws from them, and dropout must not notice."""
    before = rng_state()["torch"]
    walked(16)

    assert torch.equal(rng_state()["torch"], before)


def test_draws_are_uniform_and_unlike_each_other() -> None:
    """Mean, variance and correlations of 10,000 rows with 23 draws each."""
    drawn = draws(10_000).uniform(23)

    assert float(drawn.min()) >= 0
    assert float(drawn.max()) < 1
    assert drawn.mean(0).tolist() == pytest.approx([0.5] * 23, abs=0.015)
    assert drawn.var(0).tolist() == pytest.approx([1 / 12] * 23, abs=0.003)
    assert float(torch.corrcoef(drawn.T).fill_diagonal_(0).abs().max()) < 0.05


@pytest.mark.parametrize(("name", "axis"), [("random_horizontal_flip", 3), ("random_vertical_flip", 2)])
def test_a_flip_turns_its_share_of_the_rows(name: str, axis: int) -> None:
    """The others stay."""
    images = IMAGES[:1].expand(2000, -1, -1, -1)
    found = build(name, {"p": 0.25})(images, draws(2000))
    flipped = (found == images.flip(axis)).flatten(1).all(1)

    assert torch.equal(found[~flipped], images[~flipped])
    assert float(flipped.float().mean()) == pytest.approx(0.25, abs=0.03)


def test_a_crop_is_a_window_of_the_padded_image() -> None:
    """With every offset as often, filled outside."""
    image = torch.arange(1.0, 13.0).reshape(1, 1, 3, 4)
    found = build("random_crop", {"padding": 1, "fill": -1.0})(image.expand(900, -1, -1, -1), draws(900))
    padded = torch.nn.functional.pad(image, [1] * 4, value=-1.0)
    windows = torch.stack([padded[0, :, y : y + 3, x : x + 4] for y in range(3) for x in range(3)])
    which = (found[:, None] == windows).flatten(2).all(2)

    assert which.sum(1).tolist() == [1] * 900
    assert which.float().mean(0).tolist() == pytest.approx([1 / 9] * 9, abs=0.04)


@pytest.mark.parametrize(("mode", "corner"), [("edge", 0.0), ("reflect", 5.0)])
def test_a_crop_is_padded_as_it_says(mode: str, corner: float) -> None:
    """By torchvision's words."""
    image = torch.arange(16.0).reshape(1, 1, 4, 4).expand(50, -1, -1, -1)
    found = build("random_crop", {"padding": 1, "padding_mode": mode})(image, draws(50))
    from_top_left = found[:, 0, 1, 1] == 0.0

    assert bool(from_top_left.any())
    assert set(found[from_top_left, 0, 0, 0].tolist()) == {corner}


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_a_rotation_is_counter_clockwise(interpolation: str) -> None:
    """A quarter turn is exact to rounding."""
    images = IMAGES[:4, :, :8, :8]
    found = build("random_rotation", {"degrees": [90, 90], "interpolation": interpolation})(images, draws(4))

    torch.testing.assert_close(found, torch.rot90(images, 1, (2, 3)), rtol=0, atol=1e-5)


def test_a_rotation_fills_what_it_uncovers() -> None:
    """The corners of a square that stands on one of them."""
    images = torch.ones(1, 1, 9, 9)
    found = build("random_rotation", {"degrees": [45, 45], "fill": 7.0})(images, draws(1))

    assert found[0, 0, [0, 4], [0, 4]].tolist() == [7.0, 1.0]


def test_an_erased_rectangle_has_its_share_of_the_area() -> None:
    """One rectangle in the chosen rows; none with p 0."""
    images = torch.ones(500, 2, 20, 30)
    found = build("random_erasing", {"p": 0.5, "scale": [0.1, 0.2], "value": 0.0})(images, draws(500))
    erased = found[:, 0] == 0
    area = erased.flatten(1).sum(1)
    box = erased.any(2).sum(1) * erased.any(1).sum(1)

    assert torch.equal(area, box)
    assert torch.equal(found[:, 0], found[:, 1])
    assert float((area > 0).float().mean()) == pytest.approx(0.5, abs=0.07)
    assert 45 <= int(area[area > 0].min()) <= int(area.max()) <= 135
    assert torch.equal(build("random_erasing", {"p": 0.0})(images, draws(500)), images)


def test_what_does_not_fit_is_not_erased() -> None:
    """An area as large as the image never leaves a border."""
    found = build("random_erasing", {"p": 1.0, "scale": [1.0, 1.0]})(IMAGES, draws(40))

    assert torch.equal(found, IMAGES)


@pytest.mark.parametrize(
    ("inputs", "form"),
    [
        (torch.zeros(4, 6), r"float32 \[2, 6\]"),
        (torch.zeros(4, 1, 2, 2, dtype=torch.uint8), r"uint8 \[2, 1, 2, 2\]"),
        ({"left": torch.zeros(4, 6)}, r"left float32 \[2, 6\]"),
    ],
)
def test_only_images_can_be_augmented(inputs: Any, form: str) -> None:
    """Anything else is told with its form and the remedy."""
    source = AugmentedSource(ResidentSource(inputs, None, CPU), [build("random_vertical_flip", {})], seed=0)
    with pytest.raises(TrainingError, match=f"the inputs are {form}") as told:
        source.changed(source.fetch(torch.arange(2)), 0, torch.zeros(2, dtype=torch.int64))

    assert (told.value.key, "prepare: images" in told.value.advice) == ("data.augment", True)


@pytest.mark.parametrize(
    ("function", "made"),
    [
        (lambda image: image[:, 1:], r"float32 \[3, 8, 8\]"),
        (lambda image: image.double(), r"float64 \[3, 9, 8\]"),
        (lambda image: None, "a NoneType"),
    ],
)
def test_the_teams_own_function_keeps_the_form_of_an_image(function: Any, made: str) -> None:
    """What it returns instead is told."""
    with pytest.raises(TrainingError, match=f"made {made} of an image"):
        image_by_image(function)(IMAGES, draws(40))


def test_the_teams_own_function_may_write_to_its_image() -> None:
    """The rows themselves stay as they are."""
    before = IMAGES.clone()
    image_by_image(lambda image: image.zero_())(IMAGES, draws(40))

    assert torch.equal(IMAGES, before)
