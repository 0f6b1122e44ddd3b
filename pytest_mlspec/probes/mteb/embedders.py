"""The model as mteb calls it: an encoder of sentence-transformers, or the team's own `encode(model, texts)`.

What it computes with has a digest, which stands in the name and the revision that mteb is told: it keeps results by these.

Shape letters: N texts, D dimensions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from mteb.models import EncoderProtocol, SentenceTransformerEncoderWrapper
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta
from numpy.typing import NDArray

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MeasurementError, NotApplicableError, RecipeError
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import EvaluateTask
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training.weights import weights_digest

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True)
class Embedder:
    """What mteb is handed, the SHA-256 of what it computes with, and where it computes."""

    called: EncoderProtocol
    digest: str
    device: str


def of(job: EvaluateTask, work: Work) -> Embedder:
    """The trained model of `work`, or the one before the training.

    Raises NotApplicableError where there was none before, RecipeError where nothing embeds texts.
    """
    engine = ENGINES.find(work.spec.train.engine.use)
    if job.of is not None:
        model: Any = engine.restore(job.of, work)
    elif engine.initial is not None:
        model = engine.initial(work)
    else:
        raise NotApplicableError(f"the engine {engine.name} has no model before the training")
    encoder = getattr(model, "encoder", None)
    if encoder is not None:
        return of_sentence_transformer(encoder)
    if work.recipe.encode is None:
        told = f"the engine {engine.name} embeds no texts by itself, and the recipe gives no encode"
        raise RecipeError(told, key="recipe", advice="define encode(model, texts): an array [N, D]")
    run = None if job.of is None else work.needed[job.of].evidence
    return of_function(work.recipe.encode, model.model, run if isinstance(run, TrainingRun) else None)


def of_sentence_transformer(encoder: SentenceTransformer) -> Embedder:
    """An encoder of sentence-transformers, with the prompts and the similarity that it has."""
    with from_outside("the digest of the model", key="model"):
        digest = digest_of(encoder)
        called = _Encoder(encoder)
    called.mteb_model_meta = called.mteb_model_meta.model_copy(update=_named(digest))
    return Embedder(called, digest, str(encoder.device))


def of_function(encode: Callable[[Any, list[str]], Any], model: Any, run: TrainingRun | None) -> Embedder:
    """The team's `encode`, held against cosine similarity; a model without weights goes by what it predicted."""
    from torch import nn

    known = weights_digest(model) if isinstance(model, nn.Module) else ""
    digest = known or (run.weights_digest or run.predictions_digest if run else "")
    return Embedder(_Function(encode, model, digest), digest, run.device if run else "cpu")


def digest_of(encoder: SentenceTransformer) -> str:
    """SHA-256 over the weights, the tokenizer, and every setting that an embedding or a similarity depends on."""
    tokenizer = encoder.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = backend.to_str() if backend is not None else getattr(tokenizer, "get_vocab", dict)()
    modules = [(type(module).__name__, _settings_of(module)) for module in encoder]
    settings = {
        "modules": modules,
        "tokenizer": words,
        "length": encoder.max_seq_length,
        "similarity": encoder.similarity_fn_name,
        "prompts": encoder.prompts,
        "prompt": encoder.default_prompt_name,
        "dimensions": encoder.truncate_dim,
    }
    told = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(f"{weights_digest(encoder)}\n{told}".encode()).hexdigest()


def _settings_of(module: Any) -> Any:
    return module.get_config_dict() if hasattr(module, "get_config_dict") else repr(module)


class _Encoder(SentenceTransformerEncoderWrapper):
    """Embeddings of numbers alone: a retrieval over ones that are none has a score too."""

    def encode(self, inputs: Any, **named: Any) -> Any:
        """The embeddings [N, D] of the texts of all batches."""
        return _checked(super().encode(inputs, **named), len(inputs.dataset), "the encoder")


class _Function(AbsEncoder):
    """A function of the team's as an encoder."""

    mteb_model_meta: ModelMeta

    def __init__(self, encode: Callable[[Any, list[str]], Any], model: Any, digest: str) -> None:
        self._encode, self._model = encode, model
        self.mteb_model_meta = ModelMeta.create_empty({**_named(digest), "modalities": ["text"]})

    def encode(self, inputs: Any, **named: Any) -> NDArray[np.floating[Any]]:
        """The embeddings [N, D] of the texts of all batches, a batch a call."""
        batches = [_checked(self._encode(self._model, texts), len(texts), "encode") for texts in _texts(inputs)]
        return np.concatenate(batches).astype(np.float32)


def _texts(inputs: Any) -> Sequence[list[str]]:
    return [list(batch["text"]) for batch in inputs]


def _checked(found: Any, rows: int, name: str) -> NDArray[np.floating[Any]]:
    """`found` as an array [N, D]. Raises RecipeError for another shape, MeasurementError for what is not finite."""
    import torch

    array_ND = found.detach().cpu().numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
    if array_ND.ndim != 2 or len(array_ND) != rows or not np.issubdtype(array_ND.dtype, np.floating):
        told = f"{name} gives an array {list(array_ND.shape)} of {array_ND.dtype} for {rows} texts"
        raise RecipeError(
            told, key="recipe.encode", advice=f"return [{rows}, D] floats, a row for each text in its order"
        )
    finite_N = np.isfinite(array_ND).all(axis=1)
    if not finite_N.all():
        first = int(finite_N.argmin()) + 1
        told = f"{rows - int(finite_N.sum())} of {rows} embeddings are no finite numbers, first that of text {first}"
        raise MeasurementError(told, key="model", advice="did the training diverge?")
    return array_ND


def _named(digest: str) -> dict[str, str]:
    return {"name": f"pytest-mlspec/{digest[:16] or 'model'}", "revision": digest or "unknown"}
