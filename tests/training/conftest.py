"""One thread for every test: the order of a sum, and so its last bit, depends on the number of threads."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
