"""Exported models of texts: any length that the model takes, and a graph of one length, red where it is not meant."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from projects import Project

from exports.exporting import Trained, parity, trained, verdict
from pytest_mlspec.check import Status

WORDS = ("fine", "poor", "film", "book", "plot", "cast", "very", "not")

TEXTS: Mapping[str, Any] = {
    "task": "binary",
    "data": {
        "source": "texts.csv",
        "target": "label",
        "split": {"test": 0.25},
        "prepare": [{"use": "tokenize", "length": 12}],
    },
    "model": {"use": "mean_embedding", "dim": 8},
    "train": {"epochs": 2, "batch_size": 8, "optimizer": {"use": "adamw", "lr": 1e-2}},
}

ONE_LENGTH = """
import torch

def export(model, directory):
    rows = torch.export.Dim("rows", min=1, max=4096)
    ids = torch.ones(2, 12, dtype=torch.int64)
    torch.export.save(
        torch.export.export(model.eval(), (ids,), dynamic_shapes=({0: rows},)), directory / "model.pt2"
    )
"""


@pytest.fixture
def texts(project: Project) -> Trained:
    """A model of 64 short texts."""
    draw = random.Random(0)
    rows = [" ".join(draw.choices(WORDS, k=draw.randrange(3, 12))) for _ in range(64)]
    lines = [f"{row},{'good' if 'fine' in row else 'bad'}" for row in rows]
    (project.root / "texts.csv").write_text("\n".join(["text,label", *lines]), "utf-8")
    return trained(project, TEXTS)


@pytest.mark.parametrize("model", ["mean_embedding", pytest.param("transformer", marks=pytest.mark.slow)])
def test_a_model_of_texts_is_exported_for_every_length(texts: Trained, model: str) -> None:
    """Up to that of its table of positions, where it has one."""
    spec = {**TEXTS, "model": {"use": model, "dim": 8}}
    made = texts if model == "mean_embedding" else trained(texts.project, spec)
    found = parity(made, "torch_export")

    assert {"texts of 6 tokens", "texts of 11 tokens"} <= found.differences.keys()
    assert verdict(found).status is Status.PASSED


def test_a_graph_of_one_length_is_red_where_that_is_not_meant(texts: Trained) -> None:
    """The model takes shorter texts; the file does not."""
    texts.project.write("one_length", ONE_LENGTH)
    found = parity(texts, "torch_export", spec={**TEXTS, "recipe": "one_length"})

    assert verdict(found).status is Status.FAILED
    assert verdict(found).summary.startswith("torch_export: texts of 6 tokens: ")
    assert verdict(found, one_length=True).status is Status.PASSED


def test_a_text_of_nothing_but_padding_is_tried(texts: Trained) -> None:
    """A service meets it."""
    assert "a row of zeros" in parity(texts, "torchscript").differences
