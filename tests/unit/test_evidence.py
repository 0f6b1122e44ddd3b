"""Evidence goes to the store and comes back equal; arrays are read when they are asked for."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from checks.made import HEALTHY_RUN, PRIOR, flow, profile, rows_of_a_batch, training

from pytest_mlspec.evidence import (
    Array,
    Cost,
    DataProfile,
    Difference,
    Evidence,
    Leaks,
    LoopTrace,
    LostClass,
    MemoryTrace,
    Mixed,
    ModelCost,
    ParameterGradient,
    Relation,
    RowUse,
    Score,
    ScoreTable,
    Served,
    Telling,
    TrainingRun,
    from_record,
    to_record,
)

SCORES = ScoreTable(
    {"test.f1": Score(0.5, 360), "test.r2": Score(None, 0, "no row", "look")}, {"test": (("8", "1", 7), ("3", "5", 2))}
)

EVERY: list[Evidence] = [
    profile(
        shared_examples={"train/test": (("row 1", "row 2"), ("row 3", "row 4"))},
        leaks=Leaks(97, (Telling("copy", 1.0, "same"),), Relation((("casual", 1.0), ("registered", 1.0)))),
        mixed={"age": Mixed(1, 97, (("row 3", "old"),))},
    ),
    HEALTHY_RUN,
    replace(HEALTHY_RUN, skipped_steps=2, cost=Cost(90, 45.0, {"fetch": 0.5}, 10**9, utilisation_missing="no GPU")),
    rows_of_a_batch(),
    flow(ParameterGradient("unused", 1, trainable=True, gradient_norm=None, change=0.0)),
    PRIOR,
    SCORES,
    LoopTrace(
        "callable",
        RowUse(448, lost_classes=(LostClass("9", 40, -60.0),), same_class=0.5),
        steps=42,
        whole=True,
        idle=("Adam",),
    ),
    ModelCost(parameters=650, size=2600, flops=None, missing={"flops": "an LSTM"}),
    MemoryTrace(
        steps=60,
        device="cpu",
        tensors_S=Array.of([7, 7]),
        tensor_bytes_S=Array.of([96, 96]),
        nodes_S=Array.of([0, 0]),
        functions_S=Array.of([3, 3]),
        python_bytes_S=Array.of([512, 512]),
        resident_S=Array.of([10**8, 10**8]),
        device_S=Array.of([]),
        warmup=58,
        grown=("float32 []: 1 a step",),
    ),
    Served(
        path="predict",
        differences={"whole": Difference(rows=360, absolute=0.5, scale=1.0, decisions=7, worst_row=3)},
        scores={"test.accuracy": (0.402, 0.931)},
        rows=360,
        unscored={"test.roc_auc": "labels alone"},
        golden=Difference(rows=8, error="predict raised KeyError"),
    ),
]


def there_and_back(evidence: Evidence) -> Evidence:
    """What comes back from the store: through JSON, arrays apart."""
    record = to_record(evidence)
    stored = json.loads(json.dumps([record.fields, record.volatile]))
    return from_record(stored[0], stored[1], record.arrays.__getitem__)


def without_arrays(evidence: Evidence) -> dict[str, Any]:
    values = {item.name: getattr(evidence, item.name) for item in fields(evidence)}
    return {name: value for name, value in values.items() if not isinstance(value, Array)}


@pytest.mark.parametrize("evidence", EVERY, ids=lambda evidence: type(evidence).__name__)
def test_evidence_comes_back_equal(evidence: Evidence) -> None:
    """Nested values, tuples, and what is absent."""
    restored = there_and_back(evidence)

    assert type(restored) is type(evidence)
    assert without_arrays(restored) == without_arrays(evidence)


def test_arrays_come_back_to_the_last_bit() -> None:
    """With their type."""
    losses = np.array([0.1, np.nextafter(0.1, 1), np.nan, np.inf], dtype=np.float64)

    restored = there_and_back(training(loss_S=Array.of(losses)))

    assert isinstance(restored, TrainingRun)
    assert restored.loss_S.values.dtype == np.float64
    assert restored.loss_S.values.tobytes() == losses.tobytes()


def test_an_array_is_read_once_and_late() -> None:
    """Making the evidence reads none."""
    reads = []

    def read() -> np.ndarray[Any, Any]:
        reads.append("read")
        return np.zeros(3)

    array = Array(read)

    assert reads == []
    assert (len(array), array.values.tolist(), reads) == (3, [0.0, 0.0, 0.0], ["read"])


def test_an_array_that_cannot_be_read_does_not_keep_the_rest_from_being_read() -> None:
    """A check that needs no history is judged without it."""

    def missing(path: str) -> np.ndarray[Any, Any]:
        raise FileNotFoundError(path)

    record = to_record(HEALTHY_RUN)
    restored = from_record(record.fields, record.volatile, missing)

    assert isinstance(restored, TrainingRun)
    assert restored.losses == HEALTHY_RUN.losses
    with pytest.raises(FileNotFoundError, match="loss_S"):
        _ = restored.loss_S.values


def test_whole_numbers_of_json_become_floats_again() -> None:
    """A loss of 0 is 0.0."""
    record = to_record(PRIOR)

    restored = from_record({**record.fields, "loss": 2}, {}, record.arrays.__getitem__)

    assert isinstance(getattr(restored, "loss"), float)  # noqa: B009


def test_durations_are_kept_apart_from_results() -> None:
    """Two equal trainings have equal fields, however long they took."""
    quick, slow = to_record(training(seconds=1.0, hash_seed="1")), to_record(training(seconds=9.0, hash_seed="2"))

    assert quick.fields == slow.fields
    assert quick.volatile == {"seconds": 1.0, "hash_seed": "1", "cost": None}
    assert slow.volatile == {"seconds": 9.0, "hash_seed": "2", "cost": None}


def test_values_that_are_not_finite_are_kept() -> None:
    """They are what a check must see."""
    restored = there_and_back(training(losses={"train": math.nan, "test": math.inf}))

    assert isinstance(restored, TrainingRun)
    assert math.isnan(restored.losses["train"])
    assert restored.losses["test"] == math.inf


def test_a_profile_keeps_its_pairs_of_rows() -> None:
    """Lists of JSON become tuples again."""
    restored = there_and_back(profile(shared_examples={"train/test": (("row 1", "row 2"),)}))

    assert isinstance(restored, DataProfile)
    assert restored.shared_examples == {"train/test": (("row 1", "row 2"),)}
