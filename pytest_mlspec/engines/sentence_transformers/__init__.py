"""The engine sentence_transformers: an encoder of texts, trained by the library's own trainer on pairs, scores or labels.

Losses are measured on whole splits by the declared loss, in evaluation mode. What is stored are the weights; `restore` makes
the encoder anew and reads them. The library is imported when a job runs.

    encoders.py  the model, its rows, what it embeds;  losses.py  by name, and measured on whole splits
    trainer.py   the library's trainer;  training.py  its parts, as the spec says;  runs.py  whole, interrupted, resumed
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.evidence import ConstantPrediction
from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.recipe.installed import demand
from pytest_mlspec.recipe.work import Result, Work

if TYPE_CHECKING:
    from pytest_mlspec.engines.sentence_transformers.encoders import TextPredictor


def run(job: Train | Interrupt | Resume, work: Work) -> Result:
    """Trains the encoder of `work` and measures it on every split before and after; an `Interrupt` saves it half-way instead.

    Raises TrainingError where no step can be taken or a loss is not finite, RecipeError where a part of the recipe does not
    fit, UserCodeError for an exception of the team's code.
    """
    with _library("the training"):
        from pytest_mlspec.engines.sentence_transformers import runs
        from pytest_mlspec.training.determinism import deterministic_algorithms

        with deterministic_algorithms(work.spec.train.deterministic):
            return runs.interrupt(job, work) if isinstance(job, Interrupt) else runs.train(job, work)


def restore(job: Train, work: Work) -> TextPredictor:
    """The encoder that `job` trained, in evaluation mode, with its stored weights."""
    with _library("the restored model"):
        from pytest_mlspec.engines.sentence_transformers.trainer import WEIGHTS
        from pytest_mlspec.training.weights import load_weights

        predictor = initial(work)
        load_weights(predictor.encoder, work.needed[job].file(WEIGHTS))
        return predictor


def initial(work: Work) -> TextPredictor:
    """The encoder before the training, in evaluation mode."""
    with _library("the model"):
        from pytest_mlspec.engines.sentence_transformers.encoders import TextPredictor, new_encoder
        from pytest_mlspec.training.device import choose
        from pytest_mlspec.training.seeding import seed_everything

        seed_everything(work.spec.train.seed)
        return TextPredictor(new_encoder(work, choose(work.spec.train.device).device).eval())


def constant_prediction(work: Work) -> ConstantPrediction:
    """The loss of an encoder that gives every text the same embedding."""
    with _library("the loss of equal embeddings"):
        from pytest_mlspec.engines.sentence_transformers import runs

        return runs.constant_prediction(work)


@contextmanager
def _library(what: str) -> Iterator[None]:
    """The library is there, shows no bars and tells nobody of its use; `what` names what is done with it, for its errors."""
    demand("sentence-transformers", lowest="6.0", extra="sentence_transformers")
    demand("accelerate", lowest="1.1", extra="sentence_transformers")
    demand("datasets", lowest="4.0", extra="sentence_transformers")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # workers that load data are forked
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with from_outside(what, key="model"):
        yield
