"""How the loss of a training answers to outputs that are put in the place of the model's, on some of its training rows.

Nothing is trained: the model gives outputs once, before the training, and then is moved at random to see what its outputs
stay within.

    loss_subject.py  the loss as a function of outputs;  loss_extent.py  what the outputs stay within
    loss_trial.py    what is asked of one loss on one batch;  loss_relations.py  relations that hold for any mean over rows

Shape letters: N rows.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MeasurementError, NotApplicableError
from pytest_mlspec.evidence import LossAnswers
from pytest_mlspec.jobs import ProbeLoss
from pytest_mlspec.probes.loss_extent import extent_of
from pytest_mlspec.probes.loss_relations import taken
from pytest_mlspec.probes.loss_subject import subject_of, with_the_model
from pytest_mlspec.probes.loss_trial import Trial, axis_of, told_by
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.batches import Batch, forward
from pytest_mlspec.training.evaluation import evaluation_mode, model_outputs

_ROWS = 32
_MOST_ROWS = 64
_ROWS_OF_A_CLASS = 4
_TEXTS = 8
# Embeddings of standard deviation 1 that are the output layer too give logits of the root of their width.
_TIED = 1.5


def loss_answers(job: ProbeLoss, work: Work) -> Result:
    """Asks the loss; raises MeasurementError where there are less than two rows."""
    with from_outside("the probe of the loss", key="train.loss"):
        assembly = assemble(work)
        rows = torch.from_numpy(_positions(assembly))
        if len(rows) < 2:
            raise MeasurementError(f"{len(rows)} training row: a loss is compared on at least 2")
        batch = assembly.source(assembly.examples).fetch(rows)
        model = assembly.new_model(work.spec.train.seed)
        outputs = model_outputs(model, assembly.source(assembly.examples.take(rows.numpy())), len(rows))
        deviation = _deviation(job.start_deviation, model, assembly, outputs)
        extent = extent_of(model, lambda: _answer(model, batch), axis=axis_of(assembly))
        subject = subject_of(work, assembly)
        answers = LossAnswers(
            subject.name,
            declared="" if subject.own else assembly.declared.name,
            told=told_by(assembly),
            rows=len(rows),
            extent=extent,
            floor=assembly.loss_floor,
            device=assembly.device.name,
        )
        trial = Trial(assembly, subject, batch, outputs.to(assembly.device.device), extent)
        try:
            answers = trial.asked_of(answers)
        except NotApplicableError as refusal:
            return Result(replace(answers, refused=refusal.message, times_drawn=_times(work, assembly, batch)))
        is_new = work.spec.train.engine.use != "trained"
        return Result(replace(answers, start=trial.start(deviation) if is_new and answers.finite else None))


def _times(work: Work, assembly: Assembly, batch: Batch) -> float | None:
    """The loss of a batch and its copy over that of the batch, by a step that cannot be asked otherwise."""
    once = with_the_model(work, assembly, batch)
    both = with_the_model(work, assembly, taken(batch, torch.arange(len(batch)).repeat(2)))
    return both / once if once and both else None


def _positions(assembly: Assembly) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows spread over those that are trained on; of classes, some of each."""
    examples = assembly.examples
    count = _TEXTS if assembly.declared.kind == "tokens" else _ROWS
    spread = np.unique(np.linspace(0, len(examples) - 1, count).astype(np.int64))
    if not assembly.declared.classes or examples.targets.ndim != 1:
        return spread
    each = max(1, min(_ROWS_OF_A_CLASS, _MOST_ROWS // assembly.declared.classes))
    of_class = [
        np.flatnonzero(examples.targets == number)[:each]
        for number in range(min(assembly.declared.classes, _MOST_ROWS))
    ]
    first = np.concatenate(of_class).astype(np.int64)
    others = np.setdiff1d(spread, first)[: max(0, _ROWS - len(first))]
    return np.sort(np.concatenate([first, others]))


def _answer(model: nn.Module, batch: Batch) -> Tensor:
    with evaluation_mode(model), torch.no_grad():
        outputs: Tensor = forward(model, batch)
    return outputs


def _deviation(declared: float, model: nn.Module, assembly: Assembly, outputs: Tensor) -> float:
    """That of random logits, larger for a language model whose embeddings are its output layer."""
    if assembly.declared.kind != "tokens":
        return declared
    modules = list(model.modules())
    tables = {id(each.weight): each for each in modules if isinstance(each, nn.Embedding)}
    heads = [each for each in modules if isinstance(each, nn.Linear) and each.out_features == outputs.shape[-1]]
    if any(id(head.weight) not in tables for head in heads):
        return declared
    width = max((table.embedding_dim for table in tables.values()), default=1)
    return max(declared, _TIED * math.sqrt(width))
