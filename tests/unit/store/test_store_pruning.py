"""What is removed when a store is pruned: the least recently used first, and what is broken."""

from __future__ import annotations

import os

import pytest

from pytest_mlspec.errors import StoreError
from pytest_mlspec.store import Entry, Key, Store
from pytest_mlspec.store.inputs import Inputs

from .stored import flip, names, publish, reason


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
