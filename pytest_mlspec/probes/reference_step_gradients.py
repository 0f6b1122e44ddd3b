"""The gradients of the team's steps against those of the declared loss, and what became of them before the update.

from                            to                                what may have happened
the declared loss               what backward brings              another loss, or a mistake in it
what backward brings            what the optimiser steps on       left over, late, cleared, clipped, scaled
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pytest_mlspec.evidence.steps import ComparedPart, Declared
from pytest_mlspec.probes.reference_step_declared import DeclaredLoss, DeclaredStep
from pytest_mlspec.probes.reference_step_distance import difference, distance, factor, norm
from pytest_mlspec.probes.reference_step_losses import Brought, Explanation, explain, rows_at_one_end
from pytest_mlspec.probes.reference_step_rows import Fed, fed
from pytest_mlspec.probes.reference_step_watch import Reference, Taken, Tensors
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.losses import denominator

# Numbers that are constants of a piece of code, such as a norm to clip to, are found up to this share.
_CLOSE = 1e-4


class _Reference(NamedTuple):
    """What a part is held against."""

    part: Literal["gradients", "clipping"]
    text: str
    declared: Declared


_BROUGHT = _Reference("gradients", "what backward brings in the step", "implied")
_SCALED = _Reference("clipping", "what backward brings, unscaled", "implied")


@dataclass(frozen=True)
class Found:
    """One part of one step as it was compared, or in words why it was not."""

    part: ComparedPart | None = None
    left_out: str = ""


def batch_of(fed_rows: Fed, batch: Batch) -> Batch:
    """The rows of `batch` that entered the model, in that order."""
    if torch.equal(fed_rows.rows, torch.arange(len(batch))):
        return batch
    at = fed_rows.rows.to(batch.targets.device) if batch.targets is not None else fed_rows.rows
    inputs = batch.inputs
    taken = {name: each[at] for name, each in inputs.items()} if isinstance(inputs, dict) else inputs[at]
    return Batch(taken, None if batch.targets is None else batch.targets[at], batch.index[fed_rows.rows])


def rows_of(taken: Taken) -> Fed | str:
    """The rows of its batch that the step fed to the model."""
    if taken.in_parts:
        return Fed(torch.arange(len(taken.batch)), changed=False)
    return fed(taken, taken.batch)


@dataclass(frozen=True)
class Judged:
    """One step with what was declared, in one precision."""

    taken: Taken
    step: int
    declared: DeclaredStep
    tolerance: float
    parts: int

    def found(self) -> Iterator[Found]:
        """Each comparison that can be made."""
        taken = self.taken
        if taken.closure:
            yield Found(left_out="gradients: the optimizer works them out itself, as LBFGS and SAM do")
            return
        if not taken.updates:
            yield Found(left_out="gradients: the step takes no update")
            return
        handed = self._handed_over()
        yield from handed
        if not any(each.part is not None and each.part.part == "gradients" for each in handed):
            yield from self._of_loss()

    def _compared(
        self,
        reference: _Reference,
        found: Mapping[str, Tensor],
        expected: Mapping[str, Tensor],
        why: Explanation | None = None,
    ) -> ComparedPart:
        apart, why = distance(found, expected), why or Explanation("")
        return ComparedPart(
            *reference,
            difference=apart.share,
            tolerance=self.tolerance,
            parameter=apart.parameter,
            step=self.step,
            ratio=apart.ratio,
            cosine=apart.cosine,
            explained_by=why.name,
            detail=why.detail,
        )

    @property
    def brought(self) -> Tensors:
        """What backward has brought before the update, of the loss as it is before it is scaled."""
        return {name: tensor / self.taken.scale for name, tensor in self.taken.brought.items()}

    @property
    def used(self) -> Tensors:
        """What the optimiser steps on."""
        return {name: tensor for name, tensor in self.taken.used.items() if tensor is not None}

    def _handed_over(self) -> list[Found]:
        """How what the optimiser steps on comes from what backward brings."""
        taken, brought, used = self.taken, self.brought, self.used
        if taken.broken_off:
            why = Explanation("late", "the optimizer steps before backward, which then finds other weights")
            return [Found(replace(self._compared(_BROUGHT, used, {}, why), difference=1.0))]
        if not brought:
            if taken.delivered and distance(used, taken.leftover).share <= self.tolerance:
                now = {name: tensor / taken.scale for name, tensor in taken.delivered.items()}
                why = Explanation("late", "the optimizer steps before backward, on the gradients of the step before")
                return [Found(self._compared(_BROUGHT, used, now, why))]
            return []
        times = factor(used, brought, tolerance=self.tolerance)
        if times is not None and abs(times - 1) <= self.tolerance:
            return self._unclipped(brought, used)
        broken = self._broken(brought, used, times)
        if broken is None:
            return self._clipped(brought, used, times)
        reference = _SCALED if broken.name == "not_unscaled" else _BROUGHT
        return [Found(self._compared(reference, used, brought, broken))]

    def _broken(self, brought: Tensors, used: Tensors, times: float | None) -> Explanation | None:
        """The mistake by which the gradients are others than those that backward brings, whatever was meant."""
        taken = self.taken
        if not norm(used.values()):
            return Explanation("cleared", "every gradient is 0 when the optimizer steps")
        if times is None and norm(taken.leftover.values()):
            left = {name: -tensor / taken.scale for name, tensor in taken.leftover.items()}
            share = factor(used, difference(brought, left), tolerance=self.tolerance)
            if share is not None and 0 < share <= 1 + self.tolerance:
                return Explanation(
                    "leftover", "they are the sum of this step's gradients and those left over before it"
                )
        if times is not None and times < 0:
            return Explanation("ascends", "between backward and step the gradients change their sign")
        if times is not None and taken.scale != 1 and abs(times / taken.scale - 1) <= _CLOSE:
            return Explanation("not_unscaled", f"the optimizer steps on gradients {taken.scale:g} times as large")
        return None

    def _unclipped(self, brought: Tensors, used: Tensors) -> list[Found]:
        declared = self.declared
        if declared.clip_norm is None:
            return []
        expected = _clip(brought, declared.clip_norm)
        why = None
        if distance(used, expected).share > self.tolerance:
            size = norm(brought.values())
            why = Explanation("not_clipped", f"the optimizer steps on gradients with a norm of {size:.4g}")
        return [Found(self._compared(_Reference("clipping", _clip_text(declared), declared.clip), used, expected, why))]

    def _clipped(self, brought: Tensors, used: Tensors, times: float | None) -> list[Found]:
        declared, taken = self.declared, self.taken
        scaled = norm(taken.brought.values())
        early = (
            taken.scale != 1
            and taken.at_unscale is not None
            and taken.at_unscale < (1 - _CLOSE) * scaled
            and times is not None
            and abs(taken.at_unscale / scaled / times - 1) <= _CLOSE
        )
        size = norm(used.values())
        if early:
            told = f"clipped to {taken.at_unscale:.4g} while scaled by {taken.scale:g}: {size:.3g} is left"
            why = Explanation("clipped_before_unscale", told)
            expected = _clip(brought, declared.clip_norm or taken.at_unscale or 1.0)
            return [
                Found(self._compared(_Reference("clipping", _clip_text(declared), declared.clip), used, expected, why))
            ]
        limit = max((float(tensor.abs().max()) for tensor in used.values() if tensor.numel()), default=0.0)
        by_value = {name: tensor.clamp(-limit, limit) for name, tensor in brought.items()}
        if times is not None and times < 1:
            why = Explanation("other_norm", f"they are clipped to a norm of {size:.4g}")
        elif times is not None:
            why = Explanation("scaled", f"they are multiplied by {times:.4g} between backward and step")
        elif distance(used, by_value).share <= self.tolerance:
            why = Explanation("by_value", f"each number is clipped to {limit:.4g}")
        else:
            why = Explanation("", "they are changed between backward and step")
        if declared.clip_norm is None:
            return [
                Found(left_out=f"clipping: gradients {why.detail.removeprefix('they ')}; nothing says to what norm")
            ]
        expected = _clip(brought, declared.clip_norm)
        if distance(used, expected).share <= self.tolerance:
            why = Explanation("")
        return [Found(self._compared(_Reference("clipping", _clip_text(declared), declared.clip), used, expected, why))]

    def _of_loss(self) -> Iterator[Found]:
        """What backward brings, against the declared loss; and against one of the team's where that one differs."""
        first, *others = zip(self.declared.losses, self.taken.references, strict=True)
        found = self._against(*first)
        yield found
        is_equal = found.part is not None and found.part.difference <= self.tolerance
        if others and not is_equal:
            yield self._of_own_loss(*others[0], declared=first[1])

    def _of_own_loss(self, loss: DeclaredLoss, own: Reference | str, *, declared: Reference | str) -> Found:
        found = self._against(loss, own)
        part = found.part
        if part is None or part.difference <= self.tolerance or self.declared.takes_steps:
            return found
        # The loop gives it micro-batches, and weighs them by their rows.
        if part.explained_by != "micro_batches":
            return Found(left_out="accumulation: the loss of a row depends on the other rows")
        rows = rows_of(self.taken)
        if isinstance(declared, Reference) and isinstance(own, Reference) and isinstance(rows, Fed):
            whole = replace(self._outputs(self.declared.loss, declared, rows), found=own.of_outputs)
            if explain(whole).name == "class_weights":
                return Found(left_out="accumulation: a mean weighted by classes is one of each micro-batch")
        return found

    def _against(self, loss: DeclaredLoss, reference: Reference | str) -> Found:
        taken = self.taken
        if isinstance(reference, str):
            return Found(left_out=f"gradients: {reference}")
        rows = rows_of(taken)
        if isinstance(rows, str):
            return Found(left_out=f"gradients: {rows}")
        found, expected = self.brought or self.used, reference.of_parameters
        of = _Reference("gradients", loss.text, loss.declared)
        if distance(found, expected).share <= self.tolerance:
            part = self._compared(of, found, expected)
            if len(rows.rows) == len(taken.batch):
                return Found(part)
            told = f"{len(rows.rows)} of {len(taken.batch)} rows enter the model"
            if not rows_at_one_end(rows.rows, len(taken.batch)):
                return Found(left_out=f"gradients: {told}")
            # equal on the rows that entered: what is missing is the rest
            missing = 1 - len(rows.rows) / len(taken.batch)
            return Found(replace(part, difference=missing, explained_by="rows_left_out", detail=told))
        why = self._why(loss, reference, rows, found)
        if why.name == "" and taken.in_parts:
            return Found(left_out="gradients: the step calls parts of the model, and is not what the whole would give")
        if rows.changed and why.name in ("", "soft_targets", "rows_weighted", "another_loss", "other_targets"):
            return Found(
                left_out="gradients: the rows are changed in the step, so which targets are theirs is not told"
            )
        return Found(self._compared(of, found, expected, why))

    def _why(self, loss: DeclaredLoss, reference: Reference, rows: Fed, found: Tensors) -> Explanation:
        taken, expected = self.taken, reference.of_parameters
        forwards = taken.learning
        known = [forward.gradient for forward in forwards if forward.gradient is not None]
        if known and len(known) == len(forwards):
            of_outputs = torch.cat(known).to(reference.of_outputs.dtype) / taken.scale
            brought = replace(self._outputs(loss, reference, rows), found=of_outputs)
            if not brought.same(of_outputs, reference.of_outputs):
                return explain(brought)
        return self._beside_outputs(found, expected)

    def _outputs(self, loss: DeclaredLoss, reference: Reference, rows: Fed) -> Brought:
        """What is known at the outputs of the model, as if the step had brought what it should."""
        taken, batch = self.taken, batch_of(rows, self.taken.batch)
        forwards = taken.learning
        return Brought(
            found=reference.of_outputs,
            expected=reference.of_outputs,
            outputs=reference.outputs,
            batch=batch,
            rows=len(taken.batch),
            counted=float(denominator(loss.function, batch)),
            sizes=tuple(len(forward.outputs) for forward in forwards),
            parts=self.parts,
            deliveries=sum(forward.deliveries for forward in forwards),
            task=self.declared.task,
            name=loss.name,
            arguments=loss.arguments,
            unchanged=not rows.changed,
            balanced=self.declared.balanced.to(reference.of_outputs),
            tolerance=self.tolerance,
        )

    def _beside_outputs(self, found: Tensors, expected: Tensors) -> Explanation:
        """What explains other gradients of parameters where those of the outputs are the declared ones."""
        extra = difference(found, expected)
        floor = self.tolerance * norm(expected.values())
        other = {name: tensor for name, tensor in extra.items() if norm([tensor]) > floor}
        if all(name not in found or not norm([found[name]]) for name in other):
            return Explanation("detached", f"{len(other)} of {len(expected)} parameters get nothing of it")
        weights = {name: self.taken.before[name] for name in other}
        decays = any(group.get("weight_decay") for group in self.taken.settings.values())
        # A penalty need not cover every parameter, and counts each the same.
        for of, direction in (("squares", weights), ("sizes", {name: one.sign() for name, one in weights.items()})):
            times = factor(other, direction, tolerance=max(self.tolerance, 1e-5))
            if times is not None and times > 0:
                covered = f"of {len(other)} of {len(expected)} parameters"
                what = f"a penalty on the {of} {covered} is added: {times:.4g} x the weight"
                return Explanation("decay_twice" if decays and of == "squares" else "penalty", what)
        return Explanation("", "a further term depends on parameters, not through the outputs")


def _clip(gradients: Tensors, clip_norm: float) -> Tensors:
    """As `torch.nn.utils.clip_grad_norm_` does."""
    times = min(1.0, clip_norm / (norm(gradients.values()) + 1e-6))
    return {name: times * tensor for name, tensor in gradients.items()}


def _clip_text(declared: DeclaredStep) -> str:
    if declared.clip_norm is None:
        return "clipping after the scale is taken from the gradients"
    return f"clip_norm {declared.clip_norm:g}"
