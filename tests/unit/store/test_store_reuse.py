"""Which evidence answers a question, and the reason that a miss gives."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pytest_mlspec.store import Entry, Key, Store
from pytest_mlspec.store.inputs import Inputs, file_digest

from .stored import INGREDIENTS, KEY, changed, hit, names, publish, reason


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("spec/train/epochs", 12, "spec.train.epochs: 10 -> 12"),
        ("spec/train/epochs", 10.0, "spec.train.epochs: 10 -> 10.0"),
        ("spec/train/lr", 1.1e-3, "spec.train.lr: 0.001 -> 0.0011"),
        ("spec/train/clip_norm", None, "spec.train.clip_norm: absent -> null"),
        ("spec/data/split/seed", 1, "spec.data.split.seed: 0 -> 1"),
        ("job/train/seed", 1, "job.train.seed: 0 -> 1"),
        ("environment/python", "3.12.1", 'environment.python: "3.11.7" -> "3.12.1"'),
        ("environment/device", "cuda:A", 'environment.device: "cpu:x86_64" -> "cuda:A"'),
        ("environment/threads", 2, "environment.threads: 1 -> 2"),
        ("environment/packages/torch", "2.13", "package torch 2.12 -> 2.13"),
        ("environment/packages/numpy", "2.5", "package numpy 2.4.6 -> 2.5"),
        ("environment/packages/pytest-mlspec", "0.2.0", "package pytest-mlspec 0.1.0 -> 0.2.0"),
        ("environment/packages/lightning", "2.6", "package lightning absent -> 2.6"),
        (
            "environment/variables/CUBLAS_WORKSPACE_CONFIG",
            ":16:8",
            'environment.variables.CUBLAS_WORKSPACE_CONFIG: absent -> ":16:8"',
        ),
        ("epoch_of_the_cache", 1, "epoch_of_the_cache: absent -> 1"),
    ],
)
def test_changed_ingredient_misses_and_is_named(
    store: Store, entry: Entry, path: str, value: object, words: str
) -> None:
    """Each ingredient of the first level counts; the miss says which one changed and how."""
    assert reason(store.find(changed(path, value))) == words


def test_first_question_has_no_evidence(store: Store, entry: Entry) -> None:
    """A label that was never asked for has nothing to be compared with."""
    assert reason(store.find(Key("digits train", {"job": 1}))) == "no evidence yet"


def test_order_of_ingredients_and_label_do_not_count(store: Store, entry: Entry) -> None:
    """The same question in other words is the same question."""
    key = Key("renamed", dict(reversed(INGREDIENTS.items())))

    assert hit(store.find(key)).digest == entry.digest


def test_changed_source_misses_and_is_named(store: Store, entry: Entry, root: Path) -> None:
    """The second level: what was read is not what it was."""
    (root / "model.py").write_text("width = 65\n")

    assert reason(store.find(KEY)) == "model.py changed"


def test_restored_source_hits_again(store: Store, entry: Entry, inputs: Inputs, root: Path) -> None:
    """Evidence of several states of the sources is kept side by side."""
    (root / "model.py").write_text("width = 65\n")
    publish(store, Inputs(files={"model.py": file_digest(root / "model.py")}, packages=inputs.packages), {"loss": 0.4})
    (root / "model.py").write_text("width = 64\n")

    assert hit(store.find(KEY)).record == {"loss": 0.5}


def test_another_checkout_hits(store: Store, entry: Entry, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A copied project, with its store, finds its evidence."""
    copy = shutil.copytree(store.root, tmp_path_factory.mktemp("copy") / "project")

    assert hit(Store(copy).find(KEY)).digest == entry.digest


@pytest.mark.parametrize("needs", [{"data": "22"}, {}, {"data": "11", "train": "33"}])
def test_changed_evidence_of_a_dependency_misses(store: Store, inputs: Inputs, needs: dict[str, str]) -> None:
    """Evidence counts only with the evidence that it was made from."""
    publish(store, inputs, needs={"data": "11"})

    assert hit(store.find(KEY, {"data": "11"})).record == {"loss": 0.5}
    assert "which it builds on, changed" in reason(store.find(KEY, needs))


def test_evidence_of_unstable_inputs_serves_its_own_run_only(store: Store, root: Path) -> None:
    """Evidence of files that changed while it was made can be opened where it lies, and is never found."""
    entry = publish(store, Inputs(unstable=("model.py",)))

    assert store.open(entry.location).record == {"loss": 0.5}
    assert reason(store.find(KEY)) == "model.py changed while the evidence was made"


def test_newer_run_counts_and_the_older_stays_whole(store: Store, inputs: Inputs, entry: Entry) -> None:
    """A run made again, as with --mlspec-fresh, answers with its own results and leaves those of others alone."""
    os.utime(entry.file("record.json"), (1000, 1000))
    newer = publish(store, inputs, {"loss": 0.4})

    assert newer.record == {"loss": 0.4}
    assert hit(store.find(KEY)).record == {"loss": 0.4}
    assert store.open(entry.location).record == {"loss": 0.5}


def test_runs_of_equal_inputs_do_not_pile_up(store: Store, inputs: Inputs, entry: Entry) -> None:
    """Of runs that read the same the newest three are kept."""
    os.utime(entry.file("record.json"), (1000, 1000))
    newer = [publish(store, inputs) for _ in range(3)]

    assert sorted(stored.location for stored in store.entries()) == sorted(entry.location for entry in newer)
    assert names(store.path / "tmp") == []
