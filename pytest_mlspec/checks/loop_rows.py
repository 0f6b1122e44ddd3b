"""The claims of `loop` on rows: none is left out, classes are mixed, the order changes, a batch has its size."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlspec.check import Status, Verdict, at_least, at_most, failed, listed, passed
from pytest_mlspec.evidence import LoopTrace, RowUse

# log10: rows drawn at random leave out so many less often than once in a billion trainings.
_BY_CHANCE = -9.0
# So far from random batches to those of rows sorted by class, and so far outside of the scatter of random ones. Batches by a
# length that goes with the class come to 0.65.
_SAME_CLASS, _SIGMAS = 0.8, 6.0
# Batches of so many rows fewer or more are another size; sizes that differ from batch to batch are none.
_OTHER_SIZE, _OF_BATCHES = 4.0, 0.8
# Rows in their order fall back once in a pass; sorted by class they do so once for each class, and shuffled every other time.
_FALLS = 1.5
# So many rows are given to a step at once on purpose, but not in another order each time.
_ALL_AT_ONCE = 256
_LEFT_OUT = (
    "look for drop_last without shuffling, a sampler, filter or limit that leaves rows out; where that is meant,"
    " `loop: {every_row: false}`"
)


def row_verdicts(trace: LoopTrace, *, shuffled: bool, every_row: bool, full_batch: bool) -> Iterator[Verdict]:
    """The verdicts on the rows of `trace`; where they cannot be told, a note of that."""
    rows = trace.rows
    yield from _entered(trace)
    if rows.unknown:
        yield passed(f"which rows the steps use is not judged: {rows.unknown}")
        return
    if every_row:
        yield from _all_rows(rows)
    else:
        yield passed("rows that are left out are not judged: every_row: false")
    yield from _size(trace)
    if not full_batch:
        yield from _at_once(trace)
    if not shuffled or (trace.in_time and (rows.in_order is None or _is_in_order(rows))):
        yield passed("the order of the rows is not judged: they are not shuffled on purpose")
        return
    yield from _mixing(rows)
    yield from _order(trace)


def _entered(trace: LoopTrace) -> Iterator[Verdict]:
    for name, count in trace.entered.items():
        verdict = at_most(count, 0, of=f"rows of split {name} that enter the model while it is trained:", unit="rows")
        if verdict.status is not Status.PASSED:
            yield verdict.explained(
                "what is chosen by them is not measured by them",
                advice="choose by the validation split, and leave the test split for the end",
                finding="loop.test_used",
            )


def _is_in_order(rows: RowUse) -> bool:
    """Whether no order but their own was given to the rows."""
    return rows.in_order is not None and at_least(rows.in_order, 1 - _FALLS / rows.rows).status is Status.PASSED


def _at_once(trace: LoopTrace) -> Iterator[Verdict]:
    """A loader whose batch is larger than what it shuffles."""
    rows = trace.rows
    is_declared = trace.declared_batch is not None
    if is_declared or rows.in_order is None or _is_in_order(rows) or rows.batch_size < max(_ALL_AT_ONCE, rows.rows):
        return
    yield failed(f"a batch holds all {rows.rows} training rows, in a shuffled order").explained(
        f"{trace.steps} steps were taken in all" if trace.whole else "",
        advice="is the batch size larger than the split? Where every step takes all rows: `loop: {full_batch: true}`",
        finding="loop.batch_size",
    )


def _all_rows(rows: RowUse) -> Iterator[Verdict]:
    lost = [one for one in rows.lost_classes if at_most(one.chance, _BY_CHANCE).status is Status.PASSED]
    if lost:
        yield failed(
            f"no row of class {listed(one.name for one in lost)} reaches a step: {sum(one.rows for one in lost)} rows"
        ).explained(
            advice="rows sorted by class with drop_last, or a sampler or filter that leaves them out?",
            finding="loop.class_unseen",
        )
    # Where an order repeats, what it leaves out is left out for ever.
    for_ever = rows.passes > 1 and rows.repeated == rows.passes - 1
    rare = rows.unused_chance is not None and at_most(rows.unused_chance, _BY_CHANCE).status is Status.PASSED
    if rare or (for_ever and rows.unused_chance is not None):
        verdict = at_most(rows.unused, 0, of="training rows that reach no step:", unit="rows")
        if verdict.status is not Status.PASSED:
            yield verdict.explained(
                f"{rows.draws} rows were drawn in all, of {rows.rows}", advice=_LEFT_OUT, finding="loop.rows_unseen"
            )
            return
    if rows.given is not None:
        verdict = at_least(rows.draws, rows.given, of="rows of the batches that enter the model:", unit="rows")
        if verdict.status is not Status.PASSED:
            yield verdict.explained(advice=_LEFT_OUT, finding="loop.rows_unseen")
            return
    if rows.held_out:
        yield passed(f"{rows.held_out} training rows are evaluated and not trained on: the loop's own validation")


def _size(trace: LoopTrace) -> Iterator[Verdict]:
    rows = trace.rows
    if trace.declared_batch is None or rows.batch_size == 0:
        return
    declared = min(trace.declared_batch, max(1, rows.rows - rows.held_out - rows.unused))
    if at_least(rows.batch_share, _OF_BATCHES).status is not Status.PASSED:
        return  # batches by length, or by a number of tokens
    ratios = [max(size, 1) / declared for size in (rows.batch_size, rows.step_rows)]
    if any(
        at_most(ratio, _OTHER_SIZE).status is Status.PASSED and at_least(ratio, 1 / _OTHER_SIZE).status is Status.PASSED
        for ratio in ratios
    ):
        return
    yield failed(f"rows of a batch: {rows.batch_size}, {declared} declared").explained(
        f"rows of a step: {rows.step_rows}",
        advice="look at what the loop gives the model at a time: is batching off, or are all rows one batch?",
        finding="loop.batch_size",
    )


def _mixing(rows: RowUse) -> Iterator[Verdict]:
    if rows.same_class is not None:
        more = at_most(rows.same_class, _SAME_CLASS, of="rows of a batch share a class: sortedness")
        far = rows.same_class_sigmas is not None and at_least(rows.same_class_sigmas, _SIGMAS).status is Status.PASSED
        if more.status is Status.ERROR or (more.status is Status.FAILED and far):
            yield more.explained(
                "0 is that of batches drawn at random, 1 that of rows sorted by class",
                advice="shuffle the rows in each epoch; where their order is meant, `loop: {shuffled: false}`",
                finding="loop.sorted",
            )


def _order(trace: LoopTrace) -> Iterator[Verdict]:
    rows = trace.rows
    if not trace.shuffled:
        yield passed("whether the order of the rows changes is not judged: the spec says shuffle: false")
    elif rows.order_unknown:
        yield passed(f"the order of the rows is not judged: {rows.order_unknown}")
    elif rows.passes > 1 and rows.repeated == rows.passes - 1:
        yield failed(f"{rows.passes} of {rows.passes} passes over the rows have one order").explained(
            advice="shuffle anew in each epoch, by a generator that is seeded once; where one order is meant,"
            " `loop: {shuffled: false}`",
            finding="loop.same_order",
        )
    if rows.equal_for_seeds:
        yield failed(f"seed {trace.seed + 1} gives the rows the order of seed {trace.seed}").explained(
            "the weights begin equal too" if trace.equal_starts else "",
            advice="look for a seed that is written in the code, in the place of the argument `seed`",
            finding="loop.same_order_of_seeds",
        )
