"""The evidence store: what was published comes back as it was, and a draft that fails leaves nothing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from pytest_mlspec.errors import StoreError
from pytest_mlspec.store import Entry, Store
from pytest_mlspec.store.inputs import Inputs

from .stored import ARRAYS, KEY, hit, names, publish, reason


def test_published_evidence_is_found(store: Store, entry: Entry) -> None:
    """Record, arrays and artefacts come back as they were given, from another object for the same folder."""
    found = hit(Store(store.root).find(KEY))

    assert found.record == {"loss": 0.5}
    assert found.digest == entry.digest
    assert found.arrays == ("empty", "loss_S")
    np.testing.assert_array_equal(found.array("loss_S"), ARRAYS["loss_S"])
    assert found.array("empty").shape == (0, 2)
    assert found.file("weights/model.bin").read_bytes() == bytes(range(256))


def test_location_opens_in_another_process(store: Store, entry: Entry) -> None:
    """The text of a location is enough to read the entry."""
    assert Store(store.root).open(entry.location).digest == entry.digest


def test_record_holds_floats_that_are_not_finite(store: Store, inputs: Inputs) -> None:
    """NaN and infinities come back, and the file on disk is strict JSON."""
    entry = publish(store, inputs, {"losses": [math.nan, math.inf, -math.inf]})
    text = entry.file("record.json").read_text()

    assert json.loads(text, parse_constant=pytest.fail)
    assert [repr(value) for value in entry.record["losses"]] == ["nan", "inf", "-inf"]


@pytest.mark.parametrize("kind", ["?", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_a_large_array_is_mapped_into_memory(
    store: Store, inputs: Inputs, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """It is read page by page where it is used, and cannot be written to; a small one beside it is read."""
    values = (np.arange(3000).reshape(1000, 3) % 2).astype(kind)
    with store.draft(KEY) as draft:
        entry = draft.publish({}, arrays={"large": values, "small": values[:3]}, inputs=inputs)
    monkeypatch.setattr("pytest_mlspec.store.entry.MAPPED_BYTES", 2000)
    large, small = entry.array("large"), entry.array("small")

    assert (isinstance(large, np.memmap), isinstance(small, np.memmap)) == (True, False)
    assert (large.dtype, large.flags.writeable) == (values.dtype, False)
    np.testing.assert_array_equal(large, values)
    np.testing.assert_array_equal(small, values[:3])


def test_array_in_any_memory_order_comes_back(store: Store, inputs: Inputs) -> None:
    """Transposed, strided and scalar arrays keep their values and shapes."""
    arrays = {"t": np.arange(6).reshape(2, 3).T, "s": np.arange(10)[::3], "scalar": np.array(2.5)}
    with store.draft(KEY) as draft:
        entry = draft.publish({}, arrays=arrays, inputs=inputs)

    assert entry.array("t").tolist() == [[0, 3], [1, 4], [2, 5]]
    assert entry.array("s").tolist() == [0, 3, 6, 9]
    assert entry.array("scalar").shape == ()


def test_equal_results_have_an_equal_digest(store: Store, inputs: Inputs) -> None:
    """Durations, the log and the inputs do not count; the record and the arrays do."""
    first = publish(store, inputs, volatile={"seconds": 1.0}, needs={"data": "1"})
    again = publish(store, inputs, volatile={"seconds": 2.0}, needs={"data": "2"}, log="slower\n")
    other = publish(store, inputs, {"loss": 0.4}, needs={"data": "3"})

    assert first.digest == again.digest != other.digest
    assert again.volatile == {"seconds": 2.0}


def test_unknown_names_are_answered_with_the_known(entry: Entry) -> None:
    """Array and file names that do not exist are errors with the near miss."""
    with pytest.raises(StoreError, match="no array 'loss'") as array:
        entry.array("loss")
    with pytest.raises(StoreError, match=r"no file 'weights/model\.bim'"):
        entry.file("weights/model.bim")

    assert array.value.advice == "did you mean 'loss_S'?"


def test_draft_that_fails_leaves_nothing(store: Store) -> None:
    """An exception inside the draft discards its files."""
    with pytest.raises(ZeroDivisionError), store.draft(KEY):
        raise ZeroDivisionError

    assert names(store.path / "tmp") == []
    assert reason(store.find(KEY)) == "no evidence yet"


def test_links_are_not_published(store: Store, inputs: Inputs) -> None:
    """An artefact must be a file of its own: what a link leads to may change."""
    with store.draft(KEY) as draft:
        (draft.path / "latest.bin").symlink_to("/etc/hostname")
        with pytest.raises(StoreError, match=r"link: latest\.bin"):
            draft.publish({}, inputs=inputs)


def test_folder_is_marked_as_a_cache(store: Store, entry: Entry) -> None:
    """Git ignores the store, and backup programs can see what it is."""
    assert (store.path / ".gitignore").read_text() == "*\n"
    assert (store.path / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
