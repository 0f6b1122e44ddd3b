from __future__ import annotations

import numpy as np
import pytest
import torch

from pytest_mlspec.engines.target_scale import TargetScale
from pytest_mlspec.errors import DataError

PRICES = np.array([100_000.0, 250_000.0, 400_000.0], dtype=np.float32)


@pytest.mark.parametrize("steps", [["standardize"], ["log1p"], ["log1p", "standardize"]])
def test_restored_is_the_inverse_of_scaled(steps: list[str]) -> None:
    """In the precision of the targets."""
    scale = TargetScale.fitted(steps, PRICES)
    restored = scale.restored(scale.scaled(torch.from_numpy(PRICES)).to(torch.float64))

    assert restored.tolist() == pytest.approx(PRICES.tolist(), rel=1e-6)


def test_standardized_targets_have_mean_0_and_deviation_1() -> None:
    """On the rows that the scale was fitted on."""
    scaled = TargetScale.fitted(["log1p", "standardize"], PRICES).scaled(torch.from_numpy(PRICES))

    assert scaled.mean().item() == pytest.approx(0, abs=1e-6)
    assert scaled.std(correction=0).item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("steps", "targets", "message"),
    [
        (["log1p"], [3.0, -1.0], "log1p needs targets above -1, and the lowest of the training rows is -1"),
        (["standardize"], [3.0, 3.0], "every training row has the same target, 3"),
    ],
)
def test_a_scale_that_is_not_defined_is_an_error(steps: list[str], targets: list[float], message: str) -> None:
    """With what the training rows hold."""
    with pytest.raises(DataError, match=message):
        TargetScale.fitted(steps, np.array(targets))
