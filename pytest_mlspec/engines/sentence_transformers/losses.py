"""Losses of embeddings: made by name, measured on whole splits, and what an encoder reaches that tells no two texts apart.

Shape letters: N rows, D dimensions of an embedding.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn

from pytest_mlspec.engines.sentence_transformers.encoders import EMBEDDING
from pytest_mlspec.errors import RecipeError, TrainingError
from pytest_mlspec.language.embedding import LOSSES, loss_name
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.recipe.calls import call_user, check_call
from pytest_mlspec.recipe.resolve import resolve
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training.evaluation import evaluation_mode

_KEY = "train.loss"

Rows = Sequence[Mapping[str, Any]]
"""Rows by role, as the library takes them."""


def name_of(spec: Spec) -> str:
    """The loss of a spec: the declared one, or that of its columns."""
    declared = spec.train.loss.use if spec.train.loss else None
    return loss_name(declared, spec.data.columns if spec.data else {})


def new_loss(work: Work, encoder: SentenceTransformer, classes: int) -> nn.Module:
    """The loss of the spec on `encoder`; one of the team's own is what its class or function gives for (model, …).

    Raises RecipeError where that is no module, TrainingError where the library refuses an argument.
    """
    use, name = work.spec.train.loss, name_of(work.spec)
    # YAML has lists where the library has tuples
    given = use.arguments if use else {}
    arguments = {each: tuple(value) if isinstance(value, list) else value for each, value in given.items()}
    if use is not None and use.is_path:
        make = resolve(name, root=work.root, key=_KEY, allowed=work.allowed)
        check_call(make, ("model",), arguments, key=_KEY, name=name)
        made = call_user(make, encoder, key=_KEY, name=name, **arguments)
        if not isinstance(made, nn.Module):
            raise RecipeError(f"{name} gives a {type(made).__name__}, and a loss is an nn.Module", key=_KEY)
        return made.to(encoder.device)
    if name == "softmax":
        arguments |= {"embedding_dimension": encoder.get_embedding_dimension(), "num_labels": classes}
    try:
        loss: nn.Module = getattr(losses, LOSSES[name].loss_class)(encoder, **arguments)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{name} cannot be made: {error}", key=_KEY) from error
    return loss.to(encoder.device)


class Measured:
    """Whole splits in evaluation mode: rows in their order, in batches as large as those of the training.

    Losses that compare the texts of a batch depend on its size, so the last batch, which may be smaller, weighs less.
    """

    def __init__(self, trainer: SentenceTransformerTrainer, splits: Mapping[str, Rows], batch_size: int) -> None:
        self._trainer = trainer
        self._splits = splits
        self._batch_size = batch_size

    def losses(self) -> dict[str, float]:
        """The mean loss of each split."""
        return {split: self.loss(split) for split in self._splits}

    def loss(self, split: str) -> float:
        """The mean loss of one split."""
        rows, total = self._splits[split], 0.0
        encoder = self._trainer.model
        with evaluation_mode(encoder), torch.no_grad():
            for start in range(0, len(rows), self._batch_size):
                part = [dict(row) for row in rows[start : start + self._batch_size]]
                batch = batch_to_device(self._trainer.data_collator(part), encoder.device)
                loss = self._trainer.compute_loss(encoder, batch)
                assert isinstance(loss, Tensor), "outputs were not asked for"
                total += float(loss) * len(part)
        return total / len(rows)

    def losses_and_digest(self) -> tuple[dict[str, float], str]:
        """The mean loss of each split, and SHA-256 over the embeddings of all their texts: equal only for equal bits."""
        digest = hashlib.sha256()

        def take(encoder: nn.Module, given: Any, outputs: Any) -> None:
            digest.update(outputs[EMBEDDING].detach().float().cpu().contiguous().numpy().tobytes())

        with _hooked(self._trainer.model, take):
            found = self.losses()
        return found, digest.hexdigest()

    def losses_of_constant(self, name: str) -> dict[str, float]:
        """The loss of each split where every text has the same embedding, and a score or class its best constant."""
        train = self._splits["train"]
        match name:
            case "cosine_similarity":
                # a constant cosine, the best of which is the mean score
                mean = min(1.0, max(-1.0, _mean([row["score"] for row in train])))
                return {
                    split: _mean([(row["score"] - mean) ** 2 for row in rows]) for split, rows in self._splits.items()
                }
            case "softmax":
                counts = Counter(row["label"] for row in train)
                shares = {label: count / len(train) for label, count in counts.items()}
                # a class that training never saw counts as one row of it would
                return {
                    split: _mean([-math.log(shares.get(row["label"], 1 / len(train))) for row in rows])
                    for split, rows in self._splits.items()
                }
        with _hooked(self._trainer.model, _equalize):
            return self.losses()


def _equalize(encoder: nn.Module, given: Any, outputs: Any) -> None:
    embedding: Tensor = outputs[EMBEDDING]
    outputs[EMBEDDING] = torch.full_like(embedding, embedding.shape[1] ** -0.5)


@contextmanager
def _hooked(encoder: nn.Module, hook: Any) -> Iterator[None]:
    """Has `hook` see what `encoder` gives, within the block."""
    handle = encoder.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
