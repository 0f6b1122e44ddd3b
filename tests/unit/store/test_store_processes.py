"""Several processes with one store: readers, writers, holders of a lock, and those that are killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mlspec.errors import StoreError
from pytest_mlspec.store import Entry, Key, Miss, Store
from pytest_mlspec.store.inputs import Inputs

from .stored import KEY, changed, hit, names

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


def test_finding_imports_nothing_heavy(store: Store, entry: Entry) -> None:
    """A hit in a fresh process needs neither numpy nor a lock nor the reader of arrays."""
    code = "found = store.find(Key('x', {}))\nprint({'numpy', 'filelock', 'safetensors', 'torch'} & {*sys.modules})"
    with child(store.root, code) as process:
        output = process.communicate(timeout=60)[0]

    assert output == "set()\n"
