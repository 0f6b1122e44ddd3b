"""Images, decoded by Pillow: one array of one size and one mode.

An image is turned as its camera says, converted to the mode, and scaled to the size without regard to its proportions. What
would be lost in silence is refused: more than 8 bits a channel, transparency, a second frame, a file that ends too soon.

Shape letters: N images, H rows and W columns of pixels, C channels.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, MissingExtraError
from pytest_mlspec.sources.files import KEY, opened

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""The endings of files that are taken for images."""

_EIGHT_BITS = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"})
_SHOWN = 5


class _UnusableError(Exception):
    """An image that cannot be decoded, or would lose something."""


def read_files(paths: Sequence[str], root: Path, *, size: int | Sequence[int] | None, mode: str) -> NumpyArray:
    """The images at `paths`, relative to `root`, as `stack` makes them."""

    def contents() -> Iterable[tuple[str, bytes]]:
        for path in paths:
            with opened(path, root=root) as file:
                yield path, file.read()

    return stack(contents(), count=len(paths), size=size, mode=mode)


def stack(
    contents: Iterable[tuple[str, bytes]], *, count: int, size: int | Sequence[int] | None, mode: str
) -> NumpyArray:
    """The `count` images in `contents`, each a name and a file's bytes: uint8 [N, H, W, C], or [N, H, W] in the mode L.

    `size` is the number of pixels a side, or [height, width]. Raises DataError that names the images that cannot be used, or
    two that differ in size where none is given.
    """
    import numpy as np

    try:
        from PIL import Image
    except ImportError:
        raise MissingExtraError("pillow", extra="images", key=KEY) from None

    height_width = (size, size) if isinstance(size, int) else size
    pixels_NHWC: NumpyArray | None = None
    first = ""
    unusable: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata that Pillow cannot read; the pixels are what counts
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for number, (name, content) in enumerate(contents):
            try:
                pixels_HWC = _pixels(content, height_width, mode)
            except _UnusableError as error:
                unusable.append(f"{name}: {error}")
                continue
            if pixels_NHWC is None:
                first, pixels_NHWC = name, np.empty((count, *pixels_HWC.shape), dtype=np.uint8)
            if pixels_HWC.shape != pixels_NHWC.shape[1:]:
                shown = [
                    f"{path} is {shape[1]} x {shape[0]}"
                    for path, shape in ((first, pixels_NHWC.shape[1:]), (name, pixels_HWC.shape))
                ]
                raise DataError(
                    f"the images differ in size: {', '.join(shown)}",
                    key=KEY,
                    advice="write `size: 32` or `size: [HEIGHT, WIDTH]` beside `use`: all are scaled to it",
                )
            pixels_NHWC[number] = pixels_HWC
    if unusable or pixels_NHWC is None:
        raise DataError(
            f"{len(unusable)} of {count} images cannot be used: {'; '.join(unusable[:_SHOWN])}",
            key=KEY,
            advice="repair them, or move them elsewhere",
        )
    return pixels_NHWC


def _pixels(content: bytes, height_width: Sequence[int] | None, mode: str) -> NumpyArray:
    """The pixels [H, W, C] of one image, [H, W] in the mode L; raises _UnusableError."""
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        image: Any
        with Image.open(io.BytesIO(content)) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise _UnusableError(f"it has {image.n_frames} frames")
            if image.mode not in _EIGHT_BITS:
                raise _UnusableError(f"its pixels are of mode {image.mode}, not of 8 bits a channel")
            turned = ImageOps.exif_transpose(image)
            if mode != "RGBA" and _is_transparent(turned):
                raise _UnusableError("it is transparent in places; with `mode: RGBA` that is a fourth channel")
            pixels = turned.convert(mode)
            if height_width is not None and pixels.size != (height_width[1], height_width[0]):
                pixels = pixels.resize((height_width[1], height_width[0]), Image.Resampling.BILINEAR)
            return np.asarray(pixels)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _UnusableError(str(error)) from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error) as error:
        # whatever the decoders of broken files stumble over
        reason = "it is no image, or a broken one" if isinstance(error, UnidentifiedImageError) else str(error)
        raise _UnusableError(reason if content else "it is empty") from None


def _is_transparent(image: Any) -> bool:
    if not image.has_transparency_data:
        return False
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return bool(lowest < 255)
