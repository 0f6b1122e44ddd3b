"""What is asked of one loss on one batch. Where outputs are drawn, they have the form of the model's: the softmax of drawn
logits, where it ends in one.

Shape letters: N rows, C classes, L positions of a text, V ids of the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.declared_loss import DeclaredLoss
from pytest_mlspec.errors import MlspecError, NotApplicableError
from pytest_mlspec.evidence import CertainLoss, LossAnswers, StartLoss
from pytest_mlspec.evidence.losses import Extent, Told
from pytest_mlspec.probes import loss_relations as relations
from pytest_mlspec.probes.loss_subject import Asked, Subject, settled
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.next_token import PADDING, next_ids

_START_DRAWS = 8
_WELL_ORDERED = 0.99


def told_by(assembly: Assembly) -> Told:
    """What the outputs of the model tell."""
    if assembly.declared.kind == "tokens":
        return "tokens"
    return "classes" if assembly.declared.classes else "values"


def axis_of(assembly: Assembly) -> int:
    """The axis of the outputs along which classes or tokens lie."""
    return -1 if told_by(assembly) == "tokens" else 1


@dataclass(frozen=True)
class Trial:
    """One subject and one batch; `outputs` are those of the new model, which stay within `extent`."""

    assembly: Assembly
    subject: Subject
    batch: Batch
    outputs: Tensor
    extent: Extent

    @cached_property
    def asked(self) -> Asked:
        """The subject as it answers to numbers in the form of the model's outputs."""
        return settled(self.subject, self._form, self.numbers, self.batch)

    @cached_property
    def numbers(self) -> Tensor:
        """Numbers drawn at random where a loss tells something of every row: logits, or values spread as the targets."""
        return self._placed(relations.drawn(self.outputs.shape, stream="outputs").to(self.outputs.device))

    def asked_of(self, answers: LossAnswers) -> LossAnswers:
        """`answers` with every relation that can be asked."""
        asked = self.asked
        numbers = self.numbers.to(asked.dtype)
        answers = replace(answers, tolerance=asked.tolerance)
        counted, finite = self._counted()
        if not finite:
            return replace(answers, finite=False)
        draws = len({asked.loss(numbers, self.batch, seed=seed) for seed in range(3)}) > 1
        answers = replace(answers, draws=draws, counted=int(counted.sum()), uncounted=self._uncounted(counted))
        if answers.told == "tokens":
            padding = relations.padding_of_loss(asked, numbers, self.batch)
            at_padding, padded = padding or (None, None)
            answers = replace(answers, at_padding=at_padding, padded=padded)
        if draws:
            return replace(answers, times_drawn=relations.times_drawn(asked, numbers, self.batch))
        return replace(
            answers,
            takes_logits=self._takes_logits(),
            of_rows=relations.rows_of_loss(asked, numbers, self.batch, classes=self._outputs_of_classes),
            agreement=self._agreement(counted),
            certain=self._certain(),
            unseen=self._unseen(),
            weights=self._weights(),
            class_rows=self._class_rows(),
        )

    def start(self, deviation: float) -> StartLoss | None:
        """The loss of the new model beside that of random outputs; None where numbers of no typical size are asked for."""
        declared, asked = self.assembly.declared, self.asked
        if isinstance(declared, DeclaredLoss) and declared.name and declared.reading(self.outputs.shape) == "exp":
            return None
        size = deviation
        if not self._of_classes:
            assert self.batch.targets is not None, "a regression has targets"
            size *= float(self.batch.targets.double().square().mean().sqrt())
        sums = [
            sum(asked.loss(times * size * self._drawn(f"start {number}"), self.batch) for number in range(_START_DRAWS))
            for times in (1, 2)
        ]
        of_new = asked.of_free(self.outputs.to(asked.dtype), self.batch)
        return StartLoss(
            math.nan if of_new is None else of_new, sums[0] / _START_DRAWS, sums[1] / _START_DRAWS, deviation
        )

    @property
    def _of_classes(self) -> bool:
        return bool(self.assembly.declared.classes) or self.assembly.declared.kind == "tokens"

    @property
    def _form(self) -> Callable[[Tensor], Tensor]:
        """From numbers to outputs that the model could give; free where the loss by name takes any."""
        axis = axis_of(self.assembly)
        name = "" if self.subject.own else self.assembly.declared.name
        forms: dict[str, Callable[[Tensor], Tensor]] = {
            "nll": lambda numbers: numbers.log_softmax(axis),
            "binary_cross_entropy": torch.sigmoid,
        }
        of_extent: dict[Extent, Callable[[Tensor], Tensor]] = {
            "probabilities": lambda numbers: numbers.softmax(axis),
            "log-probabilities": lambda numbers: numbers.log_softmax(axis),
            "between 0 and 1": torch.sigmoid,
            "never negative": functional.softplus,
        }
        if name:
            return forms.get(name, lambda numbers: numbers)
        return of_extent.get(self.extent, lambda numbers: numbers)

    def _placed(self, numbers: Tensor) -> Tensor:
        if self._of_classes or self.batch.targets is None:
            return numbers
        targets = self.batch.targets.double()
        return float(targets.mean()) + (float(targets.std(unbiased=False)) or 1.0) * numbers

    def _drawn(self, stream: str) -> Tensor:
        numbers = relations.drawn(self.outputs.shape, stream=stream)
        return numbers.to(self.outputs.device, self.asked.dtype)

    def _counted(self) -> tuple[Tensor, bool]:
        """Which rows have a gradient at some of several outputs [N], and whether loss and gradients are finite there."""
        counted = torch.zeros(len(self.batch), dtype=torch.bool, device=self.outputs.device)
        for scale in (1.0, -1.0, 3.0):
            numbers = self._placed(scale * self._drawn("outputs")).to(self.asked.dtype)
            value, gradient = self.asked.gradient(numbers, self.batch)
            if not (math.isfinite(value) and bool(gradient.isfinite().all())):
                return counted, False
            counted |= (gradient != 0).reshape(len(gradient), -1).any(dim=1)
        return counted, True

    def _uncounted(self, counted: Tensor) -> tuple[str, ...]:
        """The classes of which no row counts, but for those that the declared loss leaves out."""
        declared, targets = self.assembly.declared, self.batch.targets
        if not declared.classes or targets is None or targets.dim() != 1:
            return ()
        weights = declared.arguments.get("weight") or [1.0] * declared.classes
        left_out = {number for number, weight in enumerate(weights) if weight == 0}
        left_out.add(declared.arguments.get("ignore_index", -100))
        classes = self.assembly.prepared.classes
        return tuple(
            classes[number]
            for number in sorted(set(targets.long().tolist()))
            if number in range(len(classes)) and number not in left_out and not counted[targets == number].any()
        )

    def _unseen(self) -> float | None:
        if self._of_classes:
            return None
        try:
            return relations.unseen_targets(self.asked, self.numbers.to(self.asked.dtype), self.batch)
        except NotApplicableError:
            raise
        except MlspecError:  # a loss that compares rows may refuse a single one
            return None

    @property
    def _outputs_of_classes(self) -> bool:
        """Whether a row has an output for each of several classes."""
        return bool(self.assembly.declared.classes) and self.outputs.reshape(len(self.outputs), -1).shape[1] > 1

    def _takes_logits(self) -> bool:
        """Whether the team's loss normalises the outputs of a row itself, as a softmax in it does."""
        if not (self.subject.own and (self._outputs_of_classes or self.assembly.declared.kind == "tokens")):
            return False
        numbers = self.numbers.to(self.asked.dtype)
        found = [self.asked.of_free(numbers + by, self.batch) for by in (0.0, 3.0, -2.0)]
        if found[0] is None or None in found:
            return False
        return all(
            abs(value - found[0]) <= self.asked.tolerance * abs(found[0]) for value in found if value is not None
        )

    def _certain(self) -> CertainLoss | None:
        """The loss at certain outputs, of a loss of the team's own: one by name reaches the floor that it states."""
        told = self._targets_as_numbers()
        if told is None or not self.subject.own:
            return None
        return relations.certain_loss(self.asked, told, self.batch)

    def _weights(self) -> dict[str, float]:
        """The weights of the classes, as gradients at equal outputs tell them; none where they differ within a class."""
        classes = self._classes()
        if classes is None or not self.subject.own or not self.assembly.declared.classes:
            return {}
        _, gradient = self.asked.gradient(torch.zeros_like(self.numbers).to(self.asked.dtype), self.batch)
        sizes = gradient.abs().reshape(len(gradient), -1).amax(dim=1)
        names = self.assembly.prepared.classes
        found = {names[number]: sizes[classes == number] for number in sorted(set(classes.tolist()))}
        if len(found) < len(names) or any(float(each.max()) > 1.001 * float(each.min()) for each in found.values()):
            return {}
        total = sum(float(each.mean()) for each in found.values())
        return {name: float(each.mean()) * len(found) / total for name, each in found.items()} if total else {}

    def _class_rows(self) -> dict[str, int]:
        """The training rows of each class."""
        targets = self.assembly.examples.targets
        if not self.assembly.declared.classes or targets.ndim != 1:
            return {}
        counts = np.bincount(targets.astype(np.int64), minlength=len(self.assembly.prepared.classes)).tolist()
        return dict(zip(self.assembly.prepared.classes, counts, strict=False))

    def _targets_as_numbers(self) -> Tensor | None:
        """1 where the outputs tell the target, else −1; None where the targets are no classes."""
        classes = self._classes()
        if classes is None:
            return None
        if self._is_one_a_row:
            return (2 * classes.to(self.asked.dtype) - 1).reshape(self.outputs.shape)
        told = torch.full(self.outputs.shape, -1.0, dtype=self.asked.dtype, device=self.outputs.device)
        axis = axis_of(self.assembly)
        return told.scatter(axis, classes.unsqueeze(axis), 1.0)

    def _classes(self) -> Tensor | None:
        """The class of each row [N], or the id that follows each position [N, L]; None for other targets."""
        targets = self.batch.targets
        if targets is None:
            return None
        if self.assembly.declared.kind == "tokens":
            return next_ids(targets).long()
        numbers = self.assembly.declared.classes
        # class numbers, whatever type they have: `collate` may make floats of them
        flat = targets.reshape(len(targets), -1)
        if not numbers or flat.shape[1] != 1 or not bool(((flat >= 0) & (flat < numbers)).all()):
            return None
        return flat[:, 0].long() if self.outputs.reshape(len(flat), -1).shape[1] in (1, numbers) else None

    @property
    def _is_one_a_row(self) -> bool:
        return self.assembly.declared.kind != "tokens" and self.outputs.reshape(len(self.outputs), -1).shape[1] == 1

    def _agreement(self, counted: Tensor) -> dict[str, float]:
        """How well outputs tell the targets after the loss was descended, among the rows that count."""
        classes = self._classes()
        if classes is not None:
            start = 0.1 * self._drawn("descent")
            found = relations.descended(self.asked, start, self.batch)
            if self.assembly.declared.kind == "tokens":
                right = found.argmax(-1) == classes
                return {"all": float(right[classes != PADDING].double().mean())}
            right = ((found.reshape(-1) > 0).long() if self._is_one_a_row else found.argmax(1)) == classes
            names = self.assembly.prepared.classes
            each = {number: counted & (classes == number) for number in sorted(set(classes.tolist()))}
            return {names[number]: float(right[rows].double().mean()) for number, rows in each.items() if rows.any()}
        targets = self.batch.targets
        if self._of_classes or targets is None or targets.numel() != self.outputs.numel():
            return {}
        return self._order(targets)

    def _order(self, targets: Tensor) -> dict[str, float]:
        """Values after a descent in the unit of the targets, by smaller steps, and in that of logarithms: the best of them.

        A loss that clamps its outputs, or takes a logarithm of them, has no gradient far from its targets.
        """
        deviation = float(targets.double().std(unbiased=False)) or 1.0
        middle = torch.full_like(self.numbers, float(targets.double().mean())).to(self.asked.dtype)
        zeros = torch.zeros_like(middle)
        best = 0.0
        for start, unit, first in ((middle, deviation, 4.0), (zeros, 1.0, 4.0), (middle, deviation, 0.5)):
            found = relations.signs_descended(self.asked, start, self.batch, unit=unit, first=first)
            share = relations.in_order(found, targets)
            if share is None:
                return {}
            best = max(best, share)
            if best > _WELL_ORDERED:
                break
        return {"all": best}
