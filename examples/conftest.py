"""Real data for the examples: `MLSPEC_DATA` names its folder, by default `../shared/data` beside the project.

Where there is none, the specs that need it are skipped and say so.
"""

from __future__ import annotations

import os
from pathlib import Path

BESIDE_THE_PROJECT = Path(__file__).resolve().parents[2] / "shared" / "data"

if BESIDE_THE_PROJECT.is_dir():
    os.environ.setdefault("MLSPEC_DATA", str(BESIDE_THE_PROJECT))
