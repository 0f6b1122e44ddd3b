"""The loss of a language model is the mean over predicted tokens, however rows are cut into batches.

Shape letters: N rows, L positions, V ids of the vocabulary.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch, ResidentSource
from pytest_mlspec.training.evaluation import mean_loss
from pytest_mlspec.training.losses import denominator
from pytest_mlspec.training.next_token import build
from pytest_mlspec.training.seeding import generator
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import compute_gradients

VOCABULARY = 7
IDS_NL = torch.tensor([[2, 3, 4, 5, 6], [3, 2, 0, 0, 0], [6, 6, 2, 0, 0], [5, 4, 3, 2, 0]])
LOGITS_NLV = torch.randn(4, 5, VOCABULARY, generator=generator(0, "test", 0))


def batch_of(rows: Tensor) -> Batch:
    return Batch(IDS_NL[rows], IDS_NL[rows], rows)


ALL = batch_of(torch.arange(4))


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(VOCABULARY, 4), nn.Linear(4, VOCABULARY))


def test_each_token_is_held_against_the_output_before_it() -> None:
    """All but the first of a row, and no padding: 4 + 1 + 2 + 3 tokens."""
    loss = build("cross_entropy", {})
    of_tokens = [
        functional.cross_entropy(LOGITS_NLV[row, position - 1], IDS_NL[row, position])
        for row in range(4)
        for position in range(1, 5)
        if IDS_NL[row, position]
    ]

    assert len(of_tokens) == int(denominator(loss, ALL)) == 10
    torch.testing.assert_close(loss(LOGITS_NLV, ALL), torch.stack(of_tokens).mean())


def test_outputs_at_the_end_of_a_row_and_at_padding_do_not_count() -> None:
    """Nothing stands behind them that could be predicted."""
    loss = build("cross_entropy", {})
    other_NLV = LOGITS_NLV.clone()
    other_NLV[:, -1] = 9.0
    other_NLV[1, 1:] = -9.0

    assert torch.equal(loss(other_NLV, ALL), loss(LOGITS_NLV, ALL))


def test_accumulated_gradients_are_those_of_the_whole_batch() -> None:
    """Micro-batches with different numbers of tokens weigh by their tokens."""
    loss = build("cross_entropy", {})
    gradients = []
    for batches in ([ALL], [batch_of(torch.tensor([0])), batch_of(torch.tensor([1, 2])), batch_of(torch.tensor([3]))]):
        trained = model().double()
        state = State(trained, torch.optim.SGD(trained.parameters(), lr=0.1), None, 0, torch.device("cpu"))
        compute_gradients(state, batches, loss=loss)
        gradients.append([parameter.grad for parameter in trained.parameters()])

    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-12, atol=1e-15)


def test_the_loss_of_a_split_does_not_depend_on_the_batches() -> None:
    """It is the mean over the tokens of all rows."""
    loss, source = build("cross_entropy", {}), ResidentSource(IDS_NL, IDS_NL, torch.device("cpu"))

    assert mean_loss(model(), source, loss, 1) == pytest.approx(mean_loss(model(), source, loss, 4), rel=1e-6)


def test_a_smoothed_target_is_torchs() -> None:
    """`label_smoothing` is an argument as everywhere."""
    loss = build("cross_entropy", {"label_smoothing": 0.2})
    expected = functional.cross_entropy(
        LOGITS_NLV[:, :-1].transpose(1, 2), IDS_NL[:, 1:], ignore_index=0, label_smoothing=0.2
    )

    torch.testing.assert_close(loss(LOGITS_NLV, ALL), expected)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (LOGITS_NLV[:, -1], r"the model returns outputs \[4, 7\] for ids \[4, 5\]"),
        (LOGITS_NLV[:, :-1], r"the model returns outputs \[4, 4, 7\] for ids \[4, 5\]"),
        ((LOGITS_NLV, None), "the model returns a tuple for ids"),
        (LOGITS_NLV[..., :5], "cross_entropy of outputs"),
    ],
)
def test_outputs_of_another_form_are_refused(outputs: object, message: str) -> None:
    """Also those with less ids than the texts hold."""
    with pytest.raises(TrainingError, match=message):
        build("cross_entropy", {})(outputs, ALL)
