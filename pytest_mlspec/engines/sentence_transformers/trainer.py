"""The trainer of sentence-transformers, watched, and able to go on exactly where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformerTrainer
from sentence_transformers.base.sampler import DefaultBatchSampler
from torch import nn
from torch.utils.data import RandomSampler

from pytest_mlspec.engines import hf_trainer
from pytest_mlspec.training.weights import load_weights, save_weights

WEIGHTS = "weights.safetensors"


class Trainer(hf_trainer.Watched, SentenceTransformerTrainer):
    """The library's trainer with another checkpoint and another order of rows.

    Its own checkpoint leaves out what a loss has learned, and its default order of rows in a later epoch depends on the
    epochs before, which a resumed training has not seen.
    """

    # A loss is the mean of its micro-batch, whatever the encoder accepts beside its inputs.
    loss_is_scaled_for_ga = False

    def get_batch_sampler(self, *given: Any, **named: Any) -> Any:
        """The batches of one epoch after the other."""
        found = super().get_batch_sampler(*given, **named)
        return _OfEpoch(found) if type(found) is DefaultBatchSampler else found

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """None: a job writes no card, and examples for one take longer than some trainings."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self._everything(), folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_weights(self._everything(), Path(resume_from_checkpoint) / WEIGHTS)

    def _everything(self) -> nn.Module:
        assert isinstance(self.loss, nn.Module), "a spec has one loss"
        return nn.ModuleDict({"model": self.model, "loss": self.loss})


class _OfEpoch(DefaultBatchSampler):
    """The batches of another sampler, whose order the seed and the number of the epoch tell."""

    def __init__(self, other: DefaultBatchSampler) -> None:
        assert isinstance(other.sampler, RandomSampler), "the library draws rows at random"
        super().__init__(
            other.sampler,
            batch_size=other.batch_size,
            drop_last=other.drop_last,
            valid_label_columns=other.valid_label_columns,
            generator=other.generator,
            seed=other.seed,
        )

    def __iter__(self) -> Iterator[list[int]]:
        assert self.generator is not None, "the trainer gives one"
        self.generator.manual_seed(self.seed + self.epoch)
        return super().__iter__()
