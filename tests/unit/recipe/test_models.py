"""The models that go by name: shapes, gradients, and that neither padding nor other rows change an output."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.recipe.models.autoencoder import Autoencoder
from pytest_mlspec.recipe.models.cnn import CNN
from pytest_mlspec.recipe.models.layers import PADDING, UNKNOWN, Embedding
from pytest_mlspec.recipe.models.mlp import MLP
from pytest_mlspec.recipe.models.tabular import Tabular
from pytest_mlspec.recipe.models.text import MeanEmbedding, TextCNN
from pytest_mlspec.recipe.models.transformer import CausalLM, Transformer

V, L = 30, 9

IDS_NL = torch.tensor(
    [
        [5, 7, 9, 11, 2, 3, 4, 8, 6],
        [6, 2, 0, 0, 0, 0, 0, 0, 0],
        [29, 1, 12, 12, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
)
IMAGES_NCHW = torch.linspace(-1, 1, 4 * 2 * 11 * 8).sin().reshape(4, 2, 11, 8)
NUMBERS_NF = torch.linspace(-1, 1, 12).sin().reshape(4, 3)
CATEGORIES_NK = torch.tensor([[2, 5], [3, 1], [1, 2], [2, 4]])

OF_IDS: dict[str, Callable[[int], nn.Module]] = {
    "mean_embedding": lambda outputs: MeanEmbedding(V, outputs, dim=8, hidden=[6]),
    "text_cnn": lambda outputs: TextCNN(V, outputs, dim=8, filters=5),
    "transformer": lambda outputs: Transformer(V, L, outputs, dim=8, heads=2),
}
OF_ROWS: dict[str, tuple[Callable[[int], nn.Module], tuple[Tensor, ...]]] = {
    **{name: (make, (IDS_NL,)) for name, make in OF_IDS.items()},
    "mlp": (lambda outputs: MLP(3, outputs, hidden=[8]), (NUMBERS_NF,)),
    "cnn": (lambda outputs: CNN((2, 11, 8), outputs, channels=[4, 6], hidden=8), (IMAGES_NCHW,)),
    "tabular": (lambda outputs: Tabular(3, (4, 6), outputs, hidden=[8]), (NUMBERS_NF, CATEGORIES_NK)),
}
ALL: dict[str, tuple[Callable[[int], nn.Module], tuple[Tensor, ...]]] = {
    **OF_ROWS,
    "causal_lm": (lambda outputs: CausalLM(V, L, dim=8, heads=2), (IDS_NL,)),
    "autoencoder": (lambda outputs: Autoencoder((3,), hidden=[8], code=2), (NUMBERS_NF,)),
}


@pytest.mark.parametrize("outputs", [1, 2, 7])
@pytest.mark.parametrize("name", sorted(OF_ROWS))
def test_a_model_gives_each_row_its_outputs(name: str, outputs: int) -> None:
    """One for a regression or a binary task with one logit, else one for each class."""
    make, inputs = OF_ROWS[name]

    assert make(outputs)(*inputs).shape == (4, outputs)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    """Through rows of every length, in training mode."""
    torch.manual_seed(0)
    make, inputs = ALL[name]
    model = make(3)
    model(*inputs).square().sum().backward()

    without = [of for of, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert without == []


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_row_alone_is_the_row_in_the_batch(name: str) -> None:
    """In evaluation mode, up to rounding in double precision."""
    torch.manual_seed(1)
    make, inputs = ALL[name]
    model = make(3).double().eval()
    exact = [values.double() if values.is_floating_point() else values for values in inputs]

    together = model(*exact)
    alone = torch.cat([model(*(values[row : row + 1] for values in exact)) for row in range(4)])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", sorted(OF_IDS))
def test_padding_changes_nothing(name: str) -> None:
    """Rows cut to their longest text give what they give with padding; a text without words is finite."""
    torch.manual_seed(2)
    model = OF_IDS[name](3).double().eval()
    short_NL = IDS_NL[1:]

    outputs_NC = model(short_NL)
    torch.testing.assert_close(model(short_NL[:, :4]), outputs_NC, rtol=0, atol=1e-12)
    assert outputs_NC.isfinite().all()


@pytest.mark.parametrize("name", sorted(OF_IDS))
def test_a_vector_for_padding_changes_nothing(name: str) -> None:
    """Even where weights from elsewhere hold one: the mask counts, not the zero."""
    torch.manual_seed(3)
    model = OF_IDS[name](3).double().eval()
    before = model(IDS_NL)
    (embedding,) = (module for module in model.modules() if isinstance(module, Embedding))
    with torch.no_grad():
        embedding.weight[PADDING] = 100.0

    torch.testing.assert_close(model(IDS_NL), before, rtol=0, atol=1e-12)


def test_a_language_model_sees_nothing_of_what_follows() -> None:
    """Another last id changes the last logits alone."""
    torch.manual_seed(4)
    model = CausalLM(V, L, dim=8, heads=2).double().eval()
    changed_NL = IDS_NL.clone()
    changed_NL[:, -1] = 17
    difference_NLV = (model(changed_NL) - model(IDS_NL)).abs()

    assert model(IDS_NL).shape == (4, L, V)
    assert difference_NLV[:, :-1].max() == 0
    assert difference_NLV[:, -1].amax(dim=1).min() > 1e-6


def test_a_language_model_begins_at_the_loss_of_a_uniform_guess() -> None:
    """The weights that embed ids also give the logits, and are small at the start."""
    torch.manual_seed(5)
    model = CausalLM(V, L).eval()
    logits_NLV = model(IDS_NL)
    loss = nn.functional.cross_entropy(logits_NLV[:, :-1].flatten(0, 1), IDS_NL[:, 1:].flatten())

    assert loss.item() == pytest.approx(torch.tensor(float(V)).log().item(), rel=0.05)
    assert sum(parameter.shape[0] == V for parameter in model.parameters()) == 1


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 7), (28, 28), (1, 1, 9), (1, 224, 224)])
def test_a_cnn_takes_images_of_any_size(shape: tuple[int, ...]) -> None:
    """With and without an axis of channels; large ones are averaged, so that the linear layers stay small."""
    model = CNN(shape, 10)

    assert model(torch.zeros(2, *shape)).shape == (2, 10)
    assert sum(parameter.numel() for parameter in model.parameters()) < 500_000


def test_a_cnn_without_norm_has_no_batch_statistics() -> None:
    """A row in training mode then depends on no other."""
    kinds = {type(module) for module in CNN((1, 8, 8), 2, norm="none").modules()}

    assert nn.BatchNorm2d not in kinds


def test_an_autoencoder_gives_back_the_shape_of_its_inputs() -> None:
    """An image stays an image; the code in the middle is as short as declared."""
    model = Autoencoder((1, 4, 4), hidden=[12], code=3)

    assert model(torch.zeros(2, 1, 4, 4)).shape == (2, 1, 4, 4)
    assert model.encoder(torch.zeros(2, 1, 4, 4)).shape == (2, 3)


def test_a_table_may_lack_numbers_or_categories() -> None:
    """The arguments are those of the inputs by name."""
    assert Tabular(3, (), 1)(numbers=NUMBERS_NF).shape == (4, 1)
    assert Tabular(0, (4, 6), 1)(categories=CATEGORIES_NK).shape == (4, 1)


def test_unknown_words_begin_at_zero_and_can_learn() -> None:
    """A word that no training row holds adds no noise; padding never learns."""
    embedding = Embedding(V, 4, scale=1.0)
    embedding(torch.tensor([[PADDING, UNKNOWN, 2]])).sum().backward()

    assert not embedding.weight[[PADDING, UNKNOWN]].any()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad.any(dim=1).nonzero().flatten().tolist() == [UNKNOWN, 2]


def test_heads_must_divide_the_vectors() -> None:
    """Each head has a part of them."""
    with pytest.raises(RecipeError, match="3 heads do not divide dim 8") as caught:
        Transformer(V, L, 2, dim=8, heads=3)
    assert caught.value.key == "model.heads"


def test_a_text_longer_than_the_positions_is_refused() -> None:
    """There is no vector for a position that no training row has."""
    with pytest.raises(DataError, match="a text of 9 ids, and the model has 4 positions"):
        Transformer(V, 4, 2, dim=8, heads=2)(IDS_NL)


@pytest.mark.parametrize("name", sorted(OF_IDS))
def test_padding_that_counts_as_words_changes_the_outputs(name: str) -> None:
    """The planted mistake: with another id in its place, the comparison above is red."""
    torch.manual_seed(6)
    model = OF_IDS[name](3).double().eval()
    with torch.no_grad():
        next(module for module in model.modules() if isinstance(module, Embedding)).weight[UNKNOWN] = 1.0
    words_NL = torch.where(IDS_NL[1:] == PADDING, UNKNOWN, IDS_NL[1:])

    assert (model(words_NL[:, :4]) - model(words_NL)).abs().max() > 1e-6
