"""A small convolutional network for images of any size.

Shape letters: N rows, C channels or outputs, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from pytest_mlspec.recipe.models.layers import hidden_layers

# What is left of an image before the linear layers is averaged down to so many points a side: their number of weights does
# not grow with the image. Images up to 28 x 28 are seen in full after two stages.
_POINTS = 7


class CNN(nn.Module):
    """A convolution of 3 x 3 and a pooling that halves the image for each of `channels`, then a perceptron.

    `norm` batch normalises each convolution's outputs over the batch. Images are [N, C, H, W], or [N, H, W] with one channel.
    """

    def __init__(
        self,
        image: Sequence[int],
        out_features: int,
        *,
        channels: Sequence[int] = (32, 64),
        hidden: int = 128,
        norm: str = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        in_channels, height, width = image if len(image) == 3 else (1, *image)
        self.in_channels = in_channels
        stages: list[nn.Module] = []
        for channels_in, channels_out in pairwise([in_channels, *channels]):
            stages.append(nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=norm == "none"))
            if norm == "batch":
                stages.append(nn.BatchNorm2d(channels_out))
            # rounded up, so that one row of points stays one
            stages += [nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
            height, width = -(-height // 2), -(-width // 2)
        points = min(height, _POINTS), min(width, _POINTS)
        if points != (height, width):
            stages.append(nn.AdaptiveAvgPool2d(points))
        self.convolutions = nn.Sequential(*stages)
        last = channels[-1] if channels else in_channels
        layers, features = hidden_layers(last * points[0] * points[1], [hidden], dropout=dropout)
        self.head = nn.Sequential(nn.Flatten(), *layers, nn.Linear(features, out_features))

    def forward(self, images: Tensor) -> Tensor:
        """Outputs [N, C] for images [N, C, H, W] or [N, H, W]."""
        images_NCHW = images if images.dim() == 4 else images.unsqueeze(1)
        outputs_NC: Tensor = self.head(self.convolutions(images_NCHW))
        return outputs_NC
