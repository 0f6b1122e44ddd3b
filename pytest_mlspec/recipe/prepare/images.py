"""`images`: [N, H, W] or [N, H, W, C] becomes float32 [N, C, H, W], normalised by the training rows' mean and deviation.

Whole numbers of eight bits are first divided by 255, so that `mean` and `std` are on the scale of torchvision.

Shape letters: N rows, H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.recipe.prepare.frame import KEY, Frame

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Use
    from pytest_mlspec.recipe.protocol import NumpyArray

_MOST_CHANNELS = 4
# Bounds what is copied at once; the images may be mapped from a file.
_ROWS_AT_ONCE = 1024


class Images:
    """Images as a convolution takes them; `shape` gives rows of numbers theirs, `channels: first` says that C stands before H."""

    def __init__(self, use: Use) -> None:
        self._use = use
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Computes the mean and deviation of each channel over all pixels, where they are not given."""
        import numpy as np

        images = self._shaped(frame)
        scale = 255.0 if images.dtype == np.uint8 else 1.0
        channels = images.shape[1]
        mean_C, std_C = (self._use.arguments.get(name) for name in ("mean", "std"))
        if mean_C is None or std_C is None:
            sums_C, squares_C, pixels = np.zeros(channels), np.zeros(channels), 0
            for part in _parts(images):
                part_NCHW = part.astype(np.float64) / scale
                sums_C += part_NCHW.sum(axis=(0, 2, 3))
                squares_C += np.square(part_NCHW).sum(axis=(0, 2, 3))
                pixels += part_NCHW.size // channels
            found = sums_C / pixels
            deviation = np.sqrt(np.maximum(squares_C / pixels - np.square(found), 0.0))
            mean_C = found if mean_C is None else mean_C
            std_C = np.where(deviation > 0, deviation, 1.0) if std_C is None else std_C
        moments = {
            name: np.atleast_1d(np.asarray(value, dtype=np.float64))
            for name, value in (("mean", mean_C), ("std", std_C))
        }
        for name, values in moments.items():
            if len(values) not in (1, channels):
                raise RecipeError(
                    f"{name} has {len(values)} values, and the images {channels} channels", key=f"{KEY}.{name}"
                )
        self.learned = {**moments, "scale": scale}

    def transform(self, frame: Frame) -> Frame:
        """The frame with float32 images [N, C, H, W]."""
        import numpy as np

        images = self._shaped(frame)
        is_bytes = images.dtype == np.uint8
        if is_bytes != (self.learned["scale"] == 255.0):
            now, then = ("bytes", "others") if is_bytes else (str(images.dtype), "bytes")
            raise DataError(f"the pixels are {now}, and {then} in the training rows", key=KEY)
        factor_C = (1.0 / (self.learned["scale"] * self.learned["std"])).astype(np.float32).reshape(-1, 1, 1)
        offset_C = (self.learned["mean"] / self.learned["std"]).astype(np.float32).reshape(-1, 1, 1)
        normalised_NCHW = np.empty(images.shape, dtype=np.float32)
        start = 0
        for part in _parts(images):
            into = normalised_NCHW[start : start + len(part)]
            np.multiply(part, factor_C, out=into, dtype=np.float32, casting="unsafe")
            into -= offset_C
            start += len(part)
        flat = normalised_NCHW.reshape(len(frame), -1)
        return replace(frame, numbers=flat, names=(), shape=normalised_NCHW.shape[1:])

    def _shaped(self, frame: Frame) -> NumpyArray:
        """The images as [N, C, H, W], a view where they lie in memory otherwise; raises DataError where they are none."""
        shape = tuple(self._use.arguments.get("shape", frame.shape or ()))
        pixels = frame.numbers.shape[1] if not frame.texts else 0
        needed = 1
        for size in shape:
            needed *= size
        if frame.texts or frame.times or frame.ids or len(shape) not in (2, 3) or needed != pixels:
            held = "a table" if frame.shape is None else f"an array [N, {', '.join(map(str, frame.shape))}]"
            raise DataError(
                f"images are [N, H, W] or [N, H, W, C], and the features are {held}",
                key=KEY,
                advice="write {use: images, shape: [H, W]} where each row holds the pixels of one",
            )
        images = frame.numbers.reshape(len(frame), *shape)
        if len(shape) == 2:
            return images[:, None]
        if self._use.arguments.get("channels", "last") == "first":
            return images
        if shape[-1] > _MOST_CHANNELS:
            raise DataError(
                f"the last axis of [N, {', '.join(map(str, shape))}] is no axis of channels",
                key=KEY,
                advice="write {use: images, channels: first} where they are [N, C, H, W]",
            )
        return images.transpose(0, 3, 1, 2)


def _parts(images: NumpyArray) -> Iterator[NumpyArray]:
    for start in range(0, len(images), _ROWS_AT_ONCE):
        yield images[start : start + _ROWS_AT_ONCE]
