"""A transformer for texts as ids: as an encoder with one output a text, and as a causal language model.

Blocks normalise before attention and before the two linear layers; positions are learned. Left out: a cache of keys for
generation.

Shape letters: N rows, L ids of a text, D numbers of a vector, H heads, C outputs of a row, V ids of the vocabulary.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.recipe.models.layers import PADDING, Embedding
from pytest_mlspec.recipe.models.text import mean_of_words

# The start of GPT-2: with weights that also give the logits, torch's 1.0 begins far above the loss of a uniform guess.
_SCALE = 0.02


class Block(nn.Module):
    """Self-attention and two linear layers, each added to its inputs."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(dim)
        # Without a bias: that of the keys would shift all scores of a query alike, so no gradient would ever reach it.
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.attention_output = nn.Linear(dim, dim)
        self.linear_norm = nn.LayerNorm(dim)
        self.linear = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, hidden_NLD: Tensor, visible_N1LL: Tensor | None) -> Tensor:
        """Vectors [N, L, D]. A position attends where `visible` is true; None lets it see itself and those before."""
        attended_NLD = self._attention(self.attention_norm(hidden_NLD), visible_N1LL)
        hidden_NLD = hidden_NLD + functional.dropout(attended_NLD, self.dropout, self.training)
        changed_NLD = self.linear(self.linear_norm(hidden_NLD))
        return hidden_NLD + functional.dropout(changed_NLD, self.dropout, self.training)

    def _attention(self, hidden_NLD: Tensor, visible_N1LL: Tensor | None) -> Tensor:
        rows, length, dim = hidden_NLD.shape
        joint = self.query_key_value(hidden_NLD).view(rows, length, 3, self.heads, dim // self.heads)
        query_NHLD, key_NHLD, value_NHLD = joint.permute(2, 0, 3, 1, 4)
        mixed_NHLD = functional.scaled_dot_product_attention(
            query_NHLD,
            key_NHLD,
            value_NHLD,
            attn_mask=visible_N1LL,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=visible_N1LL is None,
        )
        mixed_NLD: Tensor = self.attention_output(mixed_NHLD.transpose(1, 2).reshape(rows, length, dim))
        return mixed_NLD


class _Blocks(nn.Module):
    """Embeddings of ids and positions, the blocks, a last normalisation: ids [N, L] to vectors [N, L, D]."""

    def __init__(self, vocabulary: int, length: int, *, dim: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        if dim % heads:
            raise RecipeError(
                f"{heads} heads do not divide dim {dim}", key="model.heads", advice="make dim a multiple of heads"
            )
        self.dropout = nn.Dropout(dropout)
        self.embedding = Embedding(vocabulary, dim, scale=_SCALE)
        self.positions = nn.Embedding(length, dim)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        nn.init.normal_(self.positions.weight, std=_SCALE)
        for block in self.blocks:
            assert isinstance(block, Block)
            # two additions a block: their sum keeps its size, however many there are
            for last in (block.attention_output, block.linear[-1]):
                assert isinstance(last, nn.Linear)
                nn.init.normal_(last.weight, std=_SCALE / math.sqrt(2 * max(layers, 1)))
                nn.init.zeros_(last.bias)

    def forward(self, ids_NL: Tensor, visible_N1LL: Tensor | None) -> Tensor:
        length = ids_NL.shape[1]
        if length > self.positions.num_embeddings:
            raise DataError(
                f"a text of {length} ids, and the model has {self.positions.num_embeddings} positions",
                key="data.prepare",
                advice="cut texts to the length of the training rows",
            )
        hidden_NLD = self.dropout(self.embedding(ids_NL) + self.positions.weight[:length])
        for block in self.blocks:
            hidden_NLD = block(hidden_NLD, visible_N1LL)
        normalised_NLD: Tensor = self.norm(hidden_NLD)
        return normalised_NLD


class Transformer(nn.Module):
    """An encoder; its vectors, averaged over the words of a text, give the outputs [N, C]."""

    def __init__(
        self,
        vocabulary: int,
        length: int,
        out_features: int,
        *,
        dim: int = 64,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.blocks = _Blocks(vocabulary, length, dim=dim, heads=heads, layers=layers, dropout=dropout)
        self.output = nn.Linear(dim, out_features)

    def forward(self, ids_NL: Tensor) -> Tensor:
        """Outputs [N, C] for ids [N, L]."""
        words_NL = ids_NL != PADDING
        visible_NL = words_NL.clone()
        visible_NL[:, 0] = True  # a text without words must see something, or its softmax is over nothing
        hidden_NLD = self.blocks(ids_NL, visible_NL[:, None, None, :])
        outputs_NC: Tensor = self.output(mean_of_words(hidden_NLD, words_NL))
        return outputs_NC


class CausalLM(nn.Module):
    """A language model: at each position the logits of the next id, from this one and those before it.

    The weights that embed ids also give the logits (Press and Wolf 2017). Padding stands on the right, so no word sees it.
    """

    def __init__(
        self, vocabulary: int, length: int, *, dim: int = 128, heads: int = 4, layers: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.blocks = _Blocks(vocabulary, length, dim=dim, heads=heads, layers=layers, dropout=dropout)

    def forward(self, ids_NL: Tensor) -> Tensor:
        """Logits [N, L, V] for ids [N, L]."""
        logits_NLV: Tensor = functional.linear(self.blocks(ids_NL, None), self.blocks.embedding.weight)
        return logits_NLV
