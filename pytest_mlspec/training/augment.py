"""Images of a training batch changed at random: what happens to a row is a function of (seed, epoch, row) alone.

So it is the same whatever the batch, the number of workers, and where a training was resumed. The names and arguments are
those of torchvision's transforms, for a whole batch at once. They work on prepared images, which is why what only makes
sense for colours, such as a jitter, is left out: the team's own function can do that. Evaluation never sees a changed row.

Shape letters: B rows of a batch, C channels, H and W height and width in pixels, D draws for each row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch, Source, Step
from pytest_mlspec.training.seeding import derived_seed, kept_generators, seed_generators

_KEY = "data.augment"
_MAX_DRAWS = 64
_MAX_ROWS = 2**40


@dataclass(frozen=True)
class Draws:
    """The randomness of one change of the rows `row_B` in `epoch`; `number` is the place of the change in the list.

    `repeat_B` tells the draws of a row apart that comes several times in an epoch.
    """

    seed: int
    epoch: int
    number: int
    row_B: Tensor
    repeat_B: Tensor

    def uniform(self, count: int) -> Tensor:
        """Numbers [B, count <= 64] from 0 to below 1, float64 on the CPU.

        SplitMix64 (Steele, Lea, Flood 2014) of a counter: it needs no state, so a row can be drawn in any company.
        """
        key = derived_seed(self.seed, "augment", self.epoch, self.number)
        place_B = self.row_B + self.repeat_B * _MAX_ROWS
        counter_BD = place_B[:, None] * _MAX_DRAWS + torch.arange(count)
        mixed = counter_BD * _signed(0x9E3779B97F4A7C15) + key
        mixed = (mixed ^ _shifted(mixed, 30)) * _signed(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ _shifted(mixed, 27)) * _signed(0x94D049BB133111EB)
        return _shifted(mixed ^ _shifted(mixed, 31), 11).double() * 2.0**-53

    def row_seeds(self) -> list[int]:
        """A seed for each row, for code that draws from the global generators."""
        places = zip(self.row_B.tolist(), self.repeat_B.tolist(), strict=True)
        return [derived_seed(self.seed, "augment", self.epoch, self.number, *place) for place in places]


Change = Callable[[Tensor, Draws], Tensor]
"""Makes changed images [B, C, H, W] of images; it neither writes to them nor changes their shape and type."""


class AugmentedSource:
    """Rows of `source`, changed by `changes` where training walks through them; fetched rows are as they are."""

    def __init__(self, source: Source, changes: Sequence[Change], seed: int) -> None:
        self._source = source
        self._changes = changes
        self._seed = seed

    def __len__(self) -> int:
        return len(self._source)

    def fetch(self, index: Tensor) -> Batch:
        """The batch of the rows `index`, unchanged."""
        return self._source.fetch(index)

    def steps(self, order: Sequence[Step], epoch: int) -> Iterator[list[Batch]]:
        """The batches of `order`, changed as `epoch` has it."""
        repeats = iter(_repeats([index for step in order for index in step]))
        for step in self._source.steps(order, epoch):
            yield [self.changed(batch, epoch, next(repeats)) for batch in step]

    def changed(self, batch: Batch, epoch: int, repeat_B: Tensor) -> Batch:
        """`batch` as training sees it in `epoch`; raises TrainingError where its inputs are no images."""
        images = batch.inputs
        if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point():
            raise TrainingError(
                f"augment changes images, one float tensor [rows, channels, height, width]: the inputs are {_form(images)}",
                key=_KEY,
                advice="write `prepare: images` for a source of images, or remove this key",
            )
        for number, change in enumerate(self._changes):
            images = change(images, Draws(self._seed, epoch, number, batch.index, repeat_B))
        return replace(batch, inputs=images)


def build(name: str, arguments: Mapping[str, Any]) -> Change:
    """The change that a spec calls `name`."""
    return partial(_CHANGES[name], **arguments)


def image_by_image(function: Callable[[Tensor], Any]) -> Change:
    """The change that calls `function` with one image [C, H, W] after the other.

    Before each call the global generators of Python, NumPy and torch are seeded for the row, and afterwards they are as they
    were. Raises TrainingError where it returns anything but a tensor of the same shape and type.
    """

    def change(images: Tensor, draws: Draws) -> Tensor:
        changed = []
        with kept_generators():
            for image, seed in zip(images, draws.row_seeds(), strict=True):
                seed_generators(seed)
                found = function(image.clone())
                if not isinstance(found, Tensor) or found.shape != image.shape or found.dtype != image.dtype:
                    raise TrainingError(
                        f"the team's augment made {_form(found)} of an image that is {_form(image)}",
                        key=_KEY,
                        advice="return a tensor of the shape and type that it was given",
                    )
                changed.append(found)
        return torch.stack(changed)

    return change


def random_horizontal_flip(images: Tensor, draws: Draws, *, p: float = 0.5) -> Tensor:
    """Left and right exchanged, with probability `p`."""
    return _where(draws.uniform(1)[:, 0] < p, images.flip(3), images)


def random_vertical_flip(images: Tensor, draws: Draws, *, p: float = 0.5) -> Tensor:
    """Top and bottom exchanged, with probability `p`."""
    return _where(draws.uniform(1)[:, 0] < p, images.flip(2), images)


def random_crop(
    images: Tensor, draws: Draws, *, padding: int, fill: float = 0.0, padding_mode: str = "constant"
) -> Tensor:
    """A part of the size of the image, from the image with `padding` pixels on each side; 0 is the mean of prepared images."""
    B, _, H, W = images.shape
    mode = "replicate" if padding_mode == "edge" else padding_mode
    padded = functional.pad(images, [padding] * 4, mode, **({"value": fill} if mode == "constant" else {}))
    offset_B2 = (draws.uniform(2) * (2 * padding + 1)).long()
    row_BH1 = (offset_B2[:, :1] + torch.arange(H))[:, :, None].to(images.device)
    column_B1W = (offset_B2[:, 1:] + torch.arange(W))[:, None, :].to(images.device)
    image_B11 = torch.arange(B, device=images.device)[:, None, None]
    return padded[image_B11, :, row_BH1, column_B1W].permute(0, 3, 1, 2).contiguous()


def random_rotation(
    images: Tensor,
    draws: Draws,
    *,
    degrees: float | Sequence[float],
    interpolation: Literal["nearest", "bilinear"] = "nearest",
    fill: float = 0.0,
) -> Tensor:
    """The image turned about its centre by an angle from -degrees to degrees, or between two; positive is counter-clockwise."""
    low, high = (-degrees, degrees) if isinstance(degrees, (int, float)) else degrees
    angles = [math.radians(low + (high - low) * share) for share in draws.uniform(1)[:, 0].tolist()]
    # Python's own functions: those of a vector may round the last elements otherwise than the first.
    cosine, sine = (
        images.new_tensor([turn(angle) for angle in angles])[:, None, None] for turn in (math.cos, math.sin)
    )
    H, W = images.shape[2:]
    y_H1 = (torch.arange(H, device=images.device, dtype=images.dtype) - (H - 1) / 2)[:, None]
    x_W = torch.arange(W, device=images.device, dtype=images.dtype) - (W - 1) / 2
    from_x, from_y = cosine * x_W - sine * y_H1, sine * x_W + cosine * y_H1
    grid_BHW2 = torch.stack([from_x * (2 / W), from_y * (2 / H)], dim=-1)
    turned = functional.grid_sample(images - fill, grid_BHW2, interpolation, "zeros", align_corners=False)
    return turned + fill


def random_erasing(
    images: Tensor,
    draws: Draws,
    *,
    p: float = 0.5,
    scale: Sequence[float] = (0.02, 0.33),
    ratio: Sequence[float] = (0.3, 3.3),
    value: float = 0.0,
) -> Tensor:
    """A rectangle set to `value`, with probability `p` (Zhong et al. 2017).

    It has a share `scale` of the area and a `ratio` of height to width; ten draws may fail to fit, then nothing is erased.
    """
    H, W = images.shape[2:]
    drawn = draws.uniform(23)
    area_B10 = H * W * (scale[0] + (scale[1] - scale[0]) * drawn[:, 3:13])
    low, high = map(math.log, ratio)
    ratio_B10 = torch.exp(low + (high - low) * drawn[:, 13:])
    height_B10 = torch.sqrt(area_B10 * ratio_B10).round().long()
    width_B10 = torch.sqrt(area_B10 / ratio_B10).round().long()
    fits_B10 = (height_B10 < H) & (width_B10 < W)
    first_B1 = fits_B10.int().argmax(1, keepdim=True)
    height_B1, width_B1 = height_B10.gather(1, first_B1), width_B10.gather(1, first_B1)
    top_B1 = (drawn[:, 1:2] * (H - height_B1 + 1)).long()
    left_B1 = (drawn[:, 2:3] * (W - width_B1 + 1)).long()
    y_H, x_W = torch.arange(H), torch.arange(W)
    in_rows_BH = (y_H >= top_B1) & (y_H < top_B1 + height_B1)
    in_columns_BW = (x_W >= left_B1) & (x_W < left_B1 + width_B1)
    chosen_B = fits_B10.any(1) & (drawn[:, 0] < p)
    erased = in_rows_BH[:, None, :, None] & in_columns_BW[:, None, None, :] & chosen_B[:, None, None, None]
    return images.masked_fill(erased.to(images.device), value)


_CHANGES: Mapping[str, Callable[..., Tensor]] = {
    "random_crop": random_crop,
    "random_erasing": random_erasing,
    "random_horizontal_flip": random_horizontal_flip,
    "random_rotation": random_rotation,
    "random_vertical_flip": random_vertical_flip,
}


def _repeats(indices: Sequence[Tensor]) -> Sequence[Tensor]:
    """How often each row comes again in the rest of the epoch: counted from its end, where a resume may not have begun."""
    if not indices:
        return []
    reversed_N = torch.cat(list(indices)).flip(0)
    sorted_N, place_N = reversed_N.sort(stable=True)
    repeat_N = torch.empty_like(place_N)
    repeat_N[place_N] = torch.arange(len(sorted_N)) - torch.searchsorted(sorted_N, sorted_N)
    return torch.split(repeat_N.flip(0), [len(index) for index in indices])


def _where(chosen_B: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    return torch.where(chosen_B[:, None, None, None].to(images.device), changed, images)


def _signed(bits: int) -> int:
    """64 bits as torch's only integers of that length have them; their products wrap around."""
    return bits - 2**64 if bits >= 2**63 else bits


def _shifted(values: Tensor, places: int) -> Tensor:
    """64 bits shifted to the right with zeros from the left."""
    return torch.bitwise_and(values >> places, 2 ** (64 - places) - 1)


def _form(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_form(part)}" for name, part in value.items())
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
