"""The evidence store: what comes back, what misses and why, and what a crash, a full disk or a flipped bit leaves."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from pytest_mlspec.errors import StoreError
from pytest_mlspec.store import Entry, Key, Miss, Store
from pytest_mlspec.store.inputs import Inputs, file_digest

INGREDIENTS: dict[str, Any] = {
    "spec": {"train": {"epochs": 10, "lr": 1e-3}, "data": {"split": {"seed": 0}}},
    "job": {"train": {"seed": 0}},
    "environment": {
        "python": "3.11.7",
        "device": "cpu:x86_64",
        "threads": 1,
        "packages": {"torch": "2.12", "numpy": "2.4.6", "pytest-mlspec": "0.1.0"},
        "variables": {},
    },
}
KEY = Key("churn train", INGREDIENTS)
ARRAYS = {"loss_S": np.array([0.7, math.nan, math.inf]), "empty": np.zeros((0, 2), dtype=np.float32)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one source file."""
    (tmp_path / "model.py").write_text("width = 64\n")
    return tmp_path


@pytest.fixture
def store(root: Path) -> Store:
    """The store of that project."""
    return Store(root)


@pytest.fixture
def inputs(root: Path, monkeypatch: pytest.MonkeyPatch) -> Inputs:
    """Inputs of a run that read the source file."""
    monkeypatch.setattr("pytest_mlspec.store.environment.installed", lambda root: {"torch": "2.12"})
    return Inputs(files={"model.py": file_digest(root / "model.py")}, packages={"torch": "2.12"})


def publish(store: Store, inputs: Inputs, record: Mapping[str, Any] | None = None, **more: Any) -> Entry:
    """Publishes evidence of KEY with a log and a nested artefact."""
    with store.draft(more.pop("key", KEY)) as draft:
        (draft.path / "log.txt").write_text(more.pop("log", "epoch 1\n"))
        (draft.path / "weights").mkdir()
        (draft.path / "weights" / "model.bin").write_bytes(bytes(range(256)))
        return draft.publish(record or {"loss": 0.5}, arrays=ARRAYS, inputs=inputs, **more)


@pytest.fixture
def entry(store: Store, inputs: Inputs) -> Entry:
    """Evidence of KEY in the store."""
    return publish(store, inputs)


def reason(found: Entry | Miss) -> str:
    """The reason of a miss."""
    assert isinstance(found, Miss)
    return found.reason


def names(folder: Path) -> list[str]:
    """The entries of a folder, without the locks of drafts."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def hit(found: Entry | Miss) -> Entry:
    """The entry that was found."""
    assert isinstance(found, Entry), found
    return found


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


def changed(path: str, value: Any) -> Key:
    """KEY with one ingredient changed."""
    ingredients = json.loads(json.dumps(INGREDIENTS))
    *parents, last = path.split("/")
    inner = ingredients
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return Key(KEY.label, ingredients)


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


FILES = ("manifest.json", "manifest.sha256", "record.json", "volatile.json", "arrays.safetensors", "weights/model.bin")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "bit flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "removed": Path.unlink,
    "foreign": lambda path: path.write_text('{"loss": 0.1}'),
    "a folder": replace_by_folder,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_damaged_evidence_is_quarantined(store: Store, entry: Entry, inputs: Inputs, name: str, damage: str) -> None:
    """Whatever happened to a file, the entry is not used, is kept aside, and makes room for new evidence."""
    DAMAGE[damage](entry.path / name)
    found = reason(store.find(KEY))

    assert found.startswith("stored evidence was broken (")
    assert found.endswith(") and was quarantined")
    assert len(names(store.path / "quarantine")) == 1
    assert reason(store.find(KEY)) == "the evidence was removed"
    assert publish(store, inputs).digest == hit(store.find(KEY)).digest


def test_message_names_the_broken_file(store: Store, entry: Entry) -> None:
    """The reason says which file and what is wrong with it."""
    flip(entry.path / "arrays.safetensors")

    assert reason(store.find(KEY)) == (
        "stored evidence was broken (arrays.safetensors: SHA-256 differs) and was quarantined"
    )


@pytest.mark.parametrize("offset", range(0, 1000, 37))
def test_no_flipped_bit_of_the_arrays_goes_unseen(store: Store, entry: Entry, offset: int) -> None:
    """A single bit anywhere in the file is found."""
    content = bytearray((entry.path / "arrays.safetensors").read_bytes())
    content[offset % len(content)] ^= 1 << offset % 8
    (entry.path / "arrays.safetensors").write_bytes(content)

    assert "broken" in reason(store.find(KEY))


def test_files_exchanged_between_entries_are_found(store: Store, entry: Entry, inputs: Inputs) -> None:
    """A whole file of other evidence is as wrong as a broken one."""
    other = publish(store, inputs, {"loss": 0.4}, key=changed("job/train/seed", 1))
    shutil.copy(other.file("record.json"), entry.path / "record.json")

    assert "record.json: SHA-256 differs" in reason(store.find(KEY))


def test_opening_broken_or_missing_evidence_is_an_error(store: Store, entry: Entry) -> None:
    """A location that no longer leads to whole evidence says what became of it."""
    flip(entry.path / "record.json")
    with pytest.raises(StoreError, match=r"broken \(record.json"):
        store.open(entry.location)
    with pytest.raises(StoreError, match="the evidence was removed"):
        store.open(entry.location)


def test_draft_that_fails_leaves_nothing(store: Store) -> None:
    """An exception inside the draft discards its files."""
    with pytest.raises(ZeroDivisionError), store.draft(KEY):
        raise ZeroDivisionError

    assert names(store.path / "tmp") == []
    assert reason(store.find(KEY)) == "no evidence yet"


def test_evidence_of_unstable_inputs_serves_its_own_run_only(store: Store, root: Path) -> None:
    """Evidence of files that changed while it was made can be opened where it lies, and is never found."""
    entry = publish(store, Inputs(unstable=("model.py",)))

    assert store.open(entry.location).record == {"loss": 0.5}
    assert reason(store.find(KEY)) == "model.py changed while the evidence was made"


def test_links_are_not_published(store: Store, inputs: Inputs) -> None:
    """An artefact must be a file of its own: what a link leads to may change."""
    with store.draft(KEY) as draft:
        (draft.path / "latest.bin").symlink_to("/etc/hostname")
        with pytest.raises(StoreError, match=r"link: latest\.bin"):
            draft.publish({}, inputs=inputs)


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


@pytest.mark.parametrize("function", ["fsync", "rename", "open", "mkdir"])
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left: the evidence of churn train takes "),
        (errno.EDQUOT, "No space left: the evidence of churn train takes "),
        (errno.EROFS, "the evidence store cannot be written (Read-only file system): "),
        (errno.EACCES, "the evidence store cannot be written (Permission denied): "),
        (errno.EIO, "the evidence of churn train could not be stored: Input/output error: "),
    ],
)
def test_disk_that_refuses_leaves_the_old_evidence(
    store: Store, entry: Entry, inputs: Inputs, *, function: str, number: int, words: str
) -> None:
    """A full, read-only or failing disk is a StoreError that says so; what was stored before is whole."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    with mock.patch.object(os, function, refuse), pytest.raises(StoreError) as caught:
        publish(store, inputs, {"loss": 0.4}, needs={"data": "1"})

    assert caught.value.message.startswith(words)
    assert hit(Store(store.root).find(KEY)).record == {"loss": 0.5}
    assert names(store.path / "tmp") == []


def test_store_that_cannot_be_written_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """`writable` asks the nearest folder that exists, and makes none."""
    before = store.writable
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    assert before
    assert not store.writable
    assert not store.path.exists()


def test_file_in_the_place_of_the_store_is_an_error(store: Store) -> None:
    """Not a traceback, but what is wrong."""
    store.path.write_text("a file")

    assert not store.writable
    assert reason(store.find(KEY)) == "no evidence yet"
    with pytest.raises(StoreError, match="could not be stored"), store.draft(KEY):
        pass


def test_folder_is_marked_as_a_cache(store: Store, entry: Entry) -> None:
    """Git ignores the store, and backup programs can see what it is."""
    assert (store.path / ".gitignore").read_text() == "*\n"
    assert (store.path / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


CHILD = """
import os, signal, sys, time
from pathlib import Path
from pytest_mlspec.store import environment
from pytest_mlspec.store.inputs import Inputs
from pytest_mlspec.store import Key, Miss, Store

environment.installed = lambda root: {}
store, key = Store(Path(sys.argv[1])), Key("churn train", {"seed": 0})

def publish(value):
    with store.draft(key) as draft:
        (draft.path / "log.txt").write_text("log")
        return draft.publish({"value": value}, inputs=Inputs())
"""

KILLED_AT = """
left = int(sys.argv[2])

def count(function):
    def counted(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return counted

for name in ("fsync", "rename", "replace", "mkdir"):
    setattr(os, name, count(getattr(os, name)))
publish("new")
"""


def child(root: Path, code: str, *args: str) -> subprocess.Popen[str]:
    """A process that runs `code` on the store at `root`."""
    command = [sys.executable, "-c", CHILD + code, str(root), *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize("point", range(1, 22))
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_process_killed_at_any_point_leaves_old_or_new(
    store: Store, point: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each system call of a publication: the entry is whole or absent, and what is left is swept."""
    monkeypatch.setattr("pytest_mlspec.store.environment.installed", lambda root: {})
    key = Key("churn train", {"seed": 0})
    with store.draft(key) as draft:
        draft.publish({"value": "old"}, inputs=Inputs())
    with child(store.root, KILLED_AT, str(point)) as process:
        ended = process.wait(timeout=60)
    found = Store(store.root).find(key)
    after = Store(store.root)
    with after.draft(key) as draft:
        published = draft.publish({"value": "after"}, inputs=Inputs())

    assert ended in {0, -9}
    assert hit(found).record["value"] in {"old", "new"}
    assert published.record == {"value": "after"}
    assert not (store.path / "quarantine").exists()
    assert names(store.path / "tmp") == []


PUBLISHES = """
for round in range(40):
    publish(f"{round} " + "x" * 5000)
print("done")
"""


def test_readers_see_whole_evidence_while_processes_publish(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writers of one key and a reader at once: no torn read, nothing quarantined, no writer fails."""
    monkeypatch.setattr("pytest_mlspec.store.environment.installed", lambda root: {})
    key = Key("churn train", {"seed": 0})
    found = []
    deadline = time.monotonic() + 60
    with child(store.root, PUBLISHES) as first, child(store.root, PUBLISHES) as second:
        while (first.poll() is None or second.poll() is None) and time.monotonic() < deadline:
            found.append(store.find(key))
        outputs = first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]

    assert outputs == ("done\n", "done\n")
    assert {miss.reason for miss in found if isinstance(miss, Miss)} <= {"no evidence yet", "the evidence was removed"}
    assert {len(entry.record["value"]) for entry in found if isinstance(entry, Entry)} <= {5002, 5003}
    assert isinstance(store.find(key), Entry)
    assert not (store.path / "quarantine").exists()


HOLDS = """
with store.lock(key):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_lock_dies_with_its_holder(store: Store) -> None:
    """While another process holds a key the wait has a limit; once it is killed the lock is free."""
    key = Key("churn train", {"seed": 0})
    with child(store.root, HOLDS) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match="another process has held churn train"), store.lock(key, timeout_s=0.1):
            pass
        holder.kill()
        holder.wait(timeout=60)
    with store.lock(key, timeout_s=30):
        held = True

    assert held


def test_locks_of_other_keys_are_free(store: Store) -> None:
    """One key does not wait for another."""
    with store.lock(KEY, timeout_s=1), store.lock(changed("job/train/seed", 1), timeout_s=1):
        held = True

    assert held


def test_entries_are_listed_by_their_last_use(store: Store, inputs: Inputs) -> None:
    """Finding evidence is a use of it."""
    seeds = [Key(f"seed {seed}", {"seed": seed}) for seed in range(3)]
    entries = [publish(store, inputs, key=key) for key in seeds]
    for at, entry in enumerate(entries):
        os.utime(entry.path, (1000 + at, 1000 + at))
    store.find(seeds[0])

    assert [stored.label for stored in store.entries()] == ["seed 1", "seed 2", "seed 0"]
    assert store.entries()[0].location == entries[1].location
    assert sum(stored.size_bytes for stored in store.entries()) <= store.size_bytes()


def test_pruning_keeps_what_was_used_last(store: Store, inputs: Inputs) -> None:
    """Entries go, least recently used first, until the rest fits."""
    seeds = [Key(f"seed {seed}", {"seed": seed}) for seed in range(3)]
    for at, key in enumerate(seeds):
        os.utime(publish(store, inputs, key=key).path, (1000 + at, 1000 + at))
    room = store.entries()[-1].size_bytes + 10
    removed = store.prune(keep_bytes=room)

    assert [stored.label for stored in removed] == ["seed 0", "seed 1"]
    assert [stored.label for stored in store.entries()] == ["seed 2"]
    assert names(store.path / "tmp") == []
    assert reason(store.find(seeds[0])) == "the evidence was removed"


def test_pruning_by_age_removes_what_lay_unused(store: Store, inputs: Inputs, entry: Entry) -> None:
    """`older_than_s` counts from the last use; broken entries and the quarantine go as well."""
    os.utime(entry.path, (1000, 1000))
    kept = publish(store, inputs, key=Key("kept", {"seed": 1}))
    broken = publish(store, inputs, key=Key("broken", {"seed": 2}))
    flip(broken.path / "manifest.json")
    store.find(Key("broken", {"seed": 2}))
    removed = store.prune(older_than_s=3600)

    assert [stored.label for stored in removed] == ["churn train"]
    assert [stored.location for stored in store.entries()] == [kept.location]
    assert names(store.path / "quarantine") == []


def test_unreadable_entries_can_be_pruned(store: Store, entry: Entry) -> None:
    """An entry whose manifest is broken is listed without its label, and goes."""
    flip(entry.path / "manifest.json")

    assert [stored.label for stored in store.prune(keep_bytes=0)] == ["(unreadable)"]


def test_reader_survives_pruning(store: Store, entry: Entry) -> None:
    """What was read stays; what was not is an error that says why."""
    record, loss_S = entry.record, entry.array("loss_S")
    store.prune(keep_bytes=0)

    assert record == {"loss": 0.5}
    assert loss_S[0] == 0.7
    with pytest.raises(StoreError, match="removed while it was in use"):
        entry.array("loss_S")


def test_pruning_an_empty_store_does_nothing(store: Store) -> None:
    """Nothing there, nothing removed, nothing made."""
    assert store.prune(keep_bytes=0) == []
    assert store.size_bytes() == 0
    assert not store.path.exists()


def test_finding_imports_nothing_heavy(store: Store, entry: Entry) -> None:
    """A hit in a fresh process needs neither numpy nor a lock nor the reader of arrays."""
    code = "found = store.find(Key('x', {}))\nprint({'numpy', 'filelock', 'safetensors', 'torch'} & {*sys.modules})"
    with child(store.root, code) as process:
        output = process.communicate(timeout=60)[0]

    assert output == "set()\n"
