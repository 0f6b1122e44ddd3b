"""What the engine sentence_transformers trains: an encoder, its loss, and the rows of each split as records of texts.

The engine and its probes build everything here, so what a probe looks at is what the engine trains.

Shape letters: N rows, R texts of a row, D dimensions of an embedding.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn

from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.predictions import FloatArray
from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.language.embedding import TEXTS
from pytest_mlspec.recipe.pretrained import Pretrained, check_tokenizer
from pytest_mlspec.recipe.protocol import Examples, Inputs, Prepared
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training.evaluation import evaluation_mode

EMBEDDING = "sentence_embedding"
"""What the library calls the embedding of a text among the outputs of an encoder."""

# No encoder depends on the rows: it is made where there are none yet.
_NO_ROWS = Prepared({}, (), "")


def new_encoder(work: Work, device: torch.device) -> SentenceTransformer:
    """The encoder of the spec before the training, in single precision on `device`.

    Raises RecipeError where the team's function gives something else, or model and tokenizer do not belong together;
    DataError where a folder cannot be read.
    """
    assert work.recipe.build_model is not None, "a recipe for this engine has a model"
    found = work.recipe.build_model(_NO_ROWS)
    encoder = _read(found, device) if isinstance(found, Pretrained) else found
    if not isinstance(encoder, SentenceTransformer):
        raise RecipeError(
            f"the model is a {type(encoder).__name__}, and this engine trains a SentenceTransformer",
            key="model",
            advice="return SentenceTransformer(modules=[...]), or write {use: pretrained, path: FOLDER}",
        )
    model = work.spec.model
    if model is not None and "max_length" in model.arguments and not model.is_path:
        encoder.max_seq_length = model.arguments["max_length"]
    transformer = encoder.transformers_model
    if transformer is not None and hasattr(encoder.tokenizer, "pad_token_id"):
        embedding: Any = transformer.get_input_embeddings()
        name = found.name if isinstance(found, Pretrained) else "the model"
        padding = encoder.tokenizer.pad_token_id
        check_tokenizer(len(encoder.tokenizer), len(embedding.weight), name=name, padding=padding)
    return encoder.to(device=device, dtype=torch.float32)


def records(examples: Examples, labels: Mapping[str, int]) -> list[dict[str, Any]]:
    """The rows by role, as the library takes them; labels as the numbers that `labels` gives them."""
    assert isinstance(examples.inputs, Mapping), "examples of the task embedding go by role"
    columns = {
        role: [labels[value] for value in values] if role == "label" else values.tolist()
        for role, values in examples.inputs.items()
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def numbers_of(prepared: Prepared, *, binary: bool) -> dict[str, int]:
    """The number of each label of all splits, in sorted order; with `binary` 0 and 1, as they are written.

    Raises DataError where a label is neither.
    """
    found: set[str] = set()
    for examples in prepared.splits.values():
        assert isinstance(examples.inputs, Mapping), "examples of the task embedding go by role"
        found.update(examples.inputs.get("label", ()))
    if not binary:
        return {label: number for number, label in enumerate(sorted(found))}
    known = {"0": 0, "1": 1, "False": 0, "True": 1}
    for label in sorted(found):
        if label not in known:
            raise DataError(
                f"a label is {label!r}, and this loss takes 1 for two texts that belong together, else 0",
                key="data.columns.label",
                advice="for more classes write `loss: softmax`",
            )
    return known


@dataclass(frozen=True)
class TextPredictor:
    """A trained encoder in evaluation mode. `dtype` is the precision of its parameters."""

    encoder: SentenceTransformer
    dtype: Literal["float32", "float64"] = "float32"
    module: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "module", Embedding(self.encoder).eval())

    @property
    def model(self) -> SentenceTransformer:
        """The encoder."""
        return self.encoder

    def __call__(self, inputs: Inputs) -> FloatArray:
        """The embeddings [N, R, D] of the texts of each row."""
        rows = len(next(iter(inputs.values()))) if isinstance(inputs, Mapping) else len(inputs)
        return self.outputs(Examples(inputs, np.empty((rows, 0)), np.arange(rows))).astype(np.float64)

    def outputs(self, examples: Examples) -> NDArray[Any]:
        """The embeddings [N, R, D] of `examples`, all of them one batch."""
        texts = texts_of(examples.inputs)
        return np.stack([self.embed(values) for values in texts.values()], axis=1)

    def embed(self, texts: list[str]) -> NDArray[Any]:
        """The embeddings [N, D] of `texts` as one batch, in their order."""
        with evaluation_mode(self.encoder), torch.no_grad():
            embedding: Tensor = self.module(**tokens_of(self.encoder, texts))
        return embedding.cpu().numpy()

    def tensors(self, examples: Examples) -> dict[str, Tensor]:
        """The tokens of the first text of each row, as `module` takes them."""
        return tokens_of(self.encoder, next(iter(texts_of(examples.inputs).values())))

    def precise(self) -> TextPredictor:
        """The same encoder in double precision; this one, where it cannot compute in that."""
        try:
            double = replace(self, encoder=copy.deepcopy(self.encoder).double(), dtype="float64")
            return double if double.embed(["one text"]).dtype == np.float64 else self
        except Exception:  # whatever a module raises that makes tensors of its own in single precision
            return self


class Embedding(nn.Module):
    """An encoder as a function of the tensors of its tokens: what can be exported and timed."""

    def __init__(self, encoder: SentenceTransformer) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, **tokens: Tensor) -> Tensor:
        """The embeddings [N, D]."""
        embedding: Tensor = self.encoder(dict(tokens))[EMBEDDING]
        return embedding


def texts_of(inputs: Inputs) -> dict[str, list[str]]:
    """The texts of rows by role."""
    assert isinstance(inputs, Mapping), "examples of the task embedding go by role"
    return {role: values.tolist() for role, values in inputs.items() if role in TEXTS}


def tokens_of(encoder: SentenceTransformer, texts: list[str]) -> dict[str, Tensor]:
    """What enters `encoder` for `texts` as one batch: the tensors among it, on its device."""
    found = batch_to_device(dict(encoder.preprocess(texts)), encoder.device)
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


def _read(found: Pretrained, device: torch.device) -> SentenceTransformer:
    try:
        with from_outside(f"the model {found.name}", key="model"):
            return SentenceTransformer(
                str(found.folder), device=str(device), local_files_only=True, model_kwargs={"dtype": torch.float32}
            )
    except RecipeError as error:
        raise DataError(f"the model {found.name} cannot be read: {error.message}", key="model") from error
