"""Random states are set, derived, perturbed, saved and put back."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from pytest_mlspec.training.seeding import generator, perturb, rng_state, seed_everything, set_rng_state


def drawn() -> tuple[float, float, float]:
    """The next number of each global generator; the odd number of normals leaves one cached."""
    return random.gauss(0, 1), float(np.random.standard_normal()), float(torch.randn(1))


def test_equal_seeds_draw_equal_numbers() -> None:
    """In each of the global generators."""
    seed_everything(3)
    first = drawn()
    seed_everything(3)
    second = drawn()
    seed_everything(4)
    third = drawn()

    assert first == second
    assert set(first).isdisjoint(third)


def test_a_seed_beyond_32_bits_is_taken() -> None:
    """NumPy's own limit is not the user's."""
    seed_everything(2**40 + 1)
    first = drawn()
    seed_everything(2**40 + 1)

    assert drawn() == first


def test_a_state_put_back_draws_the_same_numbers() -> None:
    """Also the second half of a pair of normals, which the generators of Python and NumPy keep."""
    seed_everything(0)
    drawn()
    state = rng_state()
    first = [drawn(), drawn()]
    perturb()
    set_rng_state(state)

    assert [drawn(), drawn()] == first


def test_a_state_is_plain_values_and_tensors() -> None:
    """So that a checkpoint can hold it."""
    state = rng_state()

    assert json.loads(json.dumps([state["python"], state["numpy"]])) == [state["python"], state["numpy"]]
    assert isinstance(state["torch"], torch.Tensor)


def test_perturbed_generators_draw_other_numbers() -> None:
    """No seed leads back to them."""
    seed_everything(0)
    first = drawn()
    seed_everything(0)
    perturb()

    assert set(first).isdisjoint(drawn())


@pytest.mark.parametrize("other", [(0, "order", 2), (0, "noise", 1), (1, "order", 1), (0, "order", "1"), (0,)])
def test_streams_are_apart(other: tuple[int, int | str]) -> None:
    """Another seed, name or number is another stream; the global generators are not touched."""
    seed_everything(0)
    before = torch.get_rng_state()
    first = torch.rand(4, generator=generator(0, "order", 1)).tolist()

    assert torch.rand(4, generator=generator(0, "order", 1)).tolist() == first
    assert torch.rand(4, generator=generator(*other)).tolist() != first
    assert torch.equal(torch.get_rng_state(), before)
