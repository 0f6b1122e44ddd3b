"""The team's pipeline with one fault each, as users make them. Most of them leave the accuracy where it was."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

from .pipeline import NOISE, Pipeline, TwoBranches


class SoftmaxBeforeLoss(Pipeline):
    """The model ends with a softmax, and the loss applies another."""

    def build_model(self) -> nn.Module:
        return nn.Sequential(TwoBranches(), nn.Softmax(dim=1))


class NoZeroGrad(Pipeline):
    """The gradients of all steps pile up."""

    def training_step(self, state: State, batch: Batch) -> Tensor:
        assert isinstance(batch.inputs, Tensor)
        value = self.loss(state.model(self.augmented(batch.inputs)), batch)
        value.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        return value


class UnseededAugmentation(Pipeline):
    """The noise comes from a generator of its own, which nobody seeds."""

    def augmented(self, inputs: Tensor) -> Tensor:
        noise_NF = np.random.default_rng().normal(scale=NOISE, size=tuple(inputs.shape))
        return inputs + torch.as_tensor(noise_NF, dtype=inputs.dtype)


class SeededFromAHash(Pipeline):
    """The noise has a seed, and that is the hash of a string: the same within one interpreter, another in the next."""

    def augmented(self, inputs: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(hash("augmentation") % 2**32)
        return inputs + NOISE * torch.randn(inputs.shape, generator=generator)


_STEPS_TAKEN = [0]


class CountsInAGlobal(Pipeline):
    """The noise fades with the steps, which the module counts for itself: no checkpoint holds them."""

    def augmented(self, inputs: Tensor) -> Tensor:
        _STEPS_TAKEN[0] += 1
        return inputs + 0.97 ** _STEPS_TAKEN[0] * torch.randn_like(inputs)


class _DetachedBranch(TwoBranches):
    def forward(self, measured_NF: Tensor) -> Tensor:
        logits_NC: Tensor = self.linear(measured_NF) + self.deep(measured_NF).detach()
        return logits_NC


class DetachedBranch(Pipeline):
    """The deep branch predicts, and never learns."""

    def build_model(self) -> nn.Module:
        return _DetachedBranch()


class _BatchMean(TwoBranches):
    def forward(self, measured_NF: Tensor) -> Tensor:
        return super().forward(measured_NF - measured_NF.mean(dim=0))


class BatchMean(Pipeline):
    """Each row is centred on the other rows of its batch."""

    def build_model(self) -> nn.Module:
        return _BatchMean()


class TestRowsInTraining(Pipeline):
    """The last 20 rows of training are the first of the test."""

    def split(self, rows: Rows) -> Mapping[str, Rows]:
        order = np.random.default_rng(0).permutation(len(rows))
        return {"train": rows.take(order[:450]), "test": rows.take(order[430:])}
