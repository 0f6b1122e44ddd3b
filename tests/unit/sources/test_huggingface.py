from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError, MissingExtraError
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.recipe.rows import as_loaded

datasets = pytest.importorskip("datasets")

Load = Callable[..., Rows]
LoadSplits = Callable[..., Mapping[str, Rows]]
Refused = Callable[..., DataError]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def _dataset(**more: Any) -> Any:
    labels = datasets.ClassLabel(names=["neg", "pos"])
    features = {"text": datasets.Value("string"), "label": labels}
    values = {"text": ["a", "b", "c"], "label": [0, 1, -1], **more}
    return datasets.Dataset.from_dict({name: values[name] for name in features}, datasets.Features(features))


def test_a_saved_data_set_is_read(tmp_path: Path, load: Load) -> None:
    """Classes go by their names; −1 stands for a label that is kept secret."""
    _dataset().save_to_disk(tmp_path / "mails")
    rows = load("huggingface", path="mails", target="label")
    assert isinstance(rows.features, pd.DataFrame)

    assert rows.features["text"].tolist() == ["a", "b", "c"]
    assert rows.targets[:2].tolist() == ["neg", "pos"]
    assert pd.isna(rows.targets[2])
    assert rows.place(1) == "row 1 (from 0) of mails"


def test_splits_of_a_data_set_are_splits(tmp_path: Path, load: Load, load_splits: LoadSplits) -> None:
    """`validation` is val; one of them may be chosen, and a single one called train is no split."""
    both = datasets.DatasetDict(train=_dataset(), validation=_dataset())
    both.save_to_disk(tmp_path / "both")
    datasets.DatasetDict(train=_dataset()).save_to_disk(tmp_path / "one")

    assert list(load_splits("huggingface", path="both", target="label")) == ["train", "val"]
    assert len(load("huggingface", path="both", split="validation", target="label")) == 3
    assert len(load("huggingface", path="one", target="label")) == 3


def test_a_folder_of_files_is_read(tmp_path: Path, load_splits: LoadSplits) -> None:
    """As the library itself finds splits in their names; what it caches elsewhere is not asked."""
    for split in ("train", "test"):
        pd.DataFrame({"x": [1, 2], "y": [0, 1]}).to_csv(tmp_path / f"{split}.csv", index=False)
    splits = load_splits("huggingface", path=".", target="y")
    pd.DataFrame({"x": [3], "y": [1]}).to_csv(tmp_path / "test.csv", index=False)
    again = load_splits("huggingface", path=".", target="y")

    assert [len(splits["train"]), len(splits["test"])] == [2, 2]
    assert again["test"].features["x"].tolist() == [3]


def test_images_are_the_features(tmp_path: Path, load: Load, refused: Refused) -> None:
    """Beside them stands the target alone."""
    image = pytest.importorskip("PIL.Image")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"]), "id": datasets.Value("int64")}
    )
    pictures = [image.new("RGB", (3, 2), (shade, 0, 0)) for shade in (1, 2)]
    found = datasets.Dataset.from_dict({"image": pictures, "label": [0, 1], "id": [5, 6]}, features)
    found.save_to_disk(tmp_path / "pictures")
    rows = load("huggingface", path="pictures", columns=["image", "label"], target="label")
    grey = load("huggingface", path="pictures", columns=["image"], labelled=False, mode="L", size=4)

    assert np.asarray(rows.features).shape == (2, 2, 3, 3)
    assert rows.features[:, 0, 0, 0].tolist() == [1, 2]
    assert rows.targets.tolist() == ["a", "b"]
    assert np.asarray(grey.features).shape == (2, 4, 4)
    assert "columns beside its images: id" in refused("huggingface", path="pictures", target="label").message


def test_the_users_function_may_return_a_data_set() -> None:
    """Or several by split, as the library calls them."""
    several = datasets.DatasetDict(train=_dataset(), validation=_dataset())
    one = as_loaded(_dataset(), key="data.source", name="load", target="label")
    both = as_loaded(several, key="data.source", name="load", target="label")
    by_split = as_loaded({"train": _dataset()}, key="data.source", name="load", target="label")

    assert isinstance(one, Rows)
    assert len(one) == 3
    assert isinstance(both, dict)
    assert list(both) == ["train", "val"]
    assert isinstance(by_split, dict)
    assert list(by_split) == ["train"]


def test_what_a_data_set_lacks_gets_the_near_miss(tmp_path: Path, refused: Refused) -> None:
    """Splits, columns, and a split that is none here."""
    datasets.DatasetDict(train=_dataset(), unsupervised=_dataset()).save_to_disk(tmp_path / "mails")
    split = refused("huggingface", path="mails", split="trian", target="label")
    column = refused("huggingface", path="mails", split="train", columns=["txt"], target="label")
    other = refused("huggingface", path="mails", target="label")

    assert (split.key, split.advice) == ("data.source.split", "did you mean 'train'?")
    assert (column.key, column.advice) == ("data.source.columns", "did you mean 'text'?")
    assert other.message.startswith("mails has the splits train, unsupervised, and 'unsupervised' is none of")


def test_a_folder_that_holds_no_data_set_is_refused(tmp_path: Path, refused: Refused) -> None:
    """Or a broken one."""
    (tmp_path / "nothing").mkdir()
    _dataset().save_to_disk(tmp_path / "mails")
    next((tmp_path / "mails").glob("*.arrow")).write_bytes(b"no arrow")

    assert refused("huggingface", path="nothing", target="y").message.startswith("nothing cannot be read: ")
    assert refused("huggingface", path="mails", target="y").message.startswith("mails cannot be read: ")


def test_a_hub_that_cannot_be_reached_is_told_at_once(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after half a minute of attempts."""
    hub = pytest.importorskip("huggingface_hub")

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(hub.HfApi, "dataset_info", unreachable)
    before = time.monotonic()
    error = refused("huggingface", path="nobody/nothing", revision="abc", target="y")

    assert error.message == (
        "the hub cannot be reached, and the data set 'nobody/nothing', revision 'abc', was never fetched on this machine"
    )
    assert time.monotonic() - before < 10
    assert datasets.config.HF_HUB_OFFLINE is hub.constants.HF_HUB_OFFLINE is False


def test_without_datasets_the_command_that_installs_it_is_told(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every extra."""
    monkeypatch.setitem(sys.modules, "datasets", None)

    with pytest.raises(MissingExtraError, match="'datasets' is not installed") as caught:
        load("huggingface", path="x", target="y")
    assert caught.value.advice == "python -m pip install 'pytest-mlspec[datasets]'"
