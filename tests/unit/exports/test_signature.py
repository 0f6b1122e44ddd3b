"""A forward that takes arguments by any name is given names, which exporters need."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn

from pytest_mlspec.exports.signature import with_named_arguments


class Tokens(nn.Module):
    def forward(self, **tokens: Tensor) -> Tensor:
        return tokens["ids"] * tokens["mask"]


class Plain(nn.Module):
    def forward(self, ids: Tensor) -> Tensor:
        return ids


def test_arguments_by_any_name_are_named() -> None:
    """And reach the module by these names."""
    named = with_named_arguments(Tokens(), ["ids", "mask"])

    assert list(inspect.signature(named.forward).parameters) == ["ids", "mask"]
    assert named(ids=torch.tensor([2]), mask=torch.tensor([3])).tolist() == [6]


def test_a_module_that_names_its_arguments_stays_as_it_is() -> None:
    """There is nothing to do."""
    plain = Plain()

    assert with_named_arguments(plain, ["ids"]) is plain
