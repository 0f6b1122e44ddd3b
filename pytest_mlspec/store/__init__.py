"""Evidence on disk: written once, verified on every read, used again only where it is proved to be unchanged.

store.py         entries by key: find, publish, lock, prune        entry.py   one entry as a folder of files
inputs.py        what a run has read, and whether it is still so   reads.py   how that is recorded, inside a worker
environment.py   Python, packages, device, threads                 canonical.py   one text for every plain value
"""

from pytest_mlspec.store.entry import Entry
from pytest_mlspec.store.store import Key, Miss, Store

__all__ = ["Entry", "Key", "Miss", "Store"]
