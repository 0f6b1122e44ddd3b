"""Images are normalised channel by channel, by what the training rows hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pytest_mlspec.errors import MlspecError
from recipe.steps import fitted_on

BYTES = np.random.default_rng(0).integers(0, 256, (50, 6, 5, 3), dtype=np.uint8)


def _prepared(images: Any, later: Any = None, **arguments: Any) -> Any:
    return fitted_on(images, {"use": "images", **arguments}).inputs(images if later is None else later)


def test_channels_have_mean_zero_and_deviation_one_over_the_training_rows() -> None:
    """Channels come first, as float32 in one piece of memory."""
    prepared = _prepared(BYTES)

    assert prepared.shape == (50, 3, 6, 5)
    assert prepared.dtype == np.float32
    assert prepared.flags.c_contiguous
    assert_allclose(prepared.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    assert_allclose(prepared.std(axis=(0, 2, 3)), 1, atol=1e-5)


def test_later_rows_are_normalised_by_the_training_rows() -> None:
    """Their own mean does not count."""
    later = np.full((2, 6, 5, 3), 255, dtype=np.uint8)
    scaled = BYTES / 255

    expected = (1 - scaled.mean(axis=(0, 1, 2))) / scaled.std(axis=(0, 1, 2))
    assert_allclose(_prepared(BYTES, later)[1, :, 0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("images", "arguments", "shape"),
    [
        (BYTES[..., 0], {}, (50, 1, 6, 5)),
        (BYTES.transpose(0, 3, 1, 2), {"channels": "first"}, (50, 3, 6, 5)),
        (BYTES.reshape(50, 90), {"shape": [6, 5, 3]}, (50, 3, 6, 5)),
        (BYTES[..., 0].reshape(50, 30) / 255.0, {"shape": [6, 5]}, (50, 1, 6, 5)),
    ],
)
def test_images_of_every_layout_become_the_same(images: Any, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Grey ones have one channel."""
    prepared = _prepared(images, **arguments)

    assert prepared.shape == shape
    assert_allclose(prepared, _prepared(BYTES)[:, : shape[1]], atol=1e-5)


def test_mean_and_deviation_can_be_given() -> None:
    """On the scale from 0 to 1 for bytes, on that of the values for others."""
    assert_allclose(
        _prepared(BYTES, mean=[0.5], std=[0.25])[0, 0, 0, 0], (BYTES[0, 0, 0, 0] / 255 - 0.5) / 0.25, rtol=1e-5
    )
    assert_allclose(_prepared(BYTES / 1.0, mean=[9.0], std=[2.0])[0, 0, 0, 0], (BYTES[0, 0, 0, 0] - 9) / 2, rtol=1e-6)


def test_a_channel_of_one_value_becomes_zero() -> None:
    """It has no deviation to divide by."""
    assert_allclose(_prepared(np.full((4, 2, 2), 7.0)), 0)


def test_images_mapped_from_a_file_are_read_in_parts(tmp_path: Any) -> None:
    """The result is that of images in memory."""
    np.save(tmp_path / "images.npy", np.tile(BYTES, (25, 1, 1, 1)))
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")

    np.testing.assert_array_equal(_prepared(mapped), _prepared(np.asarray(mapped)))


@pytest.mark.parametrize(
    ("features", "arguments", "message"),
    [
        (np.ones((4, 9)), {}, r"images are \[N, H, W\] or \[N, H, W, C\], and the features are an array \[N, 9\]"),
        (np.ones((4, 9)), {"shape": [2, 2]}, "the features are an array"),
        (pd.DataFrame(np.ones((4, 9))), {}, "the features are a table"),
        (np.ones((4, 3, 8, 8)), {}, r"the last axis of \[N, 3, 8, 8\] is no axis of channels"),
        (BYTES, {"mean": [0.1, 0.2]}, "mean has 2 values, and the images 3 channels"),
    ],
)
def test_what_is_no_image_is_an_error(features: Any, arguments: dict[str, Any], message: str) -> None:
    """It names the shape."""
    with pytest.raises(MlspecError, match=message):
        _prepared(features, **arguments)


def test_pixels_of_another_type_are_an_error() -> None:
    """A value of 200 would mean another thing."""
    with pytest.raises(MlspecError, match="the pixels are float64, and bytes in the training rows"):
        _prepared(BYTES, BYTES / 255)
