"""`Describe`: the data and the untrained model in the numbers that a baseline file holds; `ReadBaseline`: what one holds.

The raw rows are read once more, as `Prepare` read them; what enters the model is what that job stored. Rows of a Dataset are
those that it read already, and a few items are opened again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec import baselines
from pytest_mlspec.errors import DataError
from pytest_mlspec.evidence import (
    Description,
    GoldenRow,
    InputDescription,
    Recorded,
    SplitDescription,
    Structure,
    Values,
)
from pytest_mlspec.jobs import Describe, ReadBaseline
from pytest_mlspec.language.spec import Spec, Split
from pytest_mlspec.language.task import TASKS
from pytest_mlspec.probes.describe_model import structure_of
from pytest_mlspec.probes.describe_rows import digest_of, golden_rows, row_hashes, spread_of
from pytest_mlspec.probes.describe_values import columns_of, sampled, values_of
from pytest_mlspec.recipe.datasets import INPUTS, stand_in_a_dataset
from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.preparation import load_rows
from pytest_mlspec.recipe.protocol import Examples, Prepared, Rows
from pytest_mlspec.recipe.work import Result, Work

if TYPE_CHECKING:
    from pytest_mlspec.evidence.baselines import SplitBy
    from pytest_mlspec.recipe.datasets import Datasets
    from pytest_mlspec.recipe.protocol import NumpyArray

# Items of a Dataset that are opened a second time.
_ITEMS = 64
# Items that are opened twice.
_TWICE = 8
# What the spec says of the data: two baselines compare where all of it is equal.
_OF_DATA = ("source", "target", "columns", "drop", "prepare", "prepare_target")


def describe(job: Describe, work: Work) -> Result:
    """The description of the data and of the model before its training."""
    if job.against is not None:
        recorded = work.needed[job.against].evidence
        if isinstance(recorded, Recorded) and recorded.description is None:
            return Result(_nothing("nothing is recorded"))
    prepared = work.prepared
    lazily = stand_in_a_dataset(prepared.splits["train"])
    return Result(_of_items(job, work, prepared) if lazily else _of_rows(job, work, prepared))


def read_baseline(job: ReadBaseline, work: Work) -> Result:
    """What the baseline file holds of the spec; no description where there is no file, or nothing of this spec in it."""
    file = baselines.file_of(job.spec_file)
    try:
        # opened even where it may not be there: that it is not is what a later run has to find unchanged
        text = Path(work.root, file).read_text("utf-8")
    except FileNotFoundError:
        return Result(Recorded(file, job.spec_file))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        advice = "take it from version control, or record it again: pytest --mlspec-update"
        raise DataError(f"the baseline {file} is unreadable: {why}", key="checks", advice=advice) from None
    return Result(Recorded(file, job.spec_file, baselines.read(text, file).get(job.name)))


def _of_rows(job: Describe, work: Work, prepared: Prepared) -> Description:
    loaded = work.recipe.load()
    rows = load_rows(replace(work.recipe, load=lambda: loaded))
    for split, part in rows.items():
        known = prepared.splits.get(split)
        if known is None or len(known) != len(part) or not bool((known.index == part.index).all()):
            return _nothing(f"load and split gave other rows of split {split} when they were called again")
    hashes = {split: row_hashes(part.features) for split, part in rows.items()} if job.golden else _no_hashes(rows)
    golden = golden_rows(
        hashes,
        # the team's prepare may be where labels get lost; values that it scales follow from other rows
        {split: _labels(prepared.splits[split], prepared) for split in rows}
        if prepared.classes or not _fits(work)
        else {split: part.targets for split, part in rows.items()},
        {split: by_name(examples.inputs) for split, examples in prepared.splits.items()},
        numbers={split: part.index for split, part in rows.items()},
        count=job.golden,
        labelled=bool(prepared.classes),
    )
    return _description(
        job,
        work,
        prepared,
        columns=dict(columns_of([part.features for part in rows.values()])),
        golden=golden,
        inputs=_inputs({split: by_name(examples.inputs) for split, examples in prepared.splits.items()}, golden, {}),
        comes_split=not isinstance(loaded, Rows),
        hashes=hashes,
    )


def _nothing(why: str) -> Description:
    return Description({}, {}, "draw", (), {}, {}, Structure(""), missing=why)


def _of_items(job: Describe, work: Work, prepared: Prepared) -> Description:
    """The description of rows that stand in a Dataset, by their fingerprints and the items of a few."""
    import numpy as np

    assert work.recipe.datasets is not None, "rows that stand in a Dataset come from one"
    opened = work.recipe.datasets()
    places = {split: _places(examples) for split, examples in prepared.splits.items()}
    targets = {split: _labels(examples, prepared) for split, examples in prepared.splits.items()}
    # an item that is drawn anew has no hash of its own: it would be another one at another place
    followed = job.golden and not _is_drawn(opened, places["train"])
    hashes = {split: row_hashes(found[:, 2:]) for split, found in places.items()} if followed else _no_hashes(places)
    golden = golden_rows(
        hashes,
        targets,
        {},
        numbers={split: examples.index for split, examples in prepared.splits.items()},
        count=job.golden,
        labelled=bool(prepared.classes),
    )
    inputs: dict[str, dict[str, NumpyArray]] = {}
    for split, found in places.items():
        taken = found[np.round(np.linspace(0, len(found) - 1, min(_ITEMS, len(found)))).astype(np.int64)]
        items = [_tensors(opened.item(int(number), int(row))[0]) for number, row, _ in taken]
        shapes = {name: {item[name].shape for item in items} for name in items[0]}
        # items of several shapes are padded by the team's collate: their numbers are described one after the other
        inputs[split] = {
            name: np.stack([item[name] for item in items])
            if len(found_shapes) == 1
            else np.concatenate([item[name].ravel() for item in items])
            for name, found_shapes in shapes.items()
        }
    return _description(
        job,
        work,
        prepared,
        columns={},
        golden=golden,
        inputs=_inputs(inputs, golden, {split: min(_ITEMS, len(found)) for split, found in places.items()}),
        comes_split="" not in opened.by_split,
        hashes=hashes,
    )


def _description(
    job: Describe,
    work: Work,
    prepared: Prepared,
    *,
    columns: Mapping[str, Any],
    golden: Mapping[str, GoldenRow],
    inputs: Mapping[str, InputDescription],
    comes_split: bool,
    hashes: Mapping[str, NumpyArray],
) -> Description:
    import numpy as np

    has_values = TASKS[work.recipe.task].supervised and not prepared.classes
    splits = {}
    for split, examples in prepared.splits.items():
        numbered = prepared.classes and examples.targets.ndim == 1
        counts = np.bincount(examples.targets, minlength=len(prepared.classes)).tolist() if numbered else ()
        splits[split] = SplitDescription(
            len(examples),
            {label: count for label, count in zip(prepared.classes, counts, strict=True) if count} if counts else {},
            values_of(sampled(examples.targets)) if has_values and examples.targets.dtype.kind in "fiub" else None,
            digest_of(np.sort(hashes[split])),
        )
    return Description(
        declared=_declared(work.spec, work.recipe.task),
        splits=splits,
        split_by=_split_by(work, comes_split=comes_split),
        classes=prepared.classes,
        columns=columns,
        inputs=inputs,
        model=structure_of(work),
        golden=golden,
        asked=job.golden,
        split=_told(_data_as_told(work.spec).get("split", "")),
        order=_order(hashes, prepared),
        fits=_fits(work),
    )


def _order(hashes: Mapping[str, NumpyArray], prepared: Prepared) -> str:
    """A digest of all rows in the order of the source."""
    import numpy as np

    together = np.concatenate(list(hashes.values()))
    if not len(together):
        return ""
    places = np.concatenate([prepared.splits[split].index for split in hashes])
    return digest_of(together[np.argsort(places, kind="stable")])


def _fits(work: Work) -> bool:
    """Whether what enters the model follows from the training rows too, as far as the recipe tells."""
    given, data = work.recipe.given, work.spec.data
    if "prepare" in given and "fit_prepare" not in given:
        return False
    steps = [step.use for step in data.prepare] if data else []
    # of a Dataset, items go to the model as they are
    return "fit_prepare" in given or not (steps == ["none"] or stand_in_a_dataset(work.prepared.splits["train"]))


def _inputs(
    by_split: Mapping[str, Mapping[str, NumpyArray]], golden: Mapping[str, GoldenRow], rows: Mapping[str, int]
) -> dict[str, InputDescription]:
    """The inputs by name; `rows` is how many rows their numbers are of, where that is not the first axis."""
    first = next(iter(by_split.values()))
    found = {}
    for name, values in first.items():
        is_text = values.dtype.kind not in "fiub"
        found[name] = InputDescription(
            "text" if is_text else str(values.dtype),
            tuple(values.shape[1:]),
            {split: _entering(parts[name], rows.get(split)) for split, parts in by_split.items()},
            spread_of([row.sketches[name] for row in golden.values() if name in row.sketches]),
        )
    return found


def _entering(values: NumpyArray, rows: int | None) -> Values:
    """The distribution of what enters the model: of its numbers, or of the lengths of its texts."""
    import numpy as np

    taken = sampled(values)
    if values.dtype.kind in "fiub":
        found = values_of(taken)
    else:
        found = values_of(np.array([len(text) if isinstance(text, str) else 0 for text in taken.ravel()]))
    return replace(found, count=min(found.count, len(taken) if rows is None else rows))


def _declared(spec: Spec, task: str) -> dict[str, str]:
    """What the spec says of the data, by the path of its key; what it leaves out is left out."""
    said: dict[str, Any] = {"task": task, "train.engine": spec.train.engine.use}
    if spec.data is not None:
        told = _data_as_told(spec)
        said |= {f"data.{name}": told[name] for name in _OF_DATA if told.get(name)}
    if spec.recipe is not None:
        said["recipe"] = spec.recipe.use
    return {name: _told(value) for name, value in said.items()}


def _data_as_told(spec: Spec) -> dict[str, Any]:
    return {} if spec.data is None else spec.data.model_dump(mode="json", exclude_defaults=True)


def _told(value: Any) -> str:
    """Plain data in a line, as a spec would say it."""
    match value:
        case {"use": use, "arguments": {**arguments}}:
            return _told({"use": use, **arguments}) if arguments else _told(use)
        case {"use": use} if len(value) == 1:
            return _told(use)
        case {**named}:
            return f"{{{', '.join(f'{name}: {_told(each)}' for name, each in sorted(named.items()))}}}"
        case list() | tuple():
            return f"[{', '.join(map(_told, value))}]"
        case bool():
            return str(value).lower()
    return str(value)


def _split_by(work: Work, *, comes_split: bool) -> SplitBy:
    if "split" in work.recipe.given:
        return "own"
    if comes_split:
        return "source"
    split = work.spec.data.split if work.spec.data else Split()
    if split.group is not None:
        return "group"
    return "draw" if split.time is None else "time"


def _is_drawn(opened: Datasets, places: NumpyArray) -> bool:
    """Whether an item is another one when it is opened again, as with an augmentation."""
    for number, row, _ in places[:_TWICE].tolist():
        one, other = (_tensors(opened.item(number, row)[0]) for _ in range(2))
        if any(one[name].shape != other[name].shape or bool((one[name] != other[name]).any()) for name in one):
            return True
    return False


def _places(examples: Examples) -> NumpyArray:
    """The number of the Dataset, of the row in it, and its fingerprint [N, 3] of each example."""
    assert isinstance(examples.inputs, Mapping)
    return examples.inputs[INPUTS]


def _labels(examples: Examples, prepared: Prepared) -> NumpyArray:
    """The targets as they stand in the source: labels as text, values as they are."""
    import numpy as np

    if not prepared.classes or examples.targets.ndim != 1:
        return examples.targets
    return np.array(prepared.classes, dtype=object)[examples.targets]


def _tensors(inputs: Any) -> dict[str, NumpyArray]:
    named = inputs if isinstance(inputs, Mapping) else {"": inputs}
    return {str(name): tensor.numpy() for name, tensor in named.items()}


def _no_hashes(splits: Mapping[str, Any]) -> dict[str, NumpyArray]:
    """No hash of any row, where no golden rows are wanted."""
    import numpy as np

    return {split: np.zeros(0, dtype=np.uint64) for split in splits}
