"""The table of faults, fixed before anything was tuned: what each is, where it applies, and which checks are right to be red.

`on` are pipelines to which a fault applies: at most four for the severest, else at most three, taken by turns, so that all of it ends
in time. Every pair counts in the denominator, and one that is not planted counts as missed.
`right` are the checks that a general reading of the catalogue's column "check that should catch it" names. `causes` are the
suspects of the diagnosis (`pytest_mlspec/diagnosis/suspects`) that name the fault truly. `inputs` is what the catalogue calls
"data: mean/sd", of what really enters the model.

Counted apart, because no training in one process on a CPU has them: RL-…, DIST-…, DET-06, COST-04. Apart too: REG-03, which
needs a second environment, and REG-04 to REG-06, which are faults of a gate's bound and not of a training; `checks: standard` has
no bound that a user could set so.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

PIPELINES = ("digits", "cnn", "tickets", "diabetes", "faq", "characters", "machines")
"""MLP, convolutions with BatchNorm, masked text classifier, tabular regression, embeddings, causal language model, own loop."""

_LETTERS = dict(zip("DCTRELM", PIPELINES, strict=True))

CLAIMS = (
    *("data", "baseline", "preparation", "loss", "reference_step", "gradients", "loop", "converges", "schedule"),
    *("overfit", "capacity", "independence", "embeddings", "evaluation", "serving", "properties", "export"),
    *("reproducible", "resumes", "chance", "memory", "inputs"),
)
"""Every check that a fault may name."""

COUNTED_APART = (
    *("RL-02", "RL-03", "RL-04", "RL-05", "DIST-01", "DIST-02", "DIST-03", "DET-06", "COST-04"),
    *("REG-03", "REG-04", "REG-05", "REG-06"),
)


@dataclass(frozen=True)
class Fault:
    """One fault of the catalogue; `severity` is S1 to S3."""

    id: str
    title: str
    family: str
    severity: str
    on: tuple[str, ...]
    right: tuple[str, ...]
    causes: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Pair:
    """A fault on a pipeline to which it applies."""

    fault: str
    pipeline: str

    @property
    def name(self) -> str:
        """Such as `DATA-01.digits`."""
        return f"{self.fault}.{self.pipeline}"


_FAMILIES = {
    "data": "data", "labels": "labels", "leaks": "split/leakage", "prep": "preprocessing", "serving": "serving",
    "arch": "model architecture", "optim": "optimiser", "embed": "embeddings/text", "init": "initialisation",
    "loss": "loss", "sched": "scheduler", "loop": "loop", "prec": "precision", "det": "determinism", "eval": "evaluation",
    "ckpt": "checkpoint", "export": "export", "cost": "serving/latency",
}  # fmt: skip

# id, severity, family, pipelines by letter, title; right checks; causes
_TABLE = """
DATA-01  S1 data    DCTR most of the training rows lost | data baseline converges | rows_lost
DATA-03  S1 data    DTM  drop_last on rows sorted by class | data loop baseline | class_lost rows_lost
DATA-04  S2 data    DCM  no shuffling, rows sorted by class | data loop | not_shuffled
DATA-05  S3 data    M    same order in every epoch | loop | same_order
DATA-07  S2 data    RM   missing values imputed by 0 | data baseline | data_changed
DATA-08  S1 data    DRM  unit of one column changed | data baseline | data_changed not_normalised
DATA-10  S1 data    DTR  cached features are stale | data baseline preparation | stale_features other_serving
LAB-01   S1 labels  CTRE labels shuffled against rows | data baseline converges | labels_wrong
LAB-02   S1 labels  DCTE 10 % of the labels wrong | data baseline converges | labels_wrong
LAB-05   S1 labels  C    augmentation mirrors what must not be mirrored | properties preparation baseline | other_loss random_evaluation
LAB-06   S1 labels  TM   rows without a label learned as a class | data baseline loss | label_codes data_changed class_lost
LAB-08   S1 labels  RM   a feature from after the target | data | target_told
LEAK-01  S1 leaks   DCEL test rows in training | data | shared_rows
LEAK-04  S1 leaks   M    random split of a time series | data baseline | split_drawn
LEAK-05  S1 leaks   DR   oversampling or selection before the split | chance preparation | selected_before_split shared_rows fitted_on_all
LEAK-06  S2 leaks   CM   model chosen on the test split | data evaluation loop | chosen_on_test shared_rows
LEAK-07  S3 leaks   TEL  split not seeded | data baseline reproducible | split_drawn unseeded
PREP-02  S2 prep    DCR  not normalised at all | data inputs baseline gradients | not_normalised
PREP-05  S2 prep    DCT  random augmentation left on at evaluation | independence evaluation preparation | random_evaluation unseeded
PREP-06  S2 prep    TE   evaluation truncates more than training | serving evaluation preparation | other_serving
PREP-07  S1 prep    DCR  layout or columns swapped in serving | serving | other_serving
PREP-03  S1 serving DCR  serving forgets to normalise | serving | other_serving not_normalised
PREP-04  S1 serving TE   ids of the serving tokenizer shifted | serving | other_serving
ARCH-01  S2 arch    ELM  layer frozen by mistake | gradients loop | frozen
ARCH-04  S2 arch    TEL  activation missing | capacity baseline | no_activation
ARCH-05  S2 arch    RLM  ReLU on the outputs | overfit gradients capacity loss | outputs_limited dead_units
ARCH-06  S1 arch    CTEL features centred over the batch | independence properties | batch_coupled
ARCH-07  S1 arch    DTEL softmax over the batch axis | independence properties | batch_coupled
ARCH-09  S2 arch    CRL  dropout 0.9 | converges overfit capacity | strong_dropout
ARCH-10  S1 arch    RELM functional dropout always on | independence evaluation export properties | random_evaluation
ARCH-13  S2 arch    CM   BatchNorm on a batch of one row | data loop converges | batch_of_one
ARCH-14  S2 arch    DEL  bottleneck of one unit | overfit capacity | bottleneck
ARCH-15  S3 arch    DTR  bias removed from the output | baseline capacity loss | bottleneck large_start data_changed
ARCH-16  S1 arch    L    attention sees the future | independence properties | sees_future
ARCH-02  S2 optim   ELM  layer missing from the optimiser | gradients loop | not_in_optimizer
OPT-03   S2 optim   CEL  weight decay far too large | gradients converges reference_step | strong_decay other_update
OPT-05   S3 optim   TLM  optimiser rebuilt in each epoch | resumes loop | optimizer_rebuilt
OPT-07   S1 optim   CTRM optimiser holds a copy's parameters | gradients loop | stale_parameters
OPT-08   S1 optim   M    average evaluated, never updated | loop gradients | average_not_updated
ARCH-11  S1 embed   TE   mean pooling without mask | independence properties | padding_counted
EMB-01   S2 embed   E    embeddings not normalised | embeddings properties serving | not_normalised_embedding other_serving
EMB-02   S2 embed   E    query mark missing in serving | serving baseline | other_serving
EMB-05   S2 embed   E    own answer among the negatives | data loss embeddings reference_step | duplicates_in_batch
EMB-07   S1 embed   E    index built with an untrained model | serving | other_serving
INIT-01  S1 init    DCRL all weights zero | gradients capacity overfit | symmetric dead_units
INIT-02  S1 init    DCLM dead ReLUs from a large negative bias | gradients capacity | dead_units
INIT-03  S3 init    DTL  output weights far too large | loss | large_start
LOSS-01  S2 loss    DLM  softmax before cross-entropy | overfit reference_step loss | outputs_twice
LOSS-02  S3 loss    CTR  sum in place of mean | loss reference_step | sum_of_rows
LOSS-06  S1 loss    R    [N, 1] broadcast with [N] | loss overfit | rows_coupled
LOSS-07  S2 loss    L    loss counted on padding | loss | loss_on_padding
LOSS-08  S2 loss    L    mean of micro-batches of unequal length | reference_step | accumulation
LOSS-09  S2 loss    TM   class weights in the wrong order | evaluation loss reference_step | other_loss
LOSS-10  S3 loss    DCR  weights punished twice | reference_step gradients | other_loss strong_decay other_update
SCHED-02 S3 sched   M    scheduler never stepped | schedule | schedule
SCHED-03 S2 sched   CLM  scheduler told of another number of steps | schedule | schedule
SCHED-04 S3 sched   M    scheduler stepped before the optimiser | schedule | schedule
LOOP-01  S2 loop    DTE  gradients never cleared | gradients reference_step loop | leftover_gradients
LOOP-04  S3 loop    DRE  step before backward | gradients reference_step loop | step_before_backward leftover_gradients
LOOP-06  S2 loop    CTR  too few epochs | converges | too_short
LOOP-08  S3 loop    M    last accumulation window dropped | loop | window_dropped
LOOP-09  S2 loop    CM   early stopping always fires | schedule | early_stop
LOOP-10  S1 loop    TREM evaluation trains | evaluation loop | evaluation_trains
LOOP-11  S2 loop    DLM  batches of another size | loop | batch_size
OPT-04   S2 prec    C    gradients clipped before unscaling | reference_step gradients | clipping
PREC-01  S2 prec    TEL  weights kept in bfloat16 | gradients loop | low_precision
PREC-03  S2 prec    DR   integers where there should be fractions | data loss reference_step | truncated_targets data_changed not_normalised
DET-01   S3 det     M    order from an unseeded generator | reproducible | unseeded
DET-02   S3 det     DTM  weights drawn without the seed | reproducible | unseeded
DET-03   S3 det     CTM  augmentation without a seed | reproducible | unseeded
DET-04   S3 det     DTM  seed hard-coded | reproducible | seed_ignored
EVAL-01  S1 eval    DCTR metric computed on the training split | evaluation serving | other_split
EVAL-03  S1 eval    DCTM metric drops hard rows | evaluation serving | rows_dropped
EVAL-04  S3 eval    DCR  mean of batch means | evaluation | mean_of_batches
EVAL-05  S2 eval    DTM  averaged over the wrong axis | evaluation | averaging
EVAL-07  S1 eval    TM   one slice broken | evaluation | slice_broken
CKPT-03  S2 ckpt    DCL  schedule or epoch not restored | resumes | state_not_saved
CKPT-04  S3 ckpt    CM   best weights not restored | schedule loop | best_not_restored
CKPT-05  S1 ckpt    CREL part of the model not in the checkpoint | resumes | state_not_saved
CKPT-06  S2 ckpt    DTM  checkpoint is an alias of live weights | resumes schedule | alias_saved best_not_restored
CKPT-07  S2 ckpt    CRL  half-written file after a kill | resumes | torn_checkpoint
EXP-01   S1 export  CT   exported in training mode | export | exported_in_training random_evaluation
EXP-02   S1 export  CT   fixed batch axis | export | fixed_batch
EXP-04   S1 export  C    preparation left out of the artefact | export serving | preparation_left_out
EXP-06   S2 export  CT   quantised artefact loses a class | export | quantised preparation_left_out
EXP-07   S2 export  T    artefact differs on empty texts | export properties | preparation_left_out quantised
EVAL-02  S1 cost    DCTE class order swapped in serving | serving | class_order
COST-02  S2 cost    DRE  serving loops over rows | serving | loop_over_rows
COST-03  S3 cost    DRE  gradients recorded while serving | serving memory | gradients_in_serving
COST-05  S2 cost    DT   model reloaded for each request | serving | reloaded
"""


def _read(line: str) -> Fault:
    head, right, causes = line.split("|")
    name, severity, family, letters, title = head.split(maxsplit=4)
    return Fault(
        name,
        title.strip(),
        _FAMILIES[family],
        severity,
        tuple(_LETTERS[letter] for letter in letters),
        tuple(right.split()),
        tuple(causes.split()),
    )


FAULTS: dict[str, Fault] = {fault.id: fault for fault in map(_read, _TABLE.strip().splitlines())}


def pairs() -> Iterator[Pair]:
    """Every pair that counts."""
    for fault in FAULTS.values():
        for pipeline in fault.on:
            yield Pair(fault.id, pipeline)


def held_back() -> frozenset[Pair]:
    """A fifth of the pairs, drawn by a fixed seed: never looked at while anything is tuned, and reported apart."""
    every = sorted(pairs())
    return frozenset(random.Random("faults held back").sample(every, len(every) // 5))
