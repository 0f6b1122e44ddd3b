"""Fashion-MNIST: photographs of clothes, 28 x 28 pixels in grey, ten kinds."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np


def load() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """60,000 images [N, 28, 28] of bytes with their kinds for training, 10,000 for the test."""
    return {"train": read("train"), "test": read("t10k")}


def read(prefix: str) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of one part; 16 and 8 bytes of header come before the values."""
    folder = Path(os.environ["MLSPEC_DATA"]) / "fashion-mnist"
    images = gzip.decompress((folder / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())
    return np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28), np.frombuffer(labels, np.uint8, offset=8)
